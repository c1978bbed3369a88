package ffa

import "github.com/hfvmm/hfvmm/ffa/wire"

// kindInFlags is how a region is sent, as bits [4:3] of the flags tell it.
var kindInFlags = [...]uint32{share: 1 << 3, lend: 2 << 3, donate: 3 << 3}

// retrieveRegion gives the caller's VM access to the memory of a transaction, as the descriptor of length bytes in
// its TX buffer asks for it, and puts the first fragment of the answer into its RX buffer.
func (c *Core) retrieveRegion(p *partition, length uint64) (total, fragment uint64, _ status) {
	if length > uint64(len(p.box.tx)) {
		return 0, 0, invalid
	}
	if p.box.state != boxEmpty {
		return 0, 0, busy
	}
	desc := c.message[:length]
	copy(desc, p.box.tx)
	var t wire.Transaction
	if !t.Decode(desc, p.version) || uint64(t.End) != length {
		return 0, 0, invalid
	}
	for i := range t.Count {
		if t.Receivers[i].Composite != 0 {
			return 0, 0, invalid
		}
	}
	r := c.regions[t.Handle]
	if r == nil || !r.complete() {
		return 0, 0, invalid
	}
	if r.orphan || c.endpoint(t.Sender) != r.sender {
		return 0, 0, denied
	}
	b := r.borrower(p.index)
	if b == nil {
		return 0, 0, invalid
	}
	if st := r.checkRequest(&t); st != success {
		return 0, 0, st
	}
	want, st := c.findSelf(r, p, &t)
	if st != success {
		return 0, 0, st
	}
	access, st := c.grant(r, b, want)
	if st != success {
		return 0, 0, st
	}
	if b.state != notRetrieved || access&Write == 0 && t.Flags&(regionClear|regionClearAfter) != 0 {
		return 0, 0, denied
	}
	if r.how == donate && c.pages.of(p.index)+len(r.memory) > MaxPieces {
		return 0, 0, noMemory
	}
	if st := c.expose(r, p, access, t.Flags&regionClear != 0); st != success {
		return 0, 0, st
	}
	b.state, b.granted, b.clear = retrieving, access, t.Flags&regionClearAfter != 0
	if r.how == donate {
		c.assign(r, claim{owner: p.index, borrower: noVM, own: access})
	}
	total, fragment = c.answer(r, b, t.Flags&regionClear)
	return total, fragment, success
}

// checkRequest compares a request to retrieve with what was sent.
func (r *region) checkRequest(t *wire.Transaction) status {
	kind, flags := t.Flags&regionKind, t.Flags
	switch {
	case kind != 0 && kind != kindInFlags[r.how], t.Tag != r.tag:
		return invalid
	case flags&regionAlignment != 0, flags&^regionRetrieveAll != 0:
		return invalid
	case r.how == share && flags&(regionClear|regionClearAfter) != 0:
		return invalid
	case flags&regionClear != 0 && !r.zeroed:
		return denied
	case t.Attributes&attributesNS != 0:
		return invalid
	case t.Attributes&attributesType != 0 && t.Attributes != attributesNormal:
		return denied
	}
	if flags&regionBypass == 0 {
		if t.Count != len(r.borrowers) {
			return invalid
		}
	} else if t.Count != 1 || len(r.borrowers) < 2 {
		return invalid
	}
	return success
}

// findSelf checks the list of borrowers in a request, and finds the one that asks.
func (c *Core) findSelf(r *region, p *partition, t *wire.Transaction) (want *wire.Receiver, _ status) {
	for i := range t.Count {
		e := &t.Receivers[i]
		vm := c.endpoint(e.ID)
		if vm == nil || r.borrower(vm.index) == nil {
			return nil, denied
		}
		sent := r.borrower(vm.index).permissions & wire.DataMask
		if data := e.Permissions & wire.DataMask; data == wire.DataMask || e.Permissions&wire.InstrMask == wire.InstrMask {
			return nil, invalid
		} else if sent == wire.DataRO && data == wire.DataRW {
			return nil, denied
		}
		if vm == p {
			want = e
		}
	}
	if want == nil {
		return nil, invalid
	}
	return want, success
}

// grant is the access that a borrower gets, who wants what stands in the descriptor. Instruction access is for those
// that alone have the memory to say.
func (c *Core) grant(r *region, b *borrower, want *wire.Receiver) (Access, status) {
	if p := b.vm; r.sender.version >= wire.Version12 && p.version >= wire.Version12 && want.Impdef != b.impdef {
		return 0, invalid
	}
	data, instr := want.Permissions&wire.DataMask, want.Permissions&wire.InstrMask
	alone := r.how == donate || r.how == lend && len(r.borrowers) == 1
	switch {
	case !alone && instr != 0 && (c.strict || instr != wire.InstrNX):
		return 0, invalid
	case alone && instr == 0 && c.strict:
		return 0, invalid
	case instr == wire.InstrX && (r.own&Execute == 0 || b.permissions&wire.InstrMask == wire.InstrNX):
		return 0, denied
	}
	if data == 0 {
		data = b.permissions & wire.DataMask
	}
	access := Read
	if data != wire.DataRO {
		access |= r.own & Write
	}
	if data == wire.DataRW && r.own&Write == 0 {
		return 0, denied
	}
	if instr == wire.InstrX {
		access |= Execute
	}
	return access, success
}

// answer puts the first fragment of what a borrower gets into its RX buffer, which is empty.
func (c *Core) answer(r *region, b *borrower, cleared uint32) (total, fragment uint64) {
	p := b.vm
	t := wire.Transaction{
		Sender: r.sender.ffa.ID, Attributes: attributesNormal, Flags: kindInFlags[r.how] | cleared, Handle: r.handle, Tag: r.tag, Count: 1,
	}
	at := uint32(wire.HeaderSize(p.version) + wire.ReceiverSize(p.version))
	t.Receivers[0] = wire.Receiver{ID: p.ffa.ID, Permissions: permissionsOf(b.granted), Composite: at, Impdef: b.impdef}
	p.box.state = boxRead
	t.Encode(p.box.rx, p.version)
	r.composite.Encode(p.box.rx[at:])
	start := wire.CompositeEnd(at)
	b.total = start + uint64(len(r.memory))*wire.ConstituentSize
	b.sent = start
	return b.total, start + c.list(r, b, p.box.rx[start:])
}

// list writes as many of the ranges that a borrower has not been told as fit, and returns their size in bytes.
func (c *Core) list(r *region, b *borrower, rx []byte) (n uint64) {
	first := len(r.memory) - int(b.total-b.sent)/wire.ConstituentSize
	for _, s := range r.memory[first:] {
		if n+wire.ConstituentSize > uint64(len(rx)) {
			break
		}
		wire.Constituent{Address: s.Base, Pages: uint32(s.Size / PageSize)}.Encode(rx[n:])
		n += wire.ConstituentSize
	}
	if b.sent += n; b.sent == b.total {
		b.state = retrieved
		if r.how == donate {
			c.close(r)
		}
	}
	return n
}

// permissionsOf is how a descriptor says access.
func permissionsOf(a Access) uint8 {
	p := uint8(wire.DataRO | wire.InstrNX)
	if a&Write != 0 {
		p = wire.DataRW | wire.InstrNX
	}
	if a&Execute != 0 {
		p = p&^wire.InstrMask | wire.InstrX
	}
	return p
}

// retrieveMore puts the next fragment of an answer, from that offset, into the caller's RX buffer.
func (c *Core) retrieveMore(p *partition, handle, offset uint64) (fragment uint64, _ status) {
	r := c.regions[handle]
	if r == nil {
		return 0, invalid
	}
	b := r.borrower(p.index)
	if b == nil || b.state != retrieving || offset != b.sent {
		return 0, invalid
	}
	if p.box.state != boxEmpty {
		return 0, busy
	}
	if p.box.rx == nil {
		return 0, denied
	}
	p.box.state = boxRead
	return c.list(r, b, p.box.rx), success
}
