package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// A vCPU that makes a direct request is blocked until the vCPU that serves it responds, which may itself make
// a request of a third: a chain. Its head is run by the primary, which knows nothing of the rest; its tail has the pCPU,
// or is what stopped when the chain stands still.

// byPrimary reports whether v serves nobody, or the primary.
func (v *vcpu) byPrimary() bool { return v.caller == nil || v.caller.vm.index == primary }

// serves reports whether v serves a direct request.
func (v *vcpu) serves() bool { return v.model == theDirectModel || v.queued }

// head returns the first vCPU of the chain that v is in.
func (v *vcpu) head() *vcpu {
	for !v.byPrimary() {
		v = v.caller
	}
	return v
}

// tail returns the last vCPU of the chain from v that can tell whether it goes on: the first whose VM is dead, or the
// one that is not blocked in a request.
func (v *vcpu) tail() *vcpu {
	for v.state == blocked && (v.dying || !v.vm.aborting) {
		v = v.callee
	}
	return v
}

// handOver makes v, in place of from, the vCPU that has from's pCPU.
func (from *vcpu) handOver(v *vcpu, next runState) hypercall.Outcome {
	v.runner, v.lender = from.runner, from.lender
	v.state, v.untimed = running, false
	from.state, from.runner, from.lender = next, nil, nil
	return hypercall.Outcome{Action: hypercall.Enter, VCPU: v.VCPU}
}

// start gives the pCPU of the primary's vCPU runner to v.
func (v *vcpu) start(runner *vcpu, lender abi) hypercall.Outcome {
	v.state, v.runner, v.lender, v.untimed = running, runner, lender, false
	return hypercall.Outcome{Action: hypercall.Enter, VCPU: v.VCPU}
}

// unchain takes v out of its chain: nobody waits for it, and whoever serves it responds to nobody.
func (v *vcpu) unchain() {
	v.dropCallee()
	if v.caller != nil {
		if v.caller.callee == v {
			v.caller.callee = nil
		}
		v.caller = nil
	}
	v.queued = false
}

// dropCallee lets whoever serves v respond to nobody. One that only tells others of its end has nothing to respond.
func (v *vcpu) dropCallee() {
	c := v.callee
	if c == nil {
		return
	}
	c.caller, v.callee = nil, nil
	if c.dying && c.state == blocked {
		c.dying, c.state = false, aborted
		c.unchain()
	}
}

// kill ends the VM of v, which runs. If that is dead already, whoever waits for v is told, but not the primary.
func (c *Core) kill(v *vcpu) hypercall.Outcome {
	if v.vm.aborting && v.byPrimary() {
		return v.leave(aborted, runResult{kind: runPreempted, vcpu: v.ID})
	}
	ends := !v.vm.aborting
	if ends {
		v.vm.aborting, v.vm.receivers = true, v.vm.receivers[:0]
		c.forfeit(v.vm)
		c.returnLoans(v.vm)
		c.bury(v.vm)
		v.dropCallee()
		v.dying = c.noteGone(v.vm)
	}
	out := c.die(v)
	out.Ended = ends
	return out
}

// die ends v, which runs and whose VM is dead. Whoever waits for v's response learns that there will be none, once
// those know who want to be told of dead VMs.
func (c *Core) die(v *vcpu) hypercall.Outcome {
	for {
		if v.dying {
			if next := c.nextToTell(v.runner); next != nil {
				v.callee, next.caller = next, v
				return v.handOver(next, blocked)
			}
			v.dying = false
		}
		caller := v.caller
		chained := !v.byPrimary()
		v.unchain()
		if !chained {
			return v.leave(aborted, runResult{kind: runAborted, vcpu: v.ID})
		}
		out := v.handOver(caller, aborted)
		if !caller.vm.aborting {
			putFFAError(&caller.Regs, ffaAborted)
			return out
		}
		v = caller
	}
}
