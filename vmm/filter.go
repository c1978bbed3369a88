package vmm

import (
	"fmt"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Function identifiers that KVM answers itself. It lets nobody have those of the architecture (DEN0028 §6.2);
// the others are of use to a primary: random numbers, the time stolen from it, a clock.
var (
	architecture = []hypercall.Range{
		{First: 0x8000_0000, Count: 0x1_0000},
		{First: 0xC000_0000, Count: 0x1_0000},
	}
	hostServices = []hypercall.Range{
		{First: 0x8400_0050, Count: 0x10}, // TRNG (DEN0098)
		{First: 0xC400_0050, Count: 0x10},
		{First: 0xC500_0020, Count: 0x20},     // stolen time (DEN0057)
		{First: 0x8600_0000, Count: 0x1_0000}, // KVM's own
		{First: 0xC600_0000, Count: 0x1_0000},
	}
)

// forwarded returns what KVM is to forward of the calls of a VM: all that it need not answer itself, so that
// an unknown one changes no register but x0.
func forwarded(isPrimary bool) []hypercall.Range {
	kept := architecture
	if isPrimary {
		kept = append(kept[:len(kept):len(kept)], hostServices...)
	}
	return without(kept)
}

// without returns all function identifiers but those of the ranges, which are disjoint.
func without(kept []hypercall.Range) []hypercall.Range {
	var rs []hypercall.Range
	for first := uint64(0); first < 1<<32; {
		next := hypercall.Range{}
		end := uint64(1 << 32) // where the first kept range from here begins
		for _, k := range kept {
			if b := uint64(k.First); b >= first && b < end {
				next, end = k, b
			}
		}
		if end > first {
			rs = append(rs, hypercall.Range{First: hypercall.FuncID(first), Count: uint32(end - first)})
		}
		first = end + uint64(next.Count)
	}
	return rs
}

// checkForwarded fails unless KVM forwards what a service is to serve.
func checkForwarded(forwarded, served []hypercall.Range) error {
	for _, s := range served {
		ok := false
		for _, f := range forwarded {
			ok = ok || f.Contains(s.First) && uint64(s.First)+uint64(s.Count) <= uint64(f.First)+uint64(f.Count)
		}
		if !ok {
			return fmt.Errorf("vmm: KVM keeps calls of %v to itself", s)
		}
	}
	return nil
}
