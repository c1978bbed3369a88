package ffa

import "github.com/hfvmm/hfvmm/ffa/wire"

// Flags of a transaction (DEN0077A §10, "Flags usage").
const (
	regionClear       = 1 << 0 // the memory, before a borrower sees it; or when it is reclaimed
	regionTimeSlice   = 1 << 1 // clearing may be interrupted
	regionClearAfter  = 1 << 2 // the memory, once the borrower that retrieves it gives it up
	regionKind        = 3 << 3 // in a request to retrieve and its answer
	regionAlignment   = 0x1f << 5
	regionBypass      = 1 << 10 // retrieve with less than all borrowers listed
	regionRetrieveAll = 1<<11 - 1
)

// Memory region attributes.
const (
	attributesNormal = 0x2f // normal memory, write-back, inner shareable: what all RAM is
	attributesType   = 3 << 4
	attributesNS     = 1 << 6
)

// sendRegion starts a transaction: the caller's VM shares, lends or donates the memory that a descriptor of total bytes
// describes, whose first fragment is in its TX buffer. The handle is good if the status is success; if the region is
// not complete then, the sender goes on at offset received.
func (c *Core) sendRegion(p *partition, how transfer, total, fragment uint64) (*region, status) {
	if fragment > total || fragment > uint64(len(p.box.tx)) {
		return nil, invalid
	}
	desc := c.message[:fragment]
	copy(desc, p.box.tx)
	var t wire.Transaction
	if !t.Decode(desc, p.version) {
		return nil, invalid
	}
	composite, start, ok := compositeOf(&t, desc)
	if !ok || !c.clearAllowed(how, t.Flags) || how == donate && t.Count != 1 {
		return nil, invalid
	}
	if fragment%wire.ConstituentSize != 0 || total%wire.ConstituentSize != 0 || t.Handle != 0 {
		return nil, invalid
	}
	if c.endpoint(t.Sender) != p {
		return nil, denied
	}
	if total < start || uint64(composite.Ranges) != (total-start)/wire.ConstituentSize || composite.Ranges == 0 {
		return nil, invalid
	}
	r := &region{
		how: how, sender: p, attributes: t.Attributes, zeroed: t.Flags&regionClear != 0, tag: t.Tag, total: total, composite: composite,
	}
	if st := c.nameBorrowers(r, &t); st != success {
		return nil, st
	}
	if st := c.checkAttributes(r); st != success {
		return nil, st
	}
	if st := c.open(r); st != success {
		return nil, st
	}
	r.received = start
	return r, c.describe(r, desc[start:])
}

// continueRegion takes the next fragment of a descriptor from the caller's TX buffer.
func (c *Core) continueRegion(p *partition, handle, fragment uint64) (*region, status) {
	r := c.regions[handle]
	if r == nil || r.sender != p || r.complete() {
		return nil, invalid
	}
	if fragment == 0 || fragment%wire.ConstituentSize != 0 || fragment > r.total-r.received || fragment > uint64(len(p.box.tx)) {
		return nil, invalid
	}
	desc := c.message[:fragment]
	copy(desc, p.box.tx)
	return r, c.describe(r, desc)
}

// compositeOf finds the composite descriptor that all receivers name, and where its ranges start.
func compositeOf(t *wire.Transaction, desc []byte) (_ wire.Composite, start uint64, ok bool) {
	at := t.Receivers[0].Composite
	if uint64(at) < uint64(t.End) || at%16 != 0 {
		return wire.Composite{}, 0, false
	}
	for i := range t.Count {
		if t.Receivers[i].Composite != at {
			return wire.Composite{}, 0, false
		}
	}
	composite, ok := wire.DecodeComposite(desc, at)
	return composite, wire.CompositeEnd(at), ok
}

// clearAllowed checks the flags of memory that is sent. What is shared keeps its contents.
func (c *Core) clearAllowed(how transfer, flags uint32) bool {
	allowed := uint32(regionClear)
	if how == share {
		allowed = 0
	}
	if !c.strict {
		allowed |= regionTimeSlice
	}
	return flags&^allowed == 0
}

// nameBorrowers notes whom the region is for.
func (c *Core) nameBorrowers(r *region, t *wire.Transaction) status {
	r.borrowers = make([]borrower, 0, t.Count)
	for i := range t.Count {
		e := &t.Receivers[i]
		vm := c.endpoint(e.ID)
		data, instr := e.Permissions&wire.DataMask, e.Permissions&wire.InstrMask
		if vm == nil || vm == r.sender || r.borrower(vm.index) != nil || e.Flags != 0 || data == wire.DataMask {
			return invalid
		}
		if instr != 0 && (c.strict || instr != wire.InstrNX) {
			return invalid
		}
		if given := data != 0; given == (r.how == donate) && (c.strict || !given) {
			return invalid
		}
		r.borrowers = append(r.borrowers, borrower{vm: vm, permissions: e.Permissions, impdef: e.Impdef})
	}
	return success
}

// checkAttributes lets through what all memory here is. The sender of what one borrower alone will have leaves them
// to that borrower.
func (c *Core) checkAttributes(r *region) status {
	typed := r.attributes&attributesType != 0
	open := r.how == donate || r.how == lend && len(r.borrowers) == 1
	switch {
	case r.attributes&attributesNS != 0, open && typed && c.strict:
		return invalid
	case !typed && (open || !c.strict), r.attributes == attributesNormal:
		return success
	}
	return denied
}

// describe adds ranges to a region and, with the last, takes the memory from its sender. What fails ends the
// transaction.
func (c *Core) describe(r *region, desc []byte) status {
	for ; len(desc) > 0; desc = desc[wire.ConstituentSize:] {
		s, ok := wire.DecodeConstituent(desc)
		if !ok {
			c.close(r)
			return invalid
		}
		r.memory = append(r.memory, Span{s.Address, uint64(s.Pages) * PageSize})
		r.received += wire.ConstituentSize
	}
	if !r.complete() {
		return success
	}
	st := c.take(r)
	if st != success {
		c.close(r)
	}
	return st
}

// take makes the memory of a complete region its own.
func (c *Core) take(r *region) status {
	c.spans = append(c.spans[:0], r.memory...)
	pages := uint64(0)
	for _, s := range r.memory {
		pages += s.Size / PageSize
	}
	if pages != uint64(r.composite.Pages) || !c.normalize() {
		return invalid
	}
	for i, s := range c.spans {
		a, ok := c.pages.claim(s)
		if !ok || !a.exclusive(r.sender.index) || i > 0 && a.own != r.own || r.sender.box.overlaps(s) {
			return denied
		}
		r.own = a.own
	}
	if r.own&Write == 0 && r.zeroed {
		return denied
	}
	if c.pages.of(r.sender.index)+2*len(c.spans) > MaxPieces {
		return noMemory
	}
	for i := range r.borrowers {
		if r.borrowers[i].permissions&wire.DataMask == wire.DataRW && r.own&Write == 0 {
			return denied
		}
	}
	if r.how != share {
		if st := c.expose(r, r.sender, 0, r.zeroed); st != success {
			return st
		}
	}
	c.pages.setAll(c.spans, r.claim())
	return success
}
