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
	c.planStep(from, before, after) // taken away first
	c.planStep(to, before, after)
	var err error
	if zero {
		err = c.remapCleared(from, to, before, after)
	} else {
		err = c.remap()
	}
	if err != nil {
		return noMemory
	}
	for _, s := range c.spans {
		c.pages.set(s, after)
	}
	return success
}

// remapCleared makes the changes of a transfer of c.spans, all of which are planned, and clears the memory after it is taken
// away and before it is given: however long that takes, only the core waits, and not the whole machine.
func (c *Core) remapCleared(from, to *partition, before, after claim) error {
	if err := c.stage2.Fits(c.changes); err != nil {
		return err
	}
	c.changes = c.changes[:0]
	if c.planStep(from, before, after); len(c.changes) > 0 {
		if err := c.remap(); err != nil {
			return err
		}
	}
	c.wipe(c.spans)
	c.changes = c.changes[:0]
	c.planStep(to, before, after)
	err := c.remap()
	if err != nil { // although it fits
		c.changes = c.changes[:0]
		c.planStep(from, after, before)
		_ = c.remap() // which takes no more than it had
	}
	return err
}

// remap makes stage 2 follow c.changes, while no vCPU runs.
func (c *Core) remap() error {
	c.stage2.Park()
	defer c.stage2.Resume()
	return c.stage2.Remap(c.changes)
}

// wipe clears memory. The brake is off.
func (c *Core) wipe(memory []Span) {
	for _, s := range memory {
		clear(c.memory.Slice(s.Base, s.Size))
	}
}

// planStep adds what p, as c.spans go from one claim to another, gains or loses.
func (c *Core) planStep(p *partition, before, after claim) {
	if a := after.access(p.index); a != before.access(p.index) {
		for _, s := range c.spans {
			c.plan(p, s, a)
		}
	}
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
