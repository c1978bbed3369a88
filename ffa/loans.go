package ffa

// forfeit takes all memory away from a VM that has just died, before any of it goes back to others: its other vCPUs may
// run still, and what it has borrowed must come back however many memslots it has used up.
func (c *Core) forfeit(p *partition) {
	c.changes = c.changes[:0]
	for i := range c.pages {
		if h := &c.pages[i]; h.access(p.index) != 0 {
			c.plan(p, h.Span, 0)
		}
	}
	c.stage2.Park()
	_ = c.stage2.Remap(c.changes) // if it fails, the VM has what it had, and what it has borrowed is tried one by one
	c.stage2.Resume()
}

// returnLoans gives what a VM, which has just died, has borrowed back to its owners, but for FF-A's regions.
// What the borrower could write and its owner could not see meanwhile is cleared: the dead VM can no longer
// do that itself. What stage 2 cannot hold stays away.
func (c *Core) returnLoans(p *partition) {
	for ipa := uint64(0); ; {
		i := c.pages.index(ipa)
		if i == len(c.pages) {
			return
		}
		h := c.pages[i]
		ipa = h.end()
		if h.borrower == p.index && h.region == nil {
			c.spans = append(c.spans[:0], h.Span)
			c.transfer(relinquish, p, &c.vms[h.owner], 0, h.lent&Write != 0 && !h.shared)
		}
	}
}
