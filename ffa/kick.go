package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// Kick ends what vCPU index of the VM of v, a secondary, is blocked in, or what it blocks in next, as an
// interrupt would. If it was blocked v leaves, so that the primary runs it; v's own registers must be
// ready for that. One that serves a request does not leave: the primary is told as by Wake.
func (c *Core) Kick(v *hypercall.VCPU, index int) hypercall.Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.caller(v)
	target := &u.vm.vcpus[index]
	switch target.state {
	case ready, running:
		target.kicked = true
		return hypercall.Outcome{}
	case waitingMessage, waitingInterrupt:
		target.resume(true)
		target.state = ready
		if u.serves() {
			target.owe()
			return hypercall.Outcome{}
		}
		return u.leave(ready, runResult{kind: runWakeUp, vcpu: target.ID})
	}
	return hypercall.Outcome{}
}

// Wake does the same to a vCPU of a secondary where no vCPU of its VM can give its run up for that: because it
// has for another sibling already, or is being switched off, or because the reason comes from outside. The primary
// is told when it next runs a vCPU of the VM, or when one of them blocks.
func (c *Core) Wake(id hypercall.VCPUID) {
	c.mu.Lock()
	v := &c.vms[id.VM].vcpus[id.Index]
	switch v.state {
	case ready, running:
		v.kicked = true
	case waitingMessage, waitingInterrupt:
		v.resume(true)
		v.state = ready
		v.owe()
	}
	c.mu.Unlock()
}

// owe notes that v has become ready and that the primary does not know.
func (v *vcpu) owe() {
	if !v.untold {
		v.untold = true
		v.vm.untold++
	}
}

// tell returns the vCPU that the primary is to be told to run because one of p woke, or nil.
func (p *partition) tell() *vcpu {
	for i := 0; p.untold > 0 && i < len(p.vcpus); i++ {
		if v := &p.vcpus[i]; v.takeUntold() && v.state == ready {
			return v.head()
		}
	}
	return nil
}

// takeUntold notes that the primary knows, or need not know any more, that v woke, and reports whether it did not.
func (v *vcpu) takeUntold() (was bool) {
	if was = v.untold; was {
		v.untold = false
		v.vm.untold--
	}
	return was
}

// awake reports whether v, which is about to block, has a reason not to.
func (v *vcpu) awake() bool {
	was := v.kicked
	v.kicked = false
	return was || v.irqs.line()
}
