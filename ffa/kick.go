package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// Kick makes vCPU index of the VM of v, a secondary, runnable if it is blocked, as an interrupt would. v
// then leaves so that the primary runs the other one; its own registers must be ready for that.
func (c *Core) Kick(v *hypercall.VCPU, index int) hypercall.Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.caller(v)
	target := &u.vm.vcpus[index]
	if target.state != waitingMessage && target.state != waitingInterrupt {
		return hypercall.Outcome{}
	}
	target.resume(true)
	target.state = ready
	return u.leave(ready, runResult{kind: runWakeUp, vcpu: target.ID})
}
