package ffa

import (
	"cmp"
	"slices"
)

// transfer is a way in which memory changes hands.
type transfer uint8

const (
	donate     transfer = iota // the receiver owns it from now on
	lend                       // the receiver has it alone until it relinquishes
	share                      // both have it until the receiver relinquishes
	relinquish                 // back to the owner
)

// after is the claim that a transfer from one VM to another makes out of c. It is false unless the giver owns
// the page and has it for itself, or, for donate, lends it to or shares it with the receiver already, or,
// for relinquish, has borrowed it from the receiver. access is what the receiver may do, no more than
// the giver; whoever gets its own back gets it with every right that it had.
func (t transfer) after(c claim, from, to uint16, access Access) (claim, bool) {
	lends := c.owner == from && c.borrower == to
	switch next := c; t {
	case donate:
		next.owner, next.borrower, next.own, next.lent, next.shared = to, noVM, access, 0, false
		return next, access&^c.own == 0 && (c.exclusive(from) || lends)
	case lend, share:
		next.borrower, next.lent, next.shared = to, access, t == share
		return next, access&^c.own == 0 && c.exclusive(from)
	default:
		next.borrower, next.lent, next.shared = noVM, 0, false
		return next, c.owner == to && c.borrower == from
	}
}

// transfer moves c.spans, which it reorders, from one VM to another: every page, or none. The pages must be
// alike and none may come twice. zero clears them before the receiver sees them.
func (c *Core) transfer(t transfer, from, to *partition, access Access, zero bool) status {
	if !c.normalize() {
		return invalid
	}
	before, ok := c.pages.claim(c.spans[0])
	if !ok {
		return invalid
	}
	after, ok := t.after(before, from.index, to.index, access)
	if !ok {
		return invalid
	}
	for _, s := range c.spans {
		if b, ok := c.pages.claim(s); !ok || b != before || from.box.overlaps(s) {
			return invalid
		}
	}
	room := MaxHoldings
	if t == relinquish { // so that memory comes back even then
		room += 2 * maxSpans
	}
	if len(c.pages)+2*len(c.spans) > room {
		return noMemory
	}
	c.changes = c.changes[:0]
	for _, p := range [2]*partition{from, to} { // taken away first
		if a := after.access(p.index); a != before.access(p.index) {
			for _, s := range c.spans {
				c.plan(p, s, a)
			}
		}
	}
	c.stage2.Park()
	err := c.stage2.Remap(c.changes)
	if err == nil && zero {
		for _, s := range c.spans {
			clear(c.memory.Slice(s.Base, s.Size))
		}
	}
	c.stage2.Resume()
	if err != nil {
		return noMemory
	}
	for _, s := range c.spans {
		c.pages.set(s, after)
	}
	return success
}

// plan adds a change of what p may do to those that are to be made. One that is dead gets nothing any more.
func (c *Core) plan(p *partition, s Span, access Access) {
	if p.aborting {
		access = 0
	}
	c.changes = append(c.changes, Mapping{int(p.index), s, access})
}

// normalize sorts the spans of a transfer and joins those that touch. It is false if there are none, if
// one is empty or wraps around, and if two overlap.
func (c *Core) normalize() bool {
	if len(c.spans) == 0 {
		return false
	}
	slices.SortFunc(c.spans, func(a, b Span) int { return cmp.Compare(a.Base, b.Base) })
	n := 0
	for i, s := range c.spans {
		if s.Size == 0 || s.Base%PageSize != 0 || s.Size%PageSize != 0 || s.Base+s.Size < s.Base {
			return false
		}
		if i > 0 {
			last := &c.spans[n-1]
			if s.Base < last.Base+last.Size {
				return false
			}
			if s.Base == last.Base+last.Size {
				last.Size += s.Size
				continue
			}
		}
		c.spans[n] = s
		n++
	}
	c.spans = c.spans[:n]
	return true
}
