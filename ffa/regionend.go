package ffa

import "github.com/hfvmm/hfvmm/ffa/wire"

// relinquishRegion ends the caller's access to a region, as the descriptor in its TX buffer says.
func (c *Core) relinquishRegion(p *partition) status {
	const most = 32
	desc := c.message[:min(most, len(p.box.tx))]
	copy(desc, p.box.tx)
	d, ok := wire.DecodeRelinquish(desc)
	if !ok || d.Count != 1 || c.endpoint(d.Endpoint) != p || !c.endFlags(d.Flags) {
		return invalid
	}
	r := c.regions[d.Handle]
	if r == nil {
		return invalid
	}
	b := r.borrower(p.index)
	if b == nil || b.state != retrieved {
		return invalid
	}
	zero := d.Flags&regionClear != 0
	switch {
	case zero && r.how == share:
		return invalid
	case zero && b.granted&Write == 0:
		return denied
	}
	return c.giveUp(r, b, zero || b.clear)
}

// endFlags checks the flags with which memory goes back.
func (c *Core) endFlags(flags uint32) bool {
	return flags&^regionClear == 0 || !c.strict && flags&^(regionClear|regionTimeSlice) == 0
}

// giveUp ends the access of a borrower. What is to be cleared is, as soon as no other borrower has it.
func (c *Core) giveUp(r *region, b *borrower, zero bool) status {
	state := b.state
	b.state = notRetrieved
	last := !r.held()
	if st := c.expose(r, b.vm, 0, last && (zero || r.clear)); st != success {
		b.state = state
		return st
	}
	r.clear = !last && (zero || r.clear)
	b.clear, b.granted = false, 0
	if last && r.orphan {
		return c.giveBack(r, false)
	}
	return success
}

// reclaimRegion ends a transaction of the caller's: it has its memory for itself again.
func (c *Core) reclaimRegion(p *partition, handle uint64, flags uint32) status {
	r := c.regions[handle]
	if r == nil || r.sender != p || !r.complete() || !c.endFlags(flags) {
		return invalid
	}
	if r.held() {
		return denied
	}
	if flags&regionClear != 0 && r.own&Write == 0 {
		return denied
	}
	return c.giveBack(r, flags&regionClear != 0)
}

// giveBack returns the memory of a region that nobody has to its sender.
func (c *Core) giveBack(r *region, zero bool) status {
	if r.how != share {
		if st := c.expose(r, r.sender, r.own, zero); st != success {
			return st
		}
	} else if zero {
		c.wipe(r.memory)
	}
	c.assign(r, claim{owner: r.sender.index, borrower: noVM, own: r.own})
	c.close(r)
	return success
}

// bury ends what a VM that died had to do with regions: what it borrowed goes back, cleared where it was to be, and
// what it sent is its own again as soon as no borrower has it.
func (c *Core) bury(p *partition) {
	for _, r := range c.regions {
		if r.sender == p {
			switch r.orphan = true; {
			case !r.complete():
				c.close(r)
			case !r.held():
				c.giveBack(r, false)
			}
			continue
		}
		b := r.borrower(p.index)
		if b == nil || b.state == notRetrieved {
			continue
		}
		if r.how == donate {
			c.close(r)
			continue
		}
		c.giveUp(r, b, b.clear)
	}
}
