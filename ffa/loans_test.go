package ffa

import "testing"

// A VM that dies has borrowed memory of two others, in every way.
func TestWhatADeadVMHasBorrowedGoesBackToItsOwners(t *testing.T) {
	r, vm := newOwners(t)
	lent, lentRO, shared, given := pagesOf(0, 0, 1), pagesOf(0, 1, 1), pagesOf(0, 2, 1), pagesOf(0, 3, 1)
	of2, own := pagesOf(2, 0, 2), pagesOf(1, 3, 1)
	for _, m := range []struct {
		kind       uint16
		attributes uint16
		span       Span
	}{
		{msgLend, attrRWX, lent}, {msgLend, attrRONX, lentRO}, {msgShare, attrRWX, shared}, {msgDonate, attrRWX, given},
	} {
		vm[0].sendMemory(1, vm[0].describe(m.kind, 1, m.attributes, 0, m.span))
		vm[0].want("send", uint64(spciSuccess))
		r.drain()
	}
	r.as(vm[2], func() {
		vm[2].call(hfShareMemory, idOf(1)<<32|1, of2.Base, of2.Size)
		vm[2].want("lend", 0)
	})
	r.as(vm[1], func() {
		vm[1].call(hfShareMemory, idOf(2)<<32|1, own.Base, own.Size)
		vm[1].want("lend", 0)
	})
	for _, s := range []Span{lent, lentRO, shared, given, of2} {
		for a := s.Base; a < s.Base+s.Size; a += PageSize {
			r.page(a)[7] = 7
		}
	}
	r.enter(r.vms[0][1], vm[1])
	r.stage2.resuming = func() {
		if r.page(lent.Base)[7] != 0 && r.stage2.access[0][lent.Base] != 0 {
			t.Error("the owner could see what the dead VM left in memory that it had alone")
		}
	}
	r.core.Abort(&vm[1].VCPU)

	r.access("lent", lent, rwx, 0, 0)
	r.access("lent read-only", lentRO, rwx, 0, 0)
	r.access("shared", shared, rwx, 0, 0)
	r.access("given", given, 0, 0, 0) // it is the dead VM's, which has no memory any more
	r.access("lent by another", of2, 0, 0, rwx)
	r.access("lent by the dead VM", own, 0, 0, rwx)
	for name, c := range map[string]struct {
		span Span
		want byte
	}{"lent": {lent, 0}, "lent read-only": {lentRO, 7}, "shared": {shared, 7}, "given": {given, 7}, "of VM 2": {of2, 0}} {
		if got := r.page(c.span.Base)[7]; got != c.want {
			t.Errorf("%s: byte %d, want %d", name, got, c.want)
		}
	}
	vm[0].call(hfShareMemory, idOf(2)<<32|1, lent.Base, lent.Size)
	vm[0].want("loan of what came back", 0)
}

// Its other vCPUs may run on: they have nothing any more, and get nothing.
func TestDeadVMHasNoMemory(t *testing.T) {
	r, vm := newOwners(t)
	lent := pagesOf(0, 0, 1)
	r.enter(r.vms[0][1], vm[1])
	r.core.Abort(&vm[1].VCPU)
	for n := range vmSize / PageSize {
		r.access("its own", Span{pageOf(1, n), PageSize}, 0, 0, 0)
	}
	if !r.core.Dead(1) || r.core.Dead(2) {
		t.Error("the wrong VM is dead")
	}
	vm[0].call(hfShareMemory, idOf(1)<<32|2, lent.Base, lent.Size)
	vm[0].want("share with it", 0)
	r.access("shared with it", lent, rwx, 0, 0)
}

func TestMemoryThatStage2CannotReturnStaysWithTheDeadVM(t *testing.T) {
	r, vm := newOwners(t)
	first, second := pagesOf(0, 0, 1), pagesOf(0, 2, 1)
	for _, s := range []Span{first, second} {
		vm[0].call(hfShareMemory, idOf(1)<<32|1, s.Base, s.Size)
		vm[0].want("lend", 0)
	}
	r.enter(r.vms[0][1], vm[1])
	r.stage2.resuming = func() { // after the dead VM's memory was taken away
		r.stage2.full, r.stage2.resuming = true, nil // once
	}
	r.core.Abort(&vm[1].VCPU)
	r.access("the first", first, 0, 0, 0)
	r.access("the second", second, rwx, 0, 0)
}
