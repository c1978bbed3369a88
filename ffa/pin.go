package ffa

// Pin keeps the page that contains ipa with VM vm for ever, because the machine writes to it on behalf of
// that VM: it can neither change hands nor become a mailbox. It fails unless the VM has the page for
// itself, may write it, and does not use it as a mailbox.
func (c *Core) Pin(vm int, ipa uint64) bool {
	page := Span{ipa &^ (PageSize - 1), PageSize}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.vms[vm]
	claim, ok := c.pages.claim(page)
	if ok && claim.pinned && claim.owner == p.index {
		return true
	}
	if !ok || !claim.exclusive(p.index) || claim.own&Write == 0 || p.box.overlaps(page) || len(c.pages)+2 > MaxHoldings {
		return false
	}
	claim.pinned = true
	c.pages.set(page, claim)
	return true
}
