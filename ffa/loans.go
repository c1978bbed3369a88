package ffa

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
