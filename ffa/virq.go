package ffa

import (
	"math/bits"

	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/hypercall"
)

// Virtual interrupts of a vCPU. The scheduler raises the two of the mailbox, the core the timer's.
const (
	NumINTIDs       = 64
	MailboxReadable = 1
	MailboxWritable = 2
	VirtualTimer    = 3
	NoINTID         = 0xFFFFFFFF // nothing is pending
)

// virqs is the paravirtual interrupt controller of a vCPU: one bit per INTID.
type virqs struct {
	enabled, pending uint64
}

// line is the level of the vCPU's IRQ line.
func (q *virqs) line() bool { return q.enabled&q.pending != 0 }

// raise makes intid pending and reports whether that raised the line.
func (q *virqs) raise(intid uint) (rose bool) {
	was := q.line()
	q.pending |= 1 << intid
	return !was && q.line()
}

// take acknowledges the lowest enabled and pending INTID.
func (q *virqs) take() uint32 {
	if !q.line() {
		return NoINTID
	}
	intid := bits.TrailingZeros64(q.enabled & q.pending)
	q.pending &^= 1 << intid
	return uint32(intid)
}

// enable opens or closes intid. A pending one that is closed stays pending.
func (q *virqs) enable(intid uint64, on bool) (ok bool) {
	if intid >= NumINTIDs {
		return false
	}
	if on {
		q.enabled |= 1 << intid
	} else {
		q.enabled &^= 1 << intid
	}
	return true
}

// injection is what became of an attempt to raise an interrupt. The interfaces return it as it is.
type injection int64

const (
	injectionFailed injection = -1
	injected        injection = 0
	injectedRunIt   injection = 1 // told to the primary alone: it must run the vCPU, or kick it if it runs
)

// inject raises intid of vCPU index of VM p for the caller: the primary may do that anywhere, a
// secondary in its own VM, which then leaves so that the primary wakes the vCPU.
func (c *Core) inject(v *vcpu, p *partition, index, intid uint64) (injection, hypercall.Outcome) {
	if p == nil || intid >= NumINTIDs || v.vm.index != primary && v.vm != p {
		return injectionFailed, hypercall.Outcome{}
	}
	target := p.find(index)
	if target == nil {
		return injectionFailed, hypercall.Outcome{}
	}
	if c.observer != nil && v.vm.index == primary {
		c.observer.Observe(duty.Event{Kind: duty.Injected, By: v.ID, VCPU: target.ID, INTID: intid})
	}
	rose := target.irqs.raise(uint(intid))
	if rose && target.awaits() {
		target.interruptReceive()
	}
	switch {
	case !rose || target == v:
		return injected, hypercall.Outcome{}
	case v.vm.index == primary:
		return injectedRunIt, hypercall.Outcome{}
	}
	return injected, v.leave(ready, runResult{kind: runWakeUp, vcpu: target.ID})
}

// IRQLine is the level of v's virtual IRQ line. The machine sets the line before each entry; a change
// while v runs elsewhere is the primary's to deal with.
func (c *Core) IRQLine(v *hypercall.VCPU) bool {
	c.mu.Lock()
	line := c.vms[v.ID.VM].vcpus[v.ID.Index].irqs.line()
	c.mu.Unlock()
	return line
}
