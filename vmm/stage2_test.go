package vmm

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/hfvmm/hfvmm/ffa"
	"github.com/hfvmm/hfvmm/kvmarm"
)

func TestMemoryThatCannotChangeHandsIsLoggedSoManyTimesForEachVM(t *testing.T) {
	var r record
	m := &Machine{log: slog.New(slog.NewTextHandler(&r.log, nil))}
	for _, name := range []string{"a", "b"} {
		m.vms = append(m.vms, &vm{m: m, name: name, kvm: &kvmarm.VM{}})
	}
	s := newStage2(m)
	for i := range s.tables {
		_, table := newFakeTable(2 * (maxSlots + 1))
		s.tables[i] = *table
	}
	pieces := func(vm int) (changes []ffa.Mapping) { // every second page goes
		for page := range uint64(maxSlots + 1) {
			changes = append(changes, ffa.Mapping{VM: vm, Span: ffa.Span{Base: ramBase + (2*page+1)*pageSize, Size: pageSize}})
		}
		return changes
	}
	for range maxReports {
		for vm := range 2 {
			if s.Fits(pieces(vm)) == nil || s.Remap(pieces(vm)) == nil {
				t.Fatal("a VM gets more memslots than there are")
			}
		}
	}
	for _, name := range []string{"a", "b"} {
		if n := strings.Count(r.log.String(), "vm="+name+" error=\"its memory is in too many pieces"); n != maxReports {
			t.Errorf("%d lines tell of VM %s, want %d:\n%s", n, name, maxReports, r.log.String())
		}
	}
	if n := strings.Count(r.log.String(), "more="); n != 2 {
		t.Errorf("%d lines say that they are the last, want 2:\n%s", n, r.log.String())
	}
}
