package ffa

import "testing"

func TestPinNeedsAPageThatTheVMHasForItself(t *testing.T) {
	r, vm := newOwners(t)
	borrowed, shared := pagesOf(0, 0, 1), pagesOf(1, 0, 1)
	vm[0].call(hfShareMemory, idOf(1)<<32|1, borrowed.Base, borrowed.Size)
	r.as(vm[1], func() { vm[1].call(hfShareMemory, idOf(2)<<32|2, shared.Base, shared.Size) })
	readOnly := pagesOf(1, 1, 1)
	r.core.pages.set(readOnly, claim{owner: 1, borrower: noVM, own: ro})
	for _, c := range []struct {
		what string
		ipa  uint64
		want bool
	}{
		{"its own", pagesOf(1, 2, 1).Base + 64, true},
		{"the same again", pagesOf(1, 2, 1).Base + 128, true},
		{"another VM's", pagesOf(2, 0, 1).Base, false},
		{"borrowed", borrowed.Base, false},
		{"shared", shared.Base, false},
		{"read-only", readOnly.Base, false},
		{"its send page", txOf(1) + 64, false},
		{"its receive page", rxOf(1), false},
		{"no RAM", 0, false},
	} {
		if got := r.core.Pin(1, c.ipa); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestPinnedPageStaysWithItsVM(t *testing.T) {
	r := newRig(t, 1, 1)
	g, page := r.vms[0][0], pagesOf(0, 0, 1)
	if !r.core.Pin(0, page.Base) {
		t.Fatal("not pinned")
	}
	for how := range uint64(3) {
		g.call(hfShareMemory, idOf(1)<<32|how, page.Base, page.Size)
		g.want("share_memory", failed)
	}
	g.call(spciRXTXMap, txOf(0), page.Base, 1)
	g.want("map", errorRegs(-6)...)
	r.mapped(0)
	g.sendMemory(1, g.describe(msgDonate, 1, attrRWX, 0, pagesOf(0, 0, 2)))
	g.want("donate", errorRegs(-4)...) // VM 1 has no mailbox
	r.mapped(1)
	g.sendMemory(1, g.describe(msgDonate, 1, attrRWX, 0, page))
	g.want("donate", errorRegs(-2)...)
}

func TestUnpinnedPageIsAsItWasBefore(t *testing.T) {
	r := newRig(t, 1, 1)
	g, page := r.vms[0][0], pagesOf(0, 0, 1)
	before := len(r.core.pages)
	r.core.Unpin(page.Base) // which is not pinned
	r.core.Unpin(0)         // which is no memory
	r.core.Pin(0, page.Base)
	r.core.Pin(0, page.Base+64)
	r.core.Unpin(page.Base + 128)
	if n := len(r.core.pages); n != before {
		t.Errorf("%d holdings, %d before", n, before)
	}
	g.call(hfShareMemory, idOf(1)<<32, page.Base, page.Size)
	g.want("share_memory", 0)
	if r.core.Pin(0, page.Base) || !r.core.Pin(1, page.Base) {
		t.Error("a page that was given away is still its first owner's to pin")
	}
}
