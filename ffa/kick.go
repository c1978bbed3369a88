package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// Kick ends what vCPU index of the VM of v, a secondary, is blocked in, or what it blocks in next, as an
// interrupt would. If it was blocked v leaves, so that the primary runs it; v's own registers must be
// ready for that.
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
			return hypercall.Outcome{}
		}
		return u.leave(ready, runResult{kind: runWakeUp, vcpu: target.ID})
	}
	return hypercall.Outcome{}
}

// awake reports whether v, which is about to block, has a reason not to.
func (v *vcpu) awake() bool {
	was := v.kicked
	v.kicked = false
	return was || v.irqs.line()
}
