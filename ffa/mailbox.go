package ffa

import (
	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/hypercall"
)

// MaxMessage is the size, in bytes, of the largest message: a page.
const MaxMessage = PageSize

// boxState is what is in a mailbox. Only an empty one takes a message.
type boxState uint8

// The states follow each other in this order. A message for the primary is read at once: the primary
// gets it as the result of the run that sent it.
const (
	boxEmpty boxState = iota
	boxReceived
	boxRead
)

// mailbox is how a VM sends and receives. It has neither page until it is configured, which is once.
type mailbox struct {
	tx, rx []byte // of the same size, whole pages
	spans  [2]Span
	own    Access // to the memory of rx when it is no buffer, unless the VM is the primary
	state  boxState
	got    message // unless empty

	waiters  vmQueue // VMs that wait for this mailbox to become writable
	writable vmQueue // VMs whose mailboxes became writable for this VM
}

// take hands out the message that was received, if there is one.
func (b *mailbox) take() (m message, ok bool) {
	if b.state != boxReceived {
		return message{}, false
	}
	b.state = boxRead
	return b.got, true
}

// drop empties the mailbox of what was read.
func (b *mailbox) drop() {
	if b.state == boxRead {
		b.state, b.got = boxEmpty, message{}
	}
}

// accepting reports whether a message can be put in.
func (b *mailbox) accepting() bool { return b.rx != nil && b.state == boxEmpty }

// configure gives the caller's VM its mailbox: two pages of memory that it owns alone.
func (c *Core) configure(v *vcpu, tx, rx uint64) (status, hypercall.Outcome) {
	if tx%PageSize != 0 || rx%PageSize != 0 || tx == rx {
		return invalid, hypercall.Outcome{}
	}
	p := v.vm
	spans := [2]Span{{tx, PageSize}, {rx, PageSize}}
	for _, s := range spans {
		if a, ok := c.pages.claim(s); !ok || !a.exclusive(p.index) || a.own&Write == 0 || p.box.rx != nil {
			return denied, hypercall.Outcome{}
		}
	}
	txPage, rxPage := c.memory.Slice(tx, PageSize), c.memory.Slice(rx, PageSize)
	if txPage == nil || rxPage == nil {
		return denied, hypercall.Outcome{}
	}
	if st := c.protect(p, spans[1]); st != success {
		return st, hypercall.Outcome{}
	}
	p.box.tx, p.box.rx, p.box.spans = txPage, rxPage, spans
	return c.becameWritable(v)
}

// protect lets p, unless it is the primary, only read the memory that becomes its receive buffer, which it has for itself.
func (c *Core) protect(p *partition, rx Span) status {
	if p.index == primary {
		return success
	}
	claim, _ := c.pages.claim(rx)
	p.box.own = claim.own
	return c.allow(p, rx, claim, Read)
}

// unprotect undoes that.
func (c *Core) unprotect(p *partition) status {
	if p.index == primary {
		return success
	}
	rx := p.box.spans[1]
	claim, _ := c.pages.claim(rx)
	return c.allow(p, rx, claim, p.box.own)
}

// allow changes what p may do with memory of its own.
func (c *Core) allow(p *partition, s Span, claim claim, access Access) status {
	c.changes = c.changes[:0]
	c.plan(p, s, access)
	c.stage2.Park()
	err := c.stage2.Remap(c.changes)
	c.stage2.Resume()
	if err != nil {
		return noMemory
	}
	claim.own = access
	c.pages.set(s, claim)
	return success
}

// overlaps reports whether some page of the span is a page of the mailbox. Those stay with their VM.
func (b *mailbox) overlaps(s Span) bool {
	for _, p := range b.spans {
		if p.Base < s.Base+s.Size && s.Base < p.Base+p.Size {
			return true
		}
	}
	return false
}

// send copies size bytes of the caller's TX page to VM to. If that VM cannot take them now, the caller
// may ask to be notified when it can. taker is the vCPU that took the message as it was sent, or nil.
func (c *Core) send(v *vcpu, to *partition, size uint64, notify bool) (_ status, taker *vcpu, _ hypercall.Outcome) {
	if st := c.sendable(v, to, size, notify); st != success {
		return st, nil, hypercall.Outcome{}
	}
	taker, out := c.post(v, to, v.vm.box.tx[:size], false)
	return success, taker, out
}

// sendable says whether a message of that size can be sent now, and notes who is to be notified when it
// can.
func (c *Core) sendable(v *vcpu, to *partition, size uint64, notify bool) status {
	from := v.vm
	if to == nil || to == from || size > MaxMessage || from.box.tx == nil {
		return invalid
	}
	if !to.box.accepting() {
		if notify {
			to.box.waiters.push(from.index)
		}
		return busy
	}
	return success
}

// post sends a message that is sendable.
func (c *Core) post(v *vcpu, to *partition, data []byte, memory bool) (taker *vcpu, _ hypercall.Outcome) {
	copy(to.box.rx, data)
	from, size := v.vm.index, uint32(len(data))
	to.box.got = message{sender: from, receiver: to.index, size: size, memory: memory}
	res := runResult{kind: runMessage, vcpu: v.ID, receiver: to.index}
	to.box.state = boxReceived
	if to.index == primary {
		to.box.state = boxRead
		res.size, res.memory = size, memory
	} else if taker = to.deliver(); taker != nil {
		res.taker = taker.VCPU
	}
	if from == primary {
		if c.observer != nil {
			c.observer.Observe(duty.Event{Kind: duty.Sent, By: v.ID, Other: hypercall.VCPUID{VM: to.index}})
		}
		return taker, hypercall.Outcome{}
	}
	return taker, v.leave(ready, res)
}

// receive takes the caller's message. With no message it fails, or blocks until there is a message or
// an interrupt: then the status is interrupted, and by answers the call later if the outcome is Leave.
func (c *Core) receive(v *vcpu, block bool, by abi) (message, status, hypercall.Outcome) {
	if v.vm.index == primary {
		return message{}, notSupported, hypercall.Outcome{}
	}
	if m, ok := v.vm.box.take(); ok {
		return m, success, hypercall.Outcome{}
	}
	if !block {
		return message{}, retry, hypercall.Outcome{}
	}
	if v.awake() {
		return message{}, interrupted, hypercall.Outcome{}
	}
	v.waiting = by
	return message{}, interrupted, c.block(v, waitingMessage, runMessageWait)
}

// release empties the caller's mailbox once its message was read.
func (c *Core) release(v *vcpu) (status, hypercall.Outcome) {
	switch b := &v.vm.box; b.state {
	case boxReceived:
		return denied, hypercall.Outcome{}
	case boxRead:
		b.drop()
		return c.becameWritable(v)
	}
	return success, hypercall.Outcome{}
}

// fill gives out the caller's RX page for an answer of the core, which the caller releases as it does a
// message.
func (c *Core) fill(v *vcpu) (rx []byte, s status) {
	switch b := &v.vm.box; {
	case b.rx == nil:
		return nil, denied
	case b.state != boxEmpty:
		return nil, busy
	default:
		b.state = boxRead
		return b.rx, success
	}
}
