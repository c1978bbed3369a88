package vmm

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/hfvmm/hfvmm/kvmarm"
)

// fakeSlots refuses what KVM refuses.
type fakeSlots struct {
	ram     *ram
	slots   map[uint32]slot
	changes int
	failAt  int // the change that fails, counted down; 0 for none
}

func (f *fakeSlots) change() error {
	f.changes++
	if f.failAt--; f.failAt == 0 {
		return errors.New("no memory for a slot")
	}
	return nil
}

func (f *fakeSlots) SetSlot(n uint32, ipa uint64, mem []byte, flags kvmarm.SlotFlags) error {
	if err := f.change(); err != nil {
		return err
	}
	s := slot{span{ipa, uint64(len(mem))}, writableSlot, n}
	if flags == kvmarm.ReadOnly {
		s.kind = readOnlySlot
	}
	if _, ok := f.slots[n]; ok {
		return fmt.Errorf("slot %d is in use", n)
	}
	for _, o := range f.slots {
		if s.base < o.end() && o.base < s.end() {
			return fmt.Errorf("slots %v and %v overlap", s, o)
		}
	}
	if &mem[0] != &f.ram.bytes[ipa-ramBase] {
		return fmt.Errorf("slot %v shows other memory", s)
	}
	f.slots[n] = s
	return nil
}

func (f *fakeSlots) DeleteSlot(n uint32) error {
	if err := f.change(); err != nil {
		return err
	}
	if _, ok := f.slots[n]; !ok {
		return fmt.Errorf("no slot %d", n)
	}
	delete(f.slots, n)
	return nil
}

// kind is what the VM sees at ipa.
func (f *fakeSlots) kind(ipa uint64) slotKind {
	for _, s := range f.slots {
		if s.contains(ipa, 1) {
			return s.kind
		}
	}
	return noSlot
}

func newFakeTable(pages int) (*fakeSlots, *slotTable) {
	f := &fakeSlots{ram: &ram{bytes: make([]byte, pages*pageSize)}, slots: map[uint32]slot{}}
	whole := span{ramBase, uint64(pages * pageSize)}
	f.slots[0] = slot{whole, writableSlot, 0}
	t := newSlotTable(f, f.ram, whole)
	return f, &t
}

func pagesAt(first, n int) span { return span{ramBase + uint64(first)*pageSize, uint64(n) * pageSize} }

func (t *slotTable) changeAll(s span, kind slotKind) error {
	t.begin()
	if err := t.change(s, kind); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	if err := t.apply(); err != nil {
		return err
	}
	t.commit()
	return nil
}

// So a VM that dies gives back whatever it has borrowed.
func TestMemoryInAsManyPiecesAsThereCanBeIsTakenAwayWhole(t *testing.T) {
	const pages = 2*maxSlots + 8
	f, table := newFakeTable(pages)
	for n := range maxSlots - 1 {
		if err := table.changeAll(pagesAt(2*n+1, 1), noSlot); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.changeAll(pagesAt(pages-4, 1), noSlot); err == nil {
		t.Fatalf("one more piece, of %d", len(table.now))
	}
	table.begin()
	for n := range pages { // by page, as the owners of each may differ
		if err := table.change(pagesAt(n, 1), noSlot); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(table.check(), table.apply()); err != nil {
		t.Fatal(err)
	}
	if table.commit(); len(f.slots) != 0 || len(table.now) != 0 {
		t.Errorf("%d slots are left", len(f.slots))
	}
}

func TestContiguousRangeCostsFewSlotChangesHoweverManyPages(t *testing.T) {
	for _, pages := range []int{1, 256} {
		f, table := newFakeTable(1024)
		for what, step := range []struct {
			kind slotKind
			max  int
		}{{noSlot, 3}, {readOnlySlot, 1}, {writableSlot, 4}} {
			f.changes = 0
			if err := table.changeAll(pagesAt(300, pages), step.kind); err != nil {
				t.Fatal(err)
			}
			if f.changes > step.max {
				t.Errorf("%d pages, step %d: %d slot changes, want at most %d", pages, what, f.changes, step.max)
			}
		}
		if len(f.slots) != 1 {
			t.Errorf("memory that came back stays in %d slots", len(f.slots))
		}
	}
}

func TestSlotsAreWhatThePlansSay(t *testing.T) {
	const pages = 24
	rapid.Check(t, func(t *rapid.T) {
		f, table := newFakeTable(pages)
		var want [pages]slotKind
		for i := range want {
			want[i] = writableSlot
		}
		t.Repeat(map[string]func(*rapid.T){
			"change": func(t *rapid.T) {
				plan, before := want, maps.Clone(f.slots)
				table.begin()
				for range rapid.IntRange(1, 3).Draw(t, "ranges") {
					first := rapid.IntRange(0, pages-1).Draw(t, "first")
					n := rapid.IntRange(1, pages-first).Draw(t, "pages")
					kind := slotKind(rapid.IntRange(0, 2).Draw(t, "kind"))
					if err := table.change(pagesAt(first, n), kind); err != nil {
						t.Fatal(err)
					}
					for i := first; i < first+n; i++ {
						plan[i] = kind
					}
				}
				f.failAt = rapid.IntRange(0, 8).Draw(t, "fail at change")
				err := table.apply()
				failed := f.failAt <= 0 && err != nil
				f.failAt = 0
				switch {
				case err == nil:
					table.commit()
					want = plan
				case !failed:
					t.Fatal(err)
				default:
					if err := table.restore(); err != nil {
						t.Fatal(err)
					}
					if !maps.Equal(f.slots, before) {
						t.Fatalf("restored %v, had %v", f.slots, before)
					}
				}
			},
			"": func(t *rapid.T) {
				for i, w := range want {
					if got := f.kind(pagesAt(i, 1).base); got != w {
						t.Fatalf("page %d is %v, want %v", i, got, w)
					}
				}
				for i, s := range table.now {
					if f.slots[s.number] != s {
						t.Fatalf("slot %v is %v in KVM", s, f.slots[s.number])
					}
					if i > 0 && table.now[i-1].end() == s.base && table.now[i-1].kind == s.kind {
						t.Fatalf("slots %v and %v should be one", table.now[i-1], s)
					}
				}
			},
		})
	})
}

func TestMemoryInTooManyPiecesIsRefusedBeforeAnythingChanges(t *testing.T) {
	f, table := newFakeTable(4 * maxSlots)
	var err error
	n := 0
	for ; err == nil; n += 2 {
		f.changes = 0
		err = table.changeAll(pagesAt(n+1, 1), noSlot)
	}
	if f.changes != 0 || len(f.slots) != maxSlots {
		t.Errorf("refused piece %d with %d slots in use after %d changes: %v", n, len(f.slots), f.changes, err)
	}
	if err := table.changeAll(pagesAt(1, n), writableSlot); err != nil || len(f.slots) != 1 {
		t.Errorf("all pieces come back to a full table: %v, %d slots", err, len(f.slots))
	}
}

func TestSlotTableDoesNotGrow(t *testing.T) {
	_, table := newFakeTable(8)
	for i := range 200 {
		if err := table.changeAll(pagesAt(1+i%5, 2), slotKind(i%3)); err != nil {
			t.Fatal(err)
		}
	}
	if cap(table.now) != planSlots || cap(table.next) != planSlots {
		t.Error("the table was allocated again")
	}
}
