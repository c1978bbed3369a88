package ffa

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Many spans at once become what they become one by one.
func TestManySpansAreSetAsOneByOne(t *testing.T) {
	const perVM = 200
	var vms []Partition
	for vm := range 3 {
		vms = append(vms, Partition{RAM: Span{ramBase + uint64(vm)*perVM*PageSize, perVM * PageSize}})
	}
	rapid.Check(t, func(t *rapid.T) {
		one := newHoldings(vms)
		many := slices.Clone(one)
		for range rapid.IntRange(1, 4).Draw(t, "times") {
			pages := rapid.SliceOfNDistinct(rapid.IntRange(0, 3*perVM-1), 0, 300, rapid.ID).Draw(t, "pages")
			slices.Sort(pages)
			var spans []Span
			for _, n := range pages {
				s := Span{ramBase + uint64(n)*PageSize, PageSize}
				if k := len(spans) - 1; k >= 0 && spans[k].Base+spans[k].Size == s.Base && rapid.Bool().Draw(t, "joined") {
					spans[k].Size += PageSize
				} else {
					spans = append(spans, s)
				}
			}
			c := claim{owner: rapid.Uint16Range(0, 2).Draw(t, "owner"), borrower: noVM, own: FullAccess}
			for _, s := range spans {
				one.set(s, c)
			}
			if many.setAll(slices.Clone(spans), c); !slices.Equal(one, many) {
				t.Fatalf("%v to %+v: %v, want %v", spans, c, many, one)
			}
		}
	})
}

// One VM gives every second page away, as often as it can: the others have limits of their own.
func TestVMThatCutsItsMemoryToPiecesLeavesOthersTheirs(t *testing.T) {
	const pages = 8 * MaxPieces
	r := newRigOf(t, func(cfg *Config) {
		cfg.Partitions[1].RAM = Span{1 << 40, pages * PageSize}
		cfg.Stage2 = forgetful{}
		cfg.NewHandle = func() func() uint64 {
			n := uint64(0)
			return func() uint64 { n++; return n }
		}()
	}, 1, 1, 1)
	c := r.core
	p, q, other := &c.vms[1], &c.vms[2], &c.vms[0]
	next := uint64(1 << 40)
	give := func() status {
		g := &region{how: donate, sender: p, borrowers: []borrower{{vm: q}}, total: 16 * MaxRanges}
		for range MaxRanges {
			g.memory = append(g.memory, Span{next, PageSize})
			next += 2 * PageSize
		}
		g.composite.Pages, g.composite.Ranges, g.received = MaxRanges, MaxRanges, g.total
		ranges := g.memory
		if st := c.open(g); st != success {
			t.Fatalf("open: %d", st)
		}
		g.memory = ranges
		st := c.take(g)
		if st != success {
			c.close(g)
			return st
		}
		c.assign(g, claim{owner: q.index, borrower: noVM, own: FullAccess})
		c.close(g)
		return st
	}
	n := 0
	for ; give() == success; n++ {
		if n == 8 {
			t.Fatal("there is no end")
		}
	}
	if got := c.pages.of(p.index); n == 0 || got > MaxPieces || len(c.pages) > 3*MaxPieces {
		t.Errorf("%d pieces after %d donations, %d in all", got, n, len(c.pages))
	}
	if st := c.mapBuffers(other, txOf(0), rxOf(0), 1); st != success {
		t.Errorf("another VM cannot map its buffers: %d", st)
	}
	if st := c.mapBuffers(q, txOf(2), rxOf(2), 1); st != success {
		t.Errorf("nor can the receiver: %d", st)
	}
	if !c.Pin(0, ramOf(0).Base+4*PageSize) {
		t.Error("another VM cannot pin a page")
	}
}

// forgetful is a stage 2 that has room for everything.
type forgetful struct{}

func (forgetful) Park()                 {}
func (forgetful) Resume()               {}
func (forgetful) Remap([]Mapping) error { return nil }
func (forgetful) Fits([]Mapping) error  { return nil }
