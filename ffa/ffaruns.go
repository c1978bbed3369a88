package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// The calls of FF-A that move the pCPU, direct messages apart.

// running serves FFA_RUN. The primary runs heads of chains; a secondary goes on with the request that it made itself,
// after the other side yielded to it.
func (s *ffa) running(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	vm, index := a.pair()
	p := s.endpoint(uint16(vm))
	var target *vcpu
	if p != nil && p.index != primary {
		target = p.find(index)
	}
	st := success
	switch {
	case target == nil:
		st = invalid
	case v.vm.index == primary && !target.byPrimary(), v.vm.index != primary && target.caller != v:
		st = denied
	}
	if st != success {
		putFFAStatus(&v.Regs, st)
		return hypercall.Outcome{}
	}
	return s.goOn(v, target)
}

// goOn runs the chain that begins with target, for v.
func (s *ffa) goOn(v, target *vcpu) hypercall.Outcome {
	tail := target.tail()
	if tail.vm.aborting && tail.state != running {
		return s.answerFor(v, tail)
	}
	st := success
	switch tail.state {
	case running:
		st = busy
	case off:
		st = invalid
	}
	if st != success {
		putFFAStatus(&v.Regs, st)
		return hypercall.Outcome{}
	}
	if v.vm.index == primary && !target.takeUntold() {
		if u := target.vm.tell(); u != nil {
			s.putRun(&v.Regs, runResult{kind: runWakeUp, vcpu: u.ID})
			return hypercall.Outcome{}
		}
	}
	if tail.state == waitingMessage || tail.state == waitingInterrupt {
		if res, wakes := s.wakes(tail); !wakes {
			res.vcpu, res.serves = target.ID, tail.serves()
			s.putRun(&v.Regs, res)
			return hypercall.Outcome{}
		}
	}
	return s.lendTo(v, tail)
}

// lendTo gives v's pCPU to tail. A secondary's is that of the primary's vCPU that runs it.
func (s *ffa) lendTo(v, tail *vcpu) hypercall.Outcome {
	if v.vm.index == primary {
		return tail.start(v, s)
	}
	return v.handOver(tail, blocked)
}

// wakes reports whether v, which waits, goes on when it is run. One that waits for a message does: with a message of
// version 1.0, or to be told that it was run. One that waits for an interrupt needs one; if it has a GIC, that alone
// knows, and WFI may end for no reason.
func (s *ffa) wakes(v *vcpu) (res runResult, wakes bool) {
	ns, armed := uint64(0), false
	if !v.untimed {
		ns, armed = s.timer.Remaining(v.ID)
	}
	fired := armed && ns == 0
	if v.state == waitingMessage {
		v.waiting, v.model = nil, theRunModel
		if v.vm.informDestroyed(v) {
		} else if m, ok := v.vm.box.take(); ok {
			s.putMessage(&v.Regs, m)
		} else {
			putFFA(&v.Regs, ffaRun, s.ffaVCPU(v.ID), 0, 0)
		}
	} else if !fired && !v.irqs.line() && !v.vm.ffa.GIC {
		return runResult{kind: runWFI, ns: ns}, false
	}
	if fired && !v.vm.ffa.GIC {
		s.fire(v)
	}
	return runResult{}, true
}

// answerFor answers v, which runs a chain that stands still because the VM of its last vCPU is dead: with that, or by
// going on with the vCPU that waits for it.
func (s *ffa) answerFor(v, dead *vcpu) hypercall.Outcome {
	caller, chained := dead.caller, !dead.byPrimary()
	dead.unchain()
	dead.state = aborted
	if !chained || caller == v {
		putFFAError(&v.Regs, ffaAborted)
		return hypercall.Outcome{}
	}
	putFFAError(&caller.Regs, ffaAborted)
	out := s.lendTo(v, caller)
	if caller.vm.aborting { // and has told the dead one of that
		if out = s.die(caller); out.VCPU == nil || out.VCPU == v.VCPU { // v has its result
			return hypercall.Outcome{}
		}
	}
	return out
}

// msgWait ends a run. It empties the receive buffer unless the caller keeps that, from version 1.2, or has not noticed
// what is in it.
func (s *ffa) msgWait(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	if v.callee != nil {
		putFFAStatus(&v.Regs, denied)
		return hypercall.Outcome{}
	}
	if version := v.vm.version; version >= v11 && !(version >= v12 && a[2]&keepRX != 0) && v.vm.notifications.framework == 0 {
		v.vm.box.drop()
	}
	if v.vm.informDestroyed(v) {
		return hypercall.Outcome{}
	}
	if v.queued {
		v.serve()
		return hypercall.Outcome{}
	}
	m, st, out := s.receive(v, true, s)
	switch {
	case out.Action == hypercall.Leave:
		v.model = theRunModel
	case st == success:
		s.putMessage(&v.Regs, m)
	default:
		putFFAStatus(&v.Regs, st)
	}
	return out
}

// keepRX in w2 of FFA_MSG_WAIT leaves the receive buffer to the caller.
const keepRX = 1 << 0

func (s *ffa) msgPoll(v *vcpu, _ hypercall.FuncID, _ ffaArgs) hypercall.Outcome {
	m, st, out := s.receive(v, false, s)
	if st == success {
		s.putMessage(&v.Regs, m)
	} else {
		putFFAStatus(&v.Regs, st)
	}
	return out
}

// yielding gives the pCPU to whoever waits for v, or back to the primary, with how long v can do without. For the
// primary, which schedules, it does nothing.
func (s *ffa) yielding(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	putFFAStatus(&v.Regs, success)
	if v.vm.index == primary {
		return hypercall.Outcome{}
	}
	ns := a.uint64(2)
	caller := v.caller
	if v.byPrimary() || caller.dying {
		return v.leave(ready, runResult{kind: runYielded, vcpu: v.ID, ns: ns})
	}
	out := v.handOver(caller, ready)
	putFFA(&caller.Regs, ffaYield, s.ffaVCPU(v.ID), uint64(uint32(ns)), ns>>32)
	if caller.vm.aborting {
		return s.die(caller)
	}
	return out
}

// failed serves FFA_ERROR of a vCPU that could not initialise: its VM ends.
func (s *ffa) failed(v *vcpu, _ hypercall.FuncID, _ ffaArgs) hypercall.Outcome {
	return s.kill(v)
}

// msgSend serves the message of version 1.0.
func (s *ffa) msgSend(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	from, to := a.pair()
	st, out := invalid, hypercall.Outcome{}
	switch {
	case v.callee != nil || v.queued:
		st = denied
	case from == uint64(v.vm.ffa.ID):
		st, _, out = s.send(v, s.endpoint(uint16(to)), a[3], false)
	}
	putFFAStatus(&v.Regs, st)
	return out
}
