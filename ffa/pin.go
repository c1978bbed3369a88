package ffa

// Pin keeps the page that contains ipa with VM vm until Unpin, because the machine writes to it on behalf of
// that VM: it can neither change hands nor become a mailbox. It fails unless the VM has the page for
// itself, may write it, and does not use it as a mailbox.
func (c *Core) Pin(vm int, ipa uint64) bool {
	page := pageAround(ipa)
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.vms[vm]
	claim, ok := c.pages.claim(page)
	if ok && claim.pinned && claim.owner == p.index {
		return true
	}
	if !ok || !claim.exclusive(p.index) || claim.own&Write == 0 || p.box.overlaps(page) || c.pages.of(p.index)+2 > MaxHoldings {
		return false
	}
	claim.pinned = true
	c.pages.set(page, claim)
	return true
}

// Unpin undoes any number of Pins of a page.
func (c *Core) Unpin(ipa uint64) {
	page := pageAround(ipa)
	c.mu.Lock()
	defer c.mu.Unlock()
	if claim, ok := c.pages.claim(page); ok && claim.pinned {
		claim.pinned = false
		c.pages.set(page, claim)
	}
}

func pageAround(ipa uint64) Span { return Span{ipa &^ (PageSize - 1), PageSize} }
