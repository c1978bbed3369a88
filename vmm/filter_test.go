package vmm

import (
	"slices"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

func TestKVMForwardsEveryCallButThoseThatItKeeps(t *testing.T) {
	for _, c := range []struct {
		primary bool
		kept    []hypercall.Range
	}{
		{false, architecture},
		{true, slices.Concat(architecture, hostServices)},
	} {
		forwarded := forwarded(c.primary)
		is := func(rs []hypercall.Range, fn uint64) bool {
			return slices.ContainsFunc(rs, func(r hypercall.Range) bool { return r.Contains(hypercall.FuncID(fn)) })
		}
		ids := []uint64{0, 1, 0xff00, 1<<32 - 1}
		for _, k := range c.kept {
			first, end := uint64(k.First), uint64(k.First)+uint64(k.Count)
			ids = append(ids, first-1, first, end-1, end)
		}
		for _, fn := range ids {
			if got, want := is(forwarded, fn), !is(c.kept, fn); got != want {
				t.Errorf("primary %v: %#x is forwarded: %v, want %v", c.primary, fn, got, want)
			}
		}
		var sum uint64
		for _, r := range slices.Concat(forwarded, c.kept) {
			sum += uint64(r.Count)
		}
		if sum != 1<<32 {
			t.Errorf("primary %v: forwarded and kept are %#x function identifiers", c.primary, sum)
		}
	}
}

func TestServiceOfCallsThatKVMKeepsIsRefused(t *testing.T) {
	rs := forwarded(false)
	if err := checkForwarded(rs, []hypercall.Range{{First: 0x8000_FFF0, Count: 0x20}}); err == nil {
		t.Error("no error")
	}
	if err := checkForwarded(rs, []hypercall.Range{{First: 0x8400_0000, Count: 0x20}, {First: 0xFF00, Count: 0x10}}); err != nil {
		t.Error(err)
	}
}
