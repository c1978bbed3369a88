package ffa

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Kinds of memory messages, and access in an attribute: read-only or not, executable or not.
const (
	msgDonate = iota
	msgLend
	msgShare
	msgRelinquish

	attrRONX = 0 << 5
	attrROX  = 1 << 5
	attrRWNX = 2 << 5
	attrRWX  = 3 << 5
)

// describe puts a message into g's send page and returns its size.
func (g *guest) describe(kind uint16, to int, attributes uint16, flags uint32, spans ...Span) uint64 {
	m := binary.LittleEndian.AppendUint16(nil, kind)
	m = append(m, make([]byte, 6)...)
	pages := uint64(0)
	for _, s := range spans {
		pages += s.Size / PageSize
	}
	for _, v := range []uint32{0xC0FFEE, flags, uint32(pages), uint32(len(spans)), 32, 1} {
		m = binary.LittleEndian.AppendUint32(m, v)
	}
	m = binary.LittleEndian.AppendUint16(m, uint16(idOf(to)))
	m = binary.LittleEndian.AppendUint16(m, attributes)
	m = append(m, 0, 0, 0, 0)
	for _, s := range spans {
		m = binary.LittleEndian.AppendUint64(m, s.Base)
		m = binary.LittleEndian.AppendUint32(m, uint32(s.Size/PageSize))
		m = append(m, 0, 0, 0, 0)
	}
	return uint64(copy(g.rig.page(txOf(int(g.ID.VM))), m))
}

func (g *guest) sendMemory(to int, size uint64) hypercall.Outcome {
	return g.call(spciMsgSend, spciPair(idOf(int(g.ID.VM)), idOf(to)), 0, size, spciMemory)
}

// pagesOf are n pages of a VM from its i-th, behind those of the mailbox.
func pagesOf(vm, i, n int) Span {
	return Span{ramOf(vm).Base + uint64(2+i)*PageSize, uint64(n) * PageSize}
}

// access fails the test unless each VM has this access to all pages of the span.
func (r *rig) access(what string, s Span, want ...Access) {
	r.t.Helper()
	for a := s.Base; a < s.Base+s.Size; a += PageSize {
		for vm, w := range want {
			if got := r.stage2.access[vm][a]; got != w {
				r.t.Errorf("%s: VM %d has access %03b to page %#x, want %03b", what, vm, got, a, w)
			}
		}
	}
}

const (
	ro  = Read
	rox = Read | Execute
	rw  = Read | Write
	rwx = FullAccess
)

// newOwners returns three VMs with mailboxes, of which VMs 1 and 2 run, on vCPUs 1 and 2 of VM 0.
func newOwners(t tester) (r *rig, vm []*guest) {
	r = newRig(t, 3, 1, 1)
	r.mapped(0, 1, 2)
	vm = []*guest{r.vms[0][0], r.vms[1][0], r.vms[2][0]}
	return r, vm
}

// as lets g make calls: a secondary runs meanwhile.
func (r *rig) as(g *guest, do func()) {
	r.t.Helper()
	if g.ID.VM == primary {
		do()
		return
	}
	p := r.vms[primary][g.ID.VM]
	r.enter(p, g)
	do()
	if r.core.Runner(&g.VCPU) != nil {
		r.preempt(g)
	}
}

// drain empties every mailbox.
func (r *rig) drain() {
	for i := range r.core.vms {
		r.core.vms[i].box.state = boxEmpty
	}
}

func TestSharedMemoryIsZeroedAndMapped(t *testing.T) {
	for _, c := range []struct {
		how   uint64
		want  []Access // of VMs 0 to 2
		parks int
	}{
		{0, []Access{0, rwx, 0}, 2},
		{1, []Access{0, rwx, 0}, 2},
		{2, []Access{rwx, rwx, 0}, 1},
	} {
		r, vm := newOwners(t)
		span := pagesOf(0, 1, 3)
		for i := range r.ram {
			r.ram[i] = 0xAA
		}
		r.stage2.resuming = func() {
			if r.stage2.access[1][span.Base] != 0 && !bytes.Equal(r.Slice(span.Base, span.Size), make([]byte, span.Size)) {
				t.Errorf("how %d: the receiver could see what was there", c.how)
			}
		}
		r.core.memory = clearing{r, func(uint64) {
			if r.stage2.parked != 0 || r.stage2.access[1][span.Base] != 0 || c.how != 2 && r.stage2.access[0][span.Base] != 0 {
				t.Errorf("how %d: cleared with %d brakes on, access of the giver %03b, of the receiver %03b",
					c.how, r.stage2.parked, r.stage2.access[0][span.Base], r.stage2.access[1][span.Base])
			}
		}}
		vm[0].call(hfShareMemory, idOf(1)<<32|c.how, span.Base, span.Size)
		vm[0].want("share_memory", 0)
		r.access("shared", span, c.want...)
		if r.stage2.parks != c.parks || r.ram[span.Base-ramBase-1] != 0xAA || r.ram[span.Base+span.Size-ramBase] != 0xAA {
			t.Errorf("how %d: %d parks; memory around: %#x", c.how, r.stage2.parks, r.ram[span.Base-ramBase-1])
		}
		r.stage2.resuming, r.core.memory = nil, r

		r.as(vm[2], func() {
			vm[2].call(hfShareMemory, idOf(0)<<32, span.Base, span.Size)
			vm[2].want("share_memory by a stranger", failed)
		})
		r.as(vm[1], func() {
			vm[1].call(hfShareMemory, idOf(2)<<32, span.Base, span.Size)
			if c.how == 0 {
				vm[1].want("gift of what was given", 0)
				return
			}
			vm[1].want("gift of what is borrowed", failed)
			vm[1].call(hfShareMemory, idOf(0)<<32|1, span.Base, span.Size)
			vm[1].want("loan of what is borrowed, to its owner", failed)
			r.page(span.Base)[5] = 7
			vm[1].call(hfShareMemory, idOf(0)<<32, span.Base, span.Size)
			vm[1].want("gift of what is borrowed, to its owner", 0)
			r.access("given back", span, rwx, 0, 0)
			if r.page(span.Base)[5] != 0 {
				t.Error("memory came back without being zeroed")
			}
		})
	}
}

func TestShareMemoryRefuses(t *testing.T) {
	page := pagesOf(0, 0, 1).Base
	for name, a := range map[string][3]uint64{
		"itself":                {1 << 32, page, PageSize},
		"the hypervisor":        {0, page, PageSize},
		"no VM":                 {9 << 32, page, PageSize},
		"a fourth way":          {2<<32 | 3, page, PageSize},
		"an odd address":        {2 << 32, page + 8, PageSize},
		"an odd size":           {2 << 32, page, PageSize + 1},
		"no page":               {2 << 32, page, 0},
		"pages that wrap":       {2 << 32, page, ^uint64(0) &^ (PageSize - 1)},
		"another VM's page":     {2 << 32, pagesOf(1, 0, 1).Base, PageSize},
		"pages of two VMs":      {2 << 32, ramOf(1).Base - PageSize, 2 * PageSize},
		"no RAM":                {2 << 32, 0, PageSize},
		"its send page":         {2 << 32, txOf(0), PageSize},
		"all with its receive":  {2 << 32, rxOf(0), 3 * PageSize},
		"what is lent already":  {2 << 32, pagesOf(0, 4, 1).Base, PageSize},
		"what is shared partly": {2 << 32, pagesOf(0, 2, 3).Base, 3 * PageSize},
	} {
		t.Run(name, func(t *testing.T) {
			r, vm := newOwners(t)
			vm[0].call(hfShareMemory, idOf(2)<<32|1, pagesOf(0, 4, 1).Base, PageSize)
			vm[0].call(hfShareMemory, idOf(1)<<32|2, pagesOf(0, 3, 1).Base, PageSize)
			r.ram[page-ramBase] = 1
			remaps := r.stage2.remaps
			vm[0].call(hfShareMemory, a[0], a[1], a[2])
			vm[0].want(name, failed)
			if r.stage2.remaps != remaps || r.ram[page-ramBase] != 1 {
				t.Error("something changed")
			}
		})
	}
}

// Who may do what after a memory message, and what the owner gets back.
func TestMemoryMessageTransfers(t *testing.T) {
	for _, c := range []struct {
		name       string
		kind       uint16
		attributes uint16
		want       []Access // of VMs 0 to 2
	}{
		{"donate", msgDonate, attrRWX, []Access{0, rwx, 0}},
		{"lend RW-X", msgLend, attrRWX, []Access{0, rwx, 0}},
		{"lend RW-NX", msgLend, attrRWNX, []Access{0, rw, 0}},
		{"lend RO-X", msgLend, attrROX, []Access{0, rox, 0}},
		{"lend RO-NX", msgLend, attrRONX, []Access{0, ro, 0}},
		{"share RW-X", msgShare, attrRWX, []Access{rwx, rwx, 0}},
		{"share RO-NX", msgShare, attrRONX, []Access{rwx, ro, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, vm := newOwners(t)
			span := pagesOf(0, 0, 4)
			r.page(span.Base)[0] = 42
			size := vm[0].describe(c.kind, 1, c.attributes|0x1F, 0, span)
			sent := bytes.Clone(r.page(txOf(0))[:size])
			vm[0].sendMemory(1, size)
			vm[0].want("send", uint64(spciSuccess))
			r.access(c.name, span, c.want...)
			if r.page(span.Base)[0] != 42 {
				t.Error("the memory was cleared")
			}
			r.as(vm[1], func() {
				vm[1].call(spciMsgPoll)
				vm[1].want("poll", uint64(spciMsgSend), spciPair(idOf(0), idOf(1)), any64, size, 2)
				if !bytes.Equal(r.page(rxOf(1))[:size], sent) {
					t.Error("the message arrived changed")
				}
				vm[1].call(spciRXRelease)
				again := vm[1].describe(msgRelinquish, 0, 0, 0, span)
				out := vm[1].sendMemory(0, again)
				if c.kind == msgDonate {
					vm[1].want("relinquish of what is owned", errorRegs(-2)...)
					return
				}
				if out != leaves {
					t.Errorf("relinquish: outcome %+v, x2 = %#x", out, vm[1].x[2])
				}
				r.vms[0][1].want("run", uint64(spciMsgSend), spciPair(idOf(1), idOf(0)), any64, again, 2)
				r.access("relinquished", span, rwx, 0, 0)
			})
		})
	}
}

func TestMemoryMessageRefuses(t *testing.T) {
	span := pagesOf(0, 0, 2)
	le := binary.LittleEndian
	for _, c := range []struct {
		name   string
		change func(r *rig, tx []byte, size *uint64)
	}{
		{"a fifth kind", func(_ *rig, tx []byte, _ *uint64) { tx[0] = 4 }},
		{"a wild kind", func(_ *rig, tx []byte, _ *uint64) { tx[1] = 1 }},
		{"relinquish by the owner", func(_ *rig, tx []byte, _ *uint64) { tx[0] = msgRelinquish }},
		{"no receiver", func(_ *rig, tx []byte, _ *uint64) { tx[28] = 0 }},
		{"two receivers", func(_ *rig, tx []byte, _ *uint64) { tx[28] = 2 }},
		{"another receiver than the message's", func(_ *rig, tx []byte, _ *uint64) { tx[32] = 3 }},
		{"no constituent", func(_ *rig, tx []byte, size *uint64) { tx[20] = 0; *size -= 16 }},
		{"more constituents than there are", func(_ *rig, tx []byte, _ *uint64) { tx[20]++ }},
		{"many more", func(_ *rig, tx []byte, _ *uint64) { le.PutUint32(tx[20:], 0xFFFF_FFFF) }},
		{"constituents that overlap the attributes", func(_ *rig, tx []byte, size *uint64) { tx[24] = 24; *size -= 8 }},
		{"constituents far away", func(_ *rig, tx []byte, _ *uint64) { le.PutUint32(tx[24:], 0xFFFF_FFF0) }},
		{"a byte too little", func(_ *rig, _ []byte, size *uint64) { *size-- }},
		{"a byte too much", func(_ *rig, _ []byte, size *uint64) { *size++ }},
		{"a header alone", func(_ *rig, _ []byte, size *uint64) { *size = 8 }},
		{"nothing", func(_ *rig, _ []byte, size *uint64) { *size = 0 }},
		{"no page", func(_ *rig, tx []byte, _ *uint64) { tx[48] = 0 }},
		{"an odd address", func(_ *rig, tx []byte, _ *uint64) { tx[40]++ }},
		{"too many pages", func(_ *rig, tx []byte, _ *uint64) { tx[48] = 200 }},
		{"far too many pages", func(_ *rig, tx []byte, _ *uint64) { le.PutUint32(tx[48:], 0xFFFF_FFFF) }},
		{"an address at the end of the world", func(_ *rig, tx []byte, _ *uint64) { le.PutUint64(tx[40:], ^uint64(0)&^0xFFF) }},
		{"another VM's pages", func(_ *rig, tx []byte, _ *uint64) { le.PutUint64(tx[40:], pagesOf(2, 0, 1).Base) }},
		{"the receiver's pages", func(_ *rig, tx []byte, _ *uint64) { le.PutUint64(tx[40:], pagesOf(1, 0, 1).Base) }},
		{"a mailbox page", func(_ *rig, tx []byte, _ *uint64) { le.PutUint64(tx[40:], rxOf(0)) }},
		{"a page twice", func(r *rig, tx []byte, size *uint64) {
			*size = r.vms[0][0].describe(msgLend, 1, attrRWX, 0, span, span)
		}},
		{"pages of two states", func(r *rig, tx []byte, _ *uint64) {
			r.vms[0][0].call(hfShareMemory, idOf(1)<<32|2, span.Base, PageSize)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, vm := newOwners(t)
			size := vm[0].describe(msgLend, 1, attrRWX, 1, span)
			r.page(span.Base + PageSize)[9] = 1
			c.change(r, r.page(txOf(0)), &size)
			remaps := r.stage2.remaps
			vm[0].sendMemory(1, size)
			vm[0].want(c.name, errorRegs(-2)...)
			if r.stage2.remaps != remaps || r.page(span.Base + PageSize)[9] != 1 || r.core.vms[1].box.state != boxEmpty {
				t.Error("something changed")
			}
		})
	}
}

func TestMemoryMessageToAFullMailboxTransfersNothing(t *testing.T) {
	r, vm := newOwners(t)
	vm[0].send(1, "first", 0)
	vm[0].sendMemory(1, vm[0].describe(msgLend, 1, attrRWX, 0, pagesOf(0, 0, 1)))
	vm[0].want("send", errorRegs(-4)...)
	if r.stage2.remaps != 0 {
		t.Error("memory changed hands")
	}
}

func TestMemoryMessageWithTheFlagZeroesBeforeTheReceiverSees(t *testing.T) {
	r, vm := newOwners(t)
	span := pagesOf(0, 0, 2)
	copy(r.page(span.Base), "secret")
	r.stage2.resuming = func() {
		if r.stage2.access[1][span.Base] != 0 && r.page(span.Base)[0] != 0 {
			t.Error("not zeroed")
		}
	}
	vm[0].sendMemory(1, vm[0].describe(msgDonate, 1, attrRWX, 1, span))
	vm[0].want("send", uint64(spciSuccess))
	r.access("donated", span, 0, rwx, 0)
	r.stage2.resuming()
}

func TestDonationOfLentAndSharedMemoryGoesToItsBorrowerAlone(t *testing.T) {
	for _, kind := range []uint16{msgLend, msgShare} {
		r, vm := newOwners(t)
		span := pagesOf(0, 0, 1)
		vm[0].sendMemory(1, vm[0].describe(kind, 1, attrRONX, 0, span))
		r.drain()
		vm[0].sendMemory(2, vm[0].describe(msgDonate, 2, attrRWX, 0, span))
		vm[0].want("donation to another", errorRegs(-2)...)
		r.as(vm[1], func() {
			vm[1].sendMemory(2, vm[1].describe(msgShare, 2, attrRONX, 0, span))
			vm[1].want("share of what is borrowed", errorRegs(-2)...)
		})
		vm[0].sendMemory(1, vm[0].describe(msgDonate, 1, attrRWX, 0, span))
		vm[0].want("donation to the borrower", uint64(spciSuccess))
		r.access("donated", span, 0, rwx, 0)
	}
}

func TestNobodyGivesMoreAccessThanItHas(t *testing.T) {
	r, vm := newOwners(t)
	span := pagesOf(0, 0, 1)
	vm[0].sendMemory(1, vm[0].describe(msgDonate, 1, attrRONX, 0, span))
	r.drain()
	r.as(vm[1], func() {
		vm[1].sendMemory(2, vm[1].describe(msgLend, 2, attrRWNX, 0, span))
		vm[1].want("loan of a read-only page for writing", errorRegs(-2)...)
		vm[1].sendMemory(2, vm[1].describe(msgLend, 2, attrRONX, 0, span))
	})
	r.access("lent on", span, 0, 0, ro)
}

func TestMailboxNeedsExclusiveWritablePages(t *testing.T) {
	for name, prepare := range map[string]func(r *rig, p *guest, page Span){
		"shared":    func(r *rig, p *guest, page Span) { p.call(hfShareMemory, idOf(1)<<32|2, page.Base, page.Size) },
		"lent":      func(r *rig, p *guest, page Span) { p.call(hfShareMemory, idOf(1)<<32|1, page.Base, page.Size) },
		"given":     func(r *rig, p *guest, page Span) { p.call(hfShareMemory, idOf(1)<<32, page.Base, page.Size) },
		"read-only": func(r *rig, p *guest, page Span) { r.core.pages.set(page, claim{borrower: noVM, own: ro}) },
	} {
		r := newRig(t, 1, 1)
		p, page := r.vms[0][0], pagesOf(0, 0, 1)
		prepare(r, p, page)
		p.call(spciRXTXMap, page.Base, rxOf(0), 1)
		p.want(name+" send page", errorRegs(-6)...)
		p.call(spciRXTXMap, txOf(0), page.Base, 1)
		p.want(name+" receive page", errorRegs(-6)...)
	}
}

func TestSecondVCPUMayStartInBorrowedMemory(t *testing.T) {
	r := newRig(t, 1, 2)
	r.mapped(0, 1)
	p, a, span := r.vms[0][0], r.vms[1][0], pagesOf(0, 0, 1)
	p.call(hfShareMemory, idOf(1)<<32|1, span.Base, span.Size)
	r.enter(p, a)
	a.blocks(hypercall.PSCICPUOn, 1, span.Base, 0)
	a.want("CPU_ON", 0)
}

func TestTransferThatStage2CannotHoldChangesNothing(t *testing.T) {
	r, vm := newOwners(t)
	span := pagesOf(0, 0, 1)
	r.page(span.Base)[0] = 5
	r.stage2.full = true
	vm[0].call(hfShareMemory, idOf(1)<<32, span.Base, span.Size)
	vm[0].want("share_memory", failed)
	r.stage2.full = true
	vm[0].sendMemory(1, vm[0].describe(msgLend, 1, attrRWX, 1, span))
	vm[0].want("lend", errorRegs(-3)...)
	if r.page(span.Base)[0] != 5 {
		t.Error("zeroed")
	}
	r.access("after the failures", span, rwx, 0, 0)
	vm[0].sendMemory(1, vm[0].describe(msgLend, 1, attrRWX, 1, span))
	vm[0].want("the same with room", uint64(spciSuccess))
}

func TestGiverGetsBackWhatTheKernelDoesNotLetTheReceiverHave(t *testing.T) {
	for _, kind := range []uint16{msgDonate, msgLend, msgShare} {
		r, vm := newOwners(t)
		span := pagesOf(0, 0, 2)
		r.stage2.fail = 2 // to take it away succeeds
		if kind == msgShare {
			r.stage2.fail = 1
		}
		vm[0].sendMemory(1, vm[0].describe(kind, 1, attrRWX, 1, span))
		vm[0].want("send", errorRegs(-3)...)
		r.access("refused", span, rwx, 0, 0)
		vm[0].sendMemory(1, vm[0].describe(kind, 1, attrRWX, 1, span))
		vm[0].want("the same once it works", uint64(spciSuccess))
	}
}

func TestTransferThatNeedsTooManyHoldingsIsOutOfMemory(t *testing.T) {
	r, vm := newOwners(t)
	borrowed := pagesOf(0, 3, 1)
	vm[0].call(hfShareMemory, idOf(1)<<32|1, borrowed.Base, borrowed.Size)
	full := r.core.pages
	for len(r.core.pages) < MaxHoldings-1 {
		r.core.pages = append(r.core.pages, holding{Span{^uint64(0) - 2*PageSize, PageSize}, claim{}})
	}
	vm[0].sendMemory(1, vm[0].describe(msgLend, 1, attrRWX, 0, pagesOf(0, 0, 1)))
	vm[0].want("lend", errorRegs(-3)...)
	r.as(vm[1], func() {
		vm[1].sendMemory(0, vm[1].describe(msgRelinquish, 0, 0, 0, borrowed))
		vm[1].want("relinquish", uint64(spciSuccess))
	})
	r.core.pages = full
	r.drain()
	vm[0].sendMemory(1, vm[0].describe(msgLend, 1, attrRWX, 0, pagesOf(0, 0, 1)))
	vm[0].want("lend with room", uint64(spciSuccess))
}

func TestContiguousConstituentsAreOneChange(t *testing.T) {
	r, vm := newOwners(t)
	vm[0].sendMemory(1, vm[0].describe(msgLend, 1, attrRWX, 0, pagesOf(0, 3, 1), pagesOf(0, 1, 2), pagesOf(0, 0, 1)))
	vm[0].want("lend", uint64(spciSuccess))
	if r.stage2.remaps != 2 || r.stage2.parks != 1 {
		t.Errorf("%d changes in %d parks", r.stage2.remaps, r.stage2.parks)
	}
}

func TestTransfersAllocateNothing(t *testing.T) {
	r, vm := newOwners(t)
	span := pagesOf(0, 0, 3)
	size := vm[0].describe(msgLend, 1, attrRWX, 1, span)
	back := vm[1].describe(msgRelinquish, 0, 0, 0, span)
	p, a := vm[0].core(), vm[1].core()
	s := &spci{r.core}
	if n := testing.AllocsPerRun(50, func() {
		copy(r.core.message[:], p.vm.box.tx[:size])
		if st := s.transferMessage(p.vm, a.vm, r.core.message[:size]); st != success {
			t.Fatal(st)
		}
		copy(r.core.message[:], a.vm.box.tx[:back])
		if st := s.transferMessage(a.vm, p.vm, r.core.message[:back]); st != success {
			t.Fatal(st)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
