package vmm

import (
	"fmt"
	"slices"

	"github.com/hfvmm/hfvmm/ffa"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// maxSlots is how many memslots a VM gets. Each change of a table that is full costs time that grows with
// it, and guests decide when it is.
const maxSlots = 512

// planSlots is how many a plan may have on the way, so that memory can come back to a VM that has no slot
// left: two for each range of the largest transfer.
const planSlots = maxSlots + 2*256

// memslots are those of a VM, as kvmarm.VM has them.
type memslots interface {
	SetSlot(slot uint32, ipa uint64, mem []byte, flags kvmarm.SlotFlags) error
	DeleteSlot(slot uint32) error
}

// slotKind is what a memslot lets a VM do.
type slotKind uint8

const (
	noSlot slotKind = iota
	readOnlySlot
	writableSlot
)

func slotKindOf(a ffa.Access) slotKind {
	switch {
	case a&ffa.Write != 0:
		return writableSlot
	case a != 0:
		return readOnlySlot
	}
	return noSlot
}

// slot is a memslot in use.
type slot struct {
	span
	kind   slotKind
	number uint32
}

// same reports whether two slots show the same memory in the same way.
func (s slot) same(o slot) bool { return s.span == o.span && s.kind == o.kind }

// slotTable has the memslots of a VM: sorted, disjoint, and no two that touch are of one kind. So a range
// that changes takes away at most the slot around it and the two beside it, and adds at most three,
// however many pages it has.
type slotTable struct {
	kvm       memslots
	ram       *ram
	now, next []slot // what KVM has, and what is planned
}

func newSlotTable(kvm memslots, ram *ram, whole span) slotTable {
	t := slotTable{kvm: kvm, ram: ram, now: make([]slot, 0, planSlots), next: make([]slot, 0, planSlots)}
	t.now = append(t.now, slot{whole, writableSlot, 0})
	return t
}

// begin starts a plan with what there is.
func (t *slotTable) begin() { t.next = append(t.next[:0], t.now...) }

// change plans that the VM sees s as a slot of that kind shows it.
func (t *slotTable) change(s span, kind slotKind) error {
	if len(t.next)+2 > planSlots { // a cut adds one, at each end
		return fmt.Errorf("its memory is in too many pieces, %d", len(t.next))
	}
	first := t.cut(s.base)
	last := t.cut(s.end())
	t.next = slices.Delete(t.next, first, last)
	if kind != noSlot {
		t.next = slices.Insert(t.next, first, slot{span: s, kind: kind})
	}
	for _, i := range [2]int{first + 1, first} { // join the neighbour above, then the one below
		if i > 0 && i < len(t.next) {
			if a, b := &t.next[i-1], t.next[i]; a.end() == b.base && a.kind == b.kind {
				a.size += b.size
				t.next = slices.Delete(t.next, i, i+1)
			}
		}
	}
	return nil
}

// cut makes a slot begin at ipa if one contains it, and returns the place of the first slot from there.
func (t *slotTable) cut(ipa uint64) int {
	i := 0
	for i < len(t.next) && t.next[i].end() <= ipa {
		i++
	}
	if i == len(t.next) || t.next[i].base >= ipa {
		return i
	}
	upper := t.next[i]
	upper.base, upper.size = ipa, upper.end()-ipa
	t.next[i].size = ipa - t.next[i].base
	t.next = slices.Insert(t.next, i+1, upper)
	return i + 1
}

// check refuses a plan with more slots than there are.
func (t *slotTable) check() error {
	if n := len(t.next); n > maxSlots {
		return fmt.Errorf("its memory is in too many pieces: %d, at most %d are possible", n, maxSlots)
	}
	return nil
}

// apply makes KVM have what is planned: the slots that go, then those that come.
func (t *slotTable) apply() error {
	var used [maxSlots]bool
	for i, j := 0, 0; i < len(t.now); i++ {
		for j < len(t.next) && t.next[j].base < t.now[i].base {
			j++
		}
		if j < len(t.next) && t.next[j].same(t.now[i]) {
			used[t.now[i].number] = true
			t.next[j].number = t.now[i].number
			continue
		}
		if err := t.kvm.DeleteSlot(t.now[i].number); err != nil {
			return err
		}
	}
	number := uint32(0)
	for i, j := 0, 0; j < len(t.next); j++ {
		n := &t.next[j]
		for i < len(t.now) && t.now[i].base < n.base {
			i++
		}
		if i < len(t.now) && t.now[i].same(*n) {
			continue
		}
		for used[number] {
			number++
		}
		n.number, used[number] = number, true
		if err := t.show(*n); err != nil {
			return err
		}
	}
	return nil
}

// show makes KVM have the slot.
func (t *slotTable) show(s slot) error {
	flags := kvmarm.SlotFlags(0)
	if s.kind == readOnlySlot {
		flags = kvmarm.ReadOnly
	}
	return t.kvm.SetSlot(s.number, s.base, t.ram.Slice(s.base, s.size), flags)
}

// commit makes the plan what there is.
func (t *slotTable) commit() { t.now, t.next = t.next, t.now }

// restore makes KVM have what there was before apply, however far that got.
func (t *slotTable) restore() error {
	for n := range uint32(maxSlots) {
		_ = t.kvm.DeleteSlot(n) // fails where there is none
	}
	for _, s := range t.now {
		if err := t.show(s); err != nil {
			return err
		}
	}
	return nil
}
