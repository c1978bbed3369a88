package ffa

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// pageModel is the naive model of memory: one entry for each page.
type pageModel struct {
	owner, borrower int // borrower -1: none
	shared          bool
	own, lent       Access
	pinned          bool
}

func (p pageModel) access(vm int) Access {
	switch {
	case vm == p.borrower:
		return p.lent
	case vm == p.owner && (p.borrower < 0 || p.shared):
		return p.own
	}
	return 0
}

// Random transfers of random pages between four VMs leave every page as the model of single pages says, a
// refused one changes nothing, and no page ever has two VMs that think they have it alone.
func TestNoPageEverHasTwoExclusiveOwners(t *testing.T) {
	const vms, perVM = 4, vmSize / PageSize
	attributes := []uint16{attrRONX, attrROX, attrRWNX, attrRWX}
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, 4, 1, 1, 1)
		r.mapped(0, 1, 2, 3)
		for vm := 1; vm < vms; vm++ {
			r.enter(r.vms[0][vm], r.vms[vm][0])
		}
		model := make([]pageModel, vms*perVM)
		for i := range model {
			model[i] = pageModel{owner: i / perVM, borrower: -1, own: accessOf(i/perVM, i%perVM)}
		}
		transfer := func(t *rapid.T) {
			from, to := rapid.IntRange(0, vms-1).Draw(t, "from"), rapid.IntRange(0, vms-1).Draw(t, "to")
			kind := rapid.Uint16Range(0, 3).Draw(t, "kind")
			attribute := rapid.SampledFrom(attributes).Draw(t, "attributes")
			access := memoryAccess[attribute>>5]
			zero := rapid.Bool().Draw(t, "zero")
			r.stage2.full = rapid.IntRange(0, 9).Draw(t, "full") == 0
			call := kind < 3 && rapid.Bool().Draw(t, "share_memory")
			// Mostly pages around one place, so that some are alike.
			var pages []int
			var spans []Span
			for range rapid.IntRange(1, 3).Draw(t, "spans") {
				first, n := rapid.IntRange(0, len(model)-1).Draw(t, "page"), rapid.IntRange(1, 3).Draw(t, "pages")
				spans = append(spans, Span{ramBase + uint64(first)*PageSize, uint64(n) * PageSize})
				for i := first; i < first+n; i++ {
					pages = append(pages, i)
				}
				if call {
					break
				}
			}
			ok := from != to && slices.Max(pages) < len(model) && !r.stage2.full
			slices.Sort(pages)
			ok = ok && len(slices.Compact(slices.Clone(pages))) == len(pages)
			var before pageModel
			if ok {
				before = model[pages[0]]
				if call {
					access, zero = before.own, true
					if kind == 0 && before.owner == to && before.borrower == from {
						kind = 3
					} else {
						ok = before.borrower < 0
					}
				}
			}
			for _, i := range pages {
				mailbox := i/perVM == from && i%perVM < 2
				ok = ok && model[i] == before && !mailbox
			}
			switch owns := before.owner == from; kind {
			case 0:
				ok = ok && owns && (before.borrower < 0 || before.borrower == to) && access&^before.own == 0
			case 1, 2:
				ok = ok && owns && before.borrower < 0 && access&^before.own == 0
			case 3:
				ok = ok && before.owner == to && before.borrower == from
			}

			g := r.vms[from][0]
			for i, b := range r.ram[:len(model)*PageSize] {
				if b == 0 && i%PageSize == 0 && i/PageSize%perVM >= 2 {
					r.ram[i] = byte(1 + i/PageSize)
				}
			}
			memory := bytes.Clone(r.ram)
			if call {
				how := map[uint16]uint64{0: 0, 3: 0, 1: 1, 2: 2}[kind]
				g.call(hfShareMemory, idOf(to)<<32|how, spans[0].Base, spans[0].Size)
				if done := g.x[0] == 0; done != ok {
					t.Fatalf("share_memory: x0 = %#x, want success %v", g.x[0], ok)
				}
			} else {
				flags := uint32(0)
				if zero {
					flags = 1
				}
				size := g.describe(kind, to, attribute, flags, spans...)
				copy(memory[txOf(from)-ramBase:], r.page(txOf(from)))
				out := g.sendMemory(to, size)
				if done := g.x[0] == uint64(spciSuccess); done != ok {
					t.Fatalf("message of kind %d of VM %d to %d: x0 = %#x, x2 = %#x, want success %v", kind, from, to, g.x[0], g.x[2], ok)
				}
				if ok {
					copy(memory[rxOf(to)-ramBase:][:size], memory[txOf(from)-ramBase:])
				}
				if out == leaves {
					r.enter(r.vms[0][from], g)
				}
				r.drain()
			}
			r.stage2.full = false
			if !ok {
				if !bytes.Equal(memory, r.ram) {
					t.Fatal("a refused transfer changed memory")
				}
				return
			}
			for _, i := range pages {
				p := &model[i]
				switch kind {
				case 0:
					*p = pageModel{owner: to, borrower: -1, own: access}
				case 1, 2:
					p.borrower, p.lent, p.shared = to, access, kind == 2
				case 3:
					p.borrower, p.lent, p.shared = -1, 0, false
				}
				if zero {
					clear(memory[i*PageSize:][:PageSize])
				}
			}
			if !bytes.Equal(memory, r.ram) {
				t.Fatal("memory is not what the transfer makes of it")
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"transfer": transfer,
			"": func(t *rapid.T) {
				for i, p := range model {
					page := Span{ramBase + uint64(i)*PageSize, PageSize}
					alone := 0
					for vm := range vms {
						if got := r.stage2.access[vm][page.Base]; got != p.access(vm) {
							t.Fatalf("page %d: VM %d has access %03b, the model %+v", i, vm, got, p)
						}
						if c, ok := r.core.pages.claim(page); ok && c.exclusive(uint16(vm)) {
							alone++
						}
					}
					if alone > 1 || p.borrower < 0 && alone != 1 {
						t.Fatalf("page %d has %d exclusive owners", i, alone)
					}
				}
				for i, h := range r.core.pages {
					if i > 0 && (r.core.pages[i-1].end() > h.Base || r.core.pages[i-1].end() == h.Base && r.core.pages[i-1].claim == h.claim) {
						t.Fatalf("holdings overlap or should be one: %v", r.core.pages)
					}
				}
			},
		})
	})
}
