package ffa

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
)

// Memory in the model: one entry for each page, and its bytes.

// mine is the page at ipa, or nil where there is no memory.
func (m *model) mine(ipa uint64) *pageModel {
	if ipa < ramBase || ipa >= ramBase+uint64(len(m.ram)) {
		return nil
	}
	return &m.pages[(ipa-ramBase)/PageSize]
}

// may reports whether a VM has this access at ipa.
func (m *model) may(vm *modelVM, ipa uint64, a Access) bool {
	p := m.mine(ipa)
	return p != nil && p.access(vm.index)&a == a
}

// free reports whether a page is a VM's alone, to write and to do with as it likes.
func (m *model) free(vm *modelVM, ipa uint64) bool {
	p := m.mine(ipa)
	return p != nil && p.owner == vm.index && p.borrower < 0 && !p.pinned && p.own&Write != 0
}

// mails reports whether a page is one of the VM's mailbox.
func (vm *modelVM) mails(ipa uint64) bool { return vm.mapped && (ipa == vm.tx || ipa == vm.rx) }

// same compares the first bytes of a page with what must be there.
//
//go:norace
func (m *model) same(ipa, size uint64) {
	if !bytes.Equal(m.page(ipa)[:size], m.at(ipa)[:size]) {
		m.t.Fatalf("page %#x has %x, the model says %x", ipa, m.page(ipa)[:size], m.at(ipa)[:size])
	}
}

// checkMemory compares all memory, and all access to it, and counts owners.
//
//go:norace
func (m *model) checkMemory() {
	if !bytes.Equal(m.ram, m.shadow) {
		for i := 0; i < len(m.ram); i += PageSize {
			m.same(ramBase+uint64(i), PageSize)
		}
	}
	for i := range m.pages {
		m.checkPage(ramBase + uint64(i)*PageSize)
	}
}

//go:norace
func (m *model) checkPage(ipa uint64) {
	p, alone := m.mine(ipa), 0
	for vm := range m.vm {
		want := p.access(vm)
		if m.vm[vm].dead {
			want = 0
		}
		if got := m.stage2.access[vm][ipa]; got != want {
			m.t.Fatalf("page %#x: VM %d has access %03b, the model says %+v", ipa, vm, got, *p)
		}
		if c, ok := m.core.pages.claim(Span{ipa, PageSize}); ok && c.owner == uint16(vm) && c.borrower == noVM {
			alone++
		}
	}
	if alone > 1 || p.borrower < 0 && alone != 1 {
		m.t.Fatalf("page %#x has %d exclusive owners", ipa, alone)
	}
}

// pin keeps a page for the machine's use.
func (m *model) pin(vm *modelVM, ipa uint64) {
	page := ipa &^ (PageSize - 1)
	p := m.mine(ipa)
	want := p != nil && (p.pinned && p.owner == vm.index || m.free(vm, ipa) && !vm.mails(page))
	if got := m.core.Pin(vm.index, ipa); got != want {
		m.t.Fatalf("pinning %#x for VM %d: %v, the model says %v", ipa, vm.index, got, want)
	}
	if want {
		p.pinned = true
	}
}

// unpin lets go of a page that is pinned, or is not.
func (m *model) unpin(ipa uint64) {
	m.core.Unpin(ipa)
	if p := m.mine(ipa); p != nil && p.pinned {
		p.pinned = false
		m.pins--
	}
}

// info has c ask for the list of VMs, which comes by way of its mailbox.
func (m *model) info(c *modelCPU) {
	m.begin(c, spciPartitionInfoGet, 0, 0, 0, 0)
	switch {
	case !c.vm.mapped:
		m.fails(c, -6)
	case c.vm.box != empty:
		m.fails(c, -4)
	default:
		c.vm.box = read
		c.gets(uint64(spciSuccess), any64, uint64(len(m.vm)))
		for i, vm := range m.vm {
			binary.LittleEndian.PutUint64(m.at(c.vm.rx)[8*i:], m.id(i)|uint64(len(vm.cpu))<<16)
		}
	}
	m.finish(c)
}

// transfer is memory that is to change hands.
type transferOf struct {
	kind   int // donate, lend, share, relinquish
	spans  []Span
	access Access
	zero   bool
}

// move moves memory between VMs if the rules let it: every page is in the same state, comes once, is no
// mailbox's; the giver owns it or, to give it back, borrows it; nobody gets more than the giver has. It is
// false if they do not; room is what must be told if stage 2 has none for it.
func (m *model) move(from, to *modelVM, t transferOf) (code int64) {
	var pages []uint64
	for _, s := range t.spans {
		if s.Size == 0 || s.Base%PageSize != 0 || s.Size%PageSize != 0 || s.Base < ramBase || s.Size > uint64(len(m.ram)) ||
			s.Base+s.Size > ramBase+uint64(len(m.ram)) {
			return -2
		}
		for a := s.Base; a < s.Base+s.Size; a += PageSize {
			if slices.Contains(pages, a) {
				return -2
			}
			pages = append(pages, a)
		}
	}
	if len(pages) == 0 {
		return -2
	}
	before := *m.mine(pages[0])
	exclusive := before.owner == from.index && before.borrower < 0 && !before.pinned
	if before.pinned && before.owner == from.index {
		m.reach(aPinnedPageStayed)
	}
	ok := exclusive && t.access&^before.own == 0
	switch t.kind {
	case 0:
		ok = (exclusive || before.owner == from.index && before.borrower == to.index) && t.access&^before.own == 0
	case 3:
		ok = before.owner == to.index && before.borrower == from.index
	}
	for _, a := range pages {
		if *m.mine(a) != before || from.mails(a) {
			ok = false
		}
	}
	if !ok {
		return -2
	}
	if m.stage2.full {
		m.reach(aTransferFoundNoRoom)
		return -3
	}
	m.reach([...]corner{aPageWasDonated, aPageWasLent, aPageWasShared, aPageCameBack}[t.kind])
	for _, a := range pages {
		switch p := m.mine(a); t.kind {
		case 0:
			*p = pageModel{owner: to.index, borrower: -1, own: t.access}
		case 3:
			p.borrower, p.lent, p.shared = -1, 0, false
		default:
			p.borrower, p.lent, p.shared = to.index, t.access, t.kind == 2
		}
		if t.zero {
			clear(m.at(a))
		}
	}
	return 0
}

// returnLoans gives back what a dead VM has borrowed, cleared where it alone could write.
func (m *model) returnLoans(vm *modelVM) {
	for i := range m.pages {
		p := &m.pages[i]
		if p.borrower != vm.index {
			continue
		}
		m.reach(aDeadVMGaveAPageBack)
		if p.lent&Write != 0 && !p.shared {
			clear(m.at(ramBase + uint64(i)*PageSize))
		}
		p.borrower, p.lent, p.shared = -1, 0, false
	}
}

// shareMemory is Hafnium's call: it zeroes, and gives what it lent back to the owner.
func (m *model) shareMemory(c *modelCPU, to *modelVM, toID uint64, how int, s Span) {
	m.begin(c, hfShareMemory, toID<<32|uint64(how), s.Base, s.Size)
	c.gets(math.MaxUint64)
	if to != nil && to != c.vm && how < 3 {
		t := transferOf{kind: how, spans: []Span{s}, zero: true}
		ok := true
		if p := m.mine(s.Base); p != nil {
			t.access = p.own
			switch {
			case how == 0 && p.owner == to.index && p.borrower == c.vm.index:
				t.kind = 3
			case p.borrower >= 0:
				ok = false
			}
		}
		if ok && m.move(c.vm, to, t) == 0 {
			c.gets(0)
		}
	}
	m.finish(c)
	m.touched(s)
}

// sendMemory sends a message that describes memory. Its receiver may be named wrongly in it.
func (m *model) sendMemory(c *modelCPU, to *modelVM, toID uint64, inside uint64, notify bool, flags uint32, t transferOf) {
	b := make([]byte, 40, 40+16*len(t.spans))
	binary.LittleEndian.PutUint16(b, uint16(t.kind))
	binary.LittleEndian.PutUint32(b[12:], flags)
	binary.LittleEndian.PutUint32(b[20:], uint32(len(t.spans)))
	binary.LittleEndian.PutUint32(b[24:], 32)
	binary.LittleEndian.PutUint32(b[28:], 1)
	binary.LittleEndian.PutUint16(b[32:], uint16(inside))
	binary.LittleEndian.PutUint16(b[34:], uint16(slices.Index([]Access{ro, rox, rw, rwx}, t.access)<<5))
	for _, s := range t.spans {
		b = binary.LittleEndian.AppendUint64(b, s.Base)
		b = binary.LittleEndian.AppendUint64(b, s.Size/PageSize)
	}
	m.write(c.vm, b)
	notes := uint64(2 | bit(notify))
	m.begin(c, spciMsgSend, m.id(c.vm.index)<<16|toID, 0, uint64(len(b)), notes)
	t.zero = flags&1 != 0
	if m.sendable(c, to, uint64(len(b)), notify) {
		if t.kind > 3 || inside != toID {
			m.fails(c, -2)
		} else if code := m.move(c.vm, to, t); code != 0 {
			m.fails(c, code)
		} else {
			m.post(c, to, len(b), true)
		}
	}
	m.finish(c)
	m.touched(t.spans...)
}

// touched compares the pages of spans.
func (m *model) touched(spans ...Span) {
	m.stage2.full = false
	for _, s := range spans {
		for a := s.Base &^ (PageSize - 1); m.mine(a) != nil && a-s.Base < s.Size; a += PageSize {
			m.checkPage(a)
			m.same(a, 64)
		}
	}
}
