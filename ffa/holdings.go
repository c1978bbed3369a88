package ffa

import (
	"cmp"
	"slices"
	"sort"
)

// MaxHoldings is how many different ranges of memory the core tells apart. It keeps some more to take
// memory back with. Under FF-A each VM has a limit of its own: MaxPieces.
const MaxHoldings = 4096

// noVM is the borrower of memory that nobody borrows.
const noVM = ^uint16(0)

// claim says who may do what with a page.
type claim struct {
	owner    uint16
	borrower uint16  // or noVM
	shared   bool    // the owner has access although there is a borrower
	pinned   bool    // it does not change hands
	own      Access  // of the owner, where it has access
	lent     Access  // of the borrower
	region   *region // of FF-A, which then says who may do what, or nil
}

// exclusive reports whether VM vm owns it, has it for itself and is free to part with it.
func (c claim) exclusive(vm uint16) bool {
	return c.owner == vm && c.borrower == noVM && !c.pinned && c.region == nil
}

// access is what VM vm may do.
func (c claim) access(vm uint16) Access {
	switch {
	case c.region != nil && c.owner == vm:
		return c.region.ownerAccess()
	case c.region != nil:
		return c.region.access(vm)
	case c.owner == vm && (c.borrower == noVM || c.shared):
		return c.own
	case c.borrower == vm:
		return c.lent
	}
	return 0
}

// holding is a range of pages with one claim.
type holding struct {
	Span
	claim
}

func (h *holding) end() uint64 { return h.Base + h.Size }

// holdings are all pages that VMs have: sorted, disjoint, no two neighbours alike.
type holdings []holding

func newHoldings(partitions []Partition) holdings {
	hs := make(holdings, 0, MaxHoldings+2*maxSpans)
	for i := range partitions {
		hs = append(hs, holding{partitions[i].RAM, claim{owner: uint16(i), borrower: noVM, own: FullAccess}})
	}
	slices.SortFunc(hs, func(a, b holding) int { return cmp.Compare(a.Base, b.Base) })
	return hs
}

// index is the place of the first holding that ends behind ipa.
func (hs holdings) index(ipa uint64) int {
	return sort.Search(len(hs), func(i int) bool { return hs[i].end() > ipa })
}

// claim returns what all pages of the span have in common. It is false where they differ or where
// there is no memory.
func (hs holdings) claim(s Span) (c claim, ok bool) {
	i := hs.index(s.Base)
	if i == len(hs) || s.Base < hs[i].Base || s.Size > hs[i].end()-s.Base {
		return claim{}, false
	}
	return hs[i].claim, true
}

// set gives the span, all of which is held, the claim c. It adds at most two holdings.
func (hs *holdings) set(s Span, c claim) {
	first := hs.cut(s.Base)
	last := hs.cut(s.Base + s.Size)
	h := *hs
	h[first] = holding{s, c}
	h = slices.Delete(h, first+1, last)
	for _, i := range [2]int{first + 1, first} { // join the neighbour above, then the one below
		if i > 0 && i < len(h) && h[i-1].claim == h[i].claim && h[i-1].end() == h[i].Base {
			h[i-1].Size += h[i].Size
			h = slices.Delete(h, i, i+1)
		}
	}
	*hs = h
}

// manySpans is how many spans setAll sets at least in one pass over all holdings.
const manySpans = 16

// setAll does what set does to each of these spans, which are sorted and do not overlap.
func (hs *holdings) setAll(spans []Span, c claim) {
	if len(spans) < manySpans {
		for _, s := range spans {
			hs.set(s, c)
		}
		return
	}
	next := make(holdings, 0, max(cap(*hs), len(*hs)+2*len(spans)))
	add := func(from, to uint64, c claim) {
		if n := len(next); n > 0 && next[n-1].claim == c && next[n-1].end() == from {
			next[n-1].Size += to - from
		} else if from < to {
			next = append(next, holding{Span{from, to - from}, c})
		}
	}
	for _, h := range *hs {
		at := h.Base
		for ; len(spans) > 0 && spans[0].Base < h.end(); spans = spans[1:] {
			end := spans[0].Base + spans[0].Size
			add(at, spans[0].Base, h.claim)
			add(spans[0].Base, min(end, h.end()), c)
			if at = min(end, h.end()); end > h.end() {
				spans[0] = Span{h.end(), end - h.end()}
				break
			}
		}
		add(at, h.end(), h.claim)
	}
	*hs = next
}

// of is in how many pieces the memory is that VM vm owns.
func (hs holdings) of(vm uint16) (n int) {
	for i := range hs {
		if hs[i].owner == vm {
			n++
		}
	}
	return n
}

// cut makes a holding begin at ipa, if one contains it, and returns the place of the first holding from
// there.
func (hs *holdings) cut(ipa uint64) int {
	i := hs.index(ipa)
	if h := *hs; i < len(h) && h[i].Base < ipa {
		upper := h[i]
		upper.Size, upper.Base = upper.end()-ipa, ipa
		h[i].Size = ipa - h[i].Base
		*hs = slices.Insert(h, i+1, upper)
		return i + 1
	}
	return i
}
