package ffa

import (
	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/hypercall"
)

// vmQueue is a first-in first-out queue that holds each VM at most once.
type vmQueue struct {
	ring    [MaxPartitions]uint16
	head, n int
	member  uint64 // bit i: VM i is queued
}

// push queues vm unless it is queued.
func (q *vmQueue) push(vm uint16) {
	if bit := uint64(1) << vm; q.member&bit == 0 {
		q.member |= bit
		q.ring[(q.head+q.n)%MaxPartitions] = vm
		q.n++
	}
}

// pop takes out the VM that was queued first.
func (q *vmQueue) pop() (vm uint16, ok bool) {
	if q.n == 0 {
		return 0, false
	}
	vm = q.ring[q.head]
	q.head = (q.head + 1) % MaxPartitions
	q.n--
	q.member &^= 1 << vm
	return vm, true
}

// becameWritable makes the primary serve those who wait for the mailbox of the caller's VM, if any do.
func (c *Core) becameWritable(v *vcpu) (status, hypercall.Outcome) {
	switch {
	case v.vm.box.waiters.n == 0:
		return success, hypercall.Outcome{}
	case v.vm.index == primary:
		if c.observer != nil {
			c.observer.Observe(duty.Event{Kind: duty.Freed, By: v.ID})
		}
		return serveWaiters, hypercall.Outcome{}
	}
	return success, v.leave(ready, runResult{kind: runWaiters, vcpu: v.ID})
}

// waiter gives the primary the next VM to notify that the mailbox of p, while it can take a message,
// is writable. That VM learns which mailbox it is from nextWritable.
func (c *Core) waiter(v *vcpu, p *partition) (vm uint16, ok bool) {
	if v.vm.index != primary || p == nil {
		return 0, false
	}
	if p.box.accepting() {
		if vm, ok = p.box.waiters.pop(); ok {
			c.vms[vm].box.writable.push(p.index)
		}
	}
	if c.observer != nil {
		c.observer.Observe(duty.Event{Kind: duty.Drained, By: v.ID, VCPU: hypercall.VCPUID{VM: p.index}, Other: hypercall.VCPUID{VM: vm}, Found: ok})
	}
	return vm, ok
}

// nextWritable gives the caller the next VM whose mailbox became writable for it.
func (c *Core) nextWritable(v *vcpu) (vm uint16, ok bool) { return v.vm.box.writable.pop() }
