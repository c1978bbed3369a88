package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// lend enters a vCPU of a secondary on the caller's pCPU. If the outcome is Enter, the caller's call is
// answered by lender when the vCPU leaves, and else by the result at once.
func (c *Core) lend(v *vcpu, p *partition, index uint64, lender abi) (runResult, hypercall.Outcome) {
	if v.vm.index != primary {
		return refused(denied), hypercall.Outcome{}
	}
	if p == nil || p.index == primary {
		return refused(invalid), hypercall.Outcome{}
	}
	target := p.find(index)
	if target == nil {
		return refused(invalid), hypercall.Outcome{}
	}
	if target.state == running {
		return refused(busy), hypercall.Outcome{}
	}
	if p.aborting {
		target.state = aborted
	}
	if target.state == off || target.state == aborted {
		return refused(invalid), hypercall.Outcome{}
	}
	if !target.takeUntold() {
		if u := p.tell(); u != nil {
			return runResult{kind: runWakeUp, vcpu: u.ID}, hypercall.Outcome{}
		}
	}

	var ns uint64
	armed := false
	if target.state != ready && !target.untimed { // of one that is ready, the machine knows
		ns, armed = c.timer.Remaining(target.ID)
	}
	fired := armed && ns == 0
	if wakes := fired || target.irqs.line(); !target.resume(wakes) {
		if !armed {
			return refused(invalid), hypercall.Outcome{}
		}
		kind := runWFI
		if target.state == waitingMessage {
			kind = runMessageWait
		}
		return runResult{kind: kind, vcpu: target.ID, ns: ns}, hypercall.Outcome{}
	}
	if fired {
		c.fire(target)
	}
	return runResult{}, target.start(v, lender)
}

// resume ends what a vCPU that is on waits for, if a message or an interrupt ends it.
func (v *vcpu) resume(interrupt bool) (runnable bool) {
	switch v.state {
	case waitingMessage:
		if m, ok := v.vm.box.take(); ok {
			v.waiting.putMessage(&v.Regs, m)
			v.waiting = nil
		} else if interrupt {
			v.interruptReceive()
		} else {
			return false
		}
	case waitingInterrupt:
		return interrupt
	}
	return true
}

// fire turns v's expired timer into its interrupt. The timer is masked, or it would end every run at
// once; the guest sees that.
func (c *Core) fire(v *vcpu) {
	v.irqs.raise(VirtualTimer)
	c.timer.Mask(v.ID)
}

// yield gives the pCPU back. For the primary, which schedules, it does nothing.
func (c *Core) yield(v *vcpu) hypercall.Outcome {
	if v.vm.index == primary {
		return hypercall.Outcome{}
	}
	return v.leave(ready, runResult{kind: runYielded, vcpu: v.ID})
}

// waitForInterrupt blocks v unless an interrupt is pending.
func (c *Core) waitForInterrupt(v *vcpu) hypercall.Outcome {
	if v.awake() {
		return hypercall.Outcome{}
	}
	return c.block(v, waitingInterrupt, runWFI)
}

// Preempt takes the pCPU from a secondary's vCPU, which has just stopped, because the primary needs it. A partition
// that is to be asked first goes on for a while, to end its request, and one that is not to be disturbed for as long as it
// likes.
func (c *Core) Preempt(v *hypercall.VCPU) hypercall.Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.caller(v)
	if u.undisturbed() || u.exits() {
		return hypercall.Outcome{}
	}
	return u.leave(ready, runResult{kind: runPreempted, vcpu: u.ID})
}

// undisturbed reports whether v, which runs, keeps its pCPU when the primary has an interrupt: because it is not to be
// disturbed, or because it serves one that is not.
func (v *vcpu) undisturbed() bool {
	if v.vm.aborting {
		return false
	}
	for u := v; u != nil; u = u.caller {
		if u.vm.ffa.Undisturbed {
			return true
		}
	}
	return false
}

// managedExitGrace is how many preemptions a request outlives while the vCPU that serves it is to give the CPU back.
const managedExitGrace = 4

// exits asks v, which is to be preempted, to give the CPU back itself by its response to the request that it serves, if
// it is a partition that wants to be asked. It may go on for a while.
func (v *vcpu) exits() bool {
	if v.vm.aborting || !v.vm.ffa.ManagedExit || v.model != theDirectModel || v.framework != noFramework || v.exiting == managedExitGrace || v.irqs.enabled>>ManagedExitIRQ&1 == 0 {
		return false
	}
	if v.exiting++; v.exiting == 1 {
		v.irqs.raise(ManagedExitIRQ)
	}
	return true
}

// WaitForInterrupt tells that v, which has just stopped, sits in WFI. It returns to v if an interrupt
// is pending.
func (c *Core) WaitForInterrupt(v *hypercall.VCPU) hypercall.Outcome {
	c.mu.Lock()
	out := c.waitForInterrupt(c.caller(v))
	c.mu.Unlock()
	return out
}

// TimerExpired tells that the virtual timer of v, which has just stopped, fired. v gets the interrupt
// at its next run: in Hafnium the timer's physical interrupt is the primary's.
func (c *Core) TimerExpired(v *hypercall.VCPU) hypercall.Outcome {
	c.mu.Lock()
	u := c.caller(v)
	c.fire(u)
	out := hypercall.Outcome{}
	if !u.undisturbed() {
		out = u.leave(ready, runResult{kind: runPreempted, vcpu: u.ID})
	}
	c.mu.Unlock()
	return out
}

// TimerFired tells that the virtual timer of v, which is about to be run, has fired: v takes the
// interrupt in this run.
func (c *Core) TimerFired(v *hypercall.VCPU) {
	c.mu.Lock()
	c.fire(c.caller(v))
	c.mu.Unlock()
}

// Dead reports whether a VM has ended.
func (c *Core) Dead(vm int) bool {
	c.mu.Lock()
	dead := c.vms[vm].aborting
	c.mu.Unlock()
	return dead
}

// Abort tells that v, which has just stopped, did what it may not do. Its VM is dead: vCPUs that run
// elsewhere stop for good when they next leave, and memory that it has borrowed goes back. The primary is
// told once: a vCPU that aborts later was merely preempted.
func (c *Core) Abort(v *hypercall.VCPU) hypercall.Outcome {
	c.mu.Lock()
	u := c.caller(v)
	out := c.kill(u)
	c.mu.Unlock()
	return out
}
