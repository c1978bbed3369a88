package ffa

import (
	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// requestKind is what kind of direct request a vCPU serves, which its response must be of too.
type requestKind uint8

// The kinds (DEN0077A §15.2 to §15.5).
const (
	direct32 requestKind = iota
	direct64
	direct2
)

// requestKinds says of each kind: how many registers a message has, which is all from x0, whether it is cut to 32
// bits, and the properties of who receives and who sends it.
var requestKinds = [...]struct {
	regs            int
	narrow          bool
	receives, sends uint32
}{
	direct32: {8, true, wire.ReceivesDirect, wire.SendsDirect},
	direct64: {8, false, wire.ReceivesDirect, wire.SendsDirect},
	direct2:  {hypercall.NumRegs, false, wire.ReceivesDirect2, wire.SendsDirect2},
}

func kindOf(fn hypercall.FuncID) requestKind {
	switch fn &^ hypercall.SMC64 {
	case ffaDirectReq2, ffaDirectResp2:
		return direct2
	}
	if fn&hypercall.SMC64 != 0 {
		return direct64
	}
	return direct32
}

// directRequest refuses framework messages, which only the partition manager sends.
func (s *ffa) directRequest(v *vcpu, fn hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	if uint32(a[2]) != 0 {
		putFFAStatus(&v.Regs, invalid)
		return hypercall.Outcome{}
	}
	return s.request(v, fn, a, wire.UUID{})
}

func (s *ffa) directRequest2(v *vcpu, fn hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	return s.request(v, fn, a, wire.UUIDOfHalves(a[2], a[3]))
}

func (s *ffa) request(v *vcpu, fn hypercall.FuncID, a ffaArgs, uuid wire.UUID) hypercall.Outcome {
	from, to := a.pair()
	kind := kindOf(fn)
	if from != uint64(v.vm.ffa.ID) {
		putFFAStatus(&v.Regs, invalid)
		return hypercall.Outcome{}
	}
	target, st := s.server(v, s.endpoint(uint16(to)), kind, uuid)
	if st != success {
		putFFAStatus(&v.Regs, st)
		return hypercall.Outcome{}
	}
	target.caller, target.kind = v, kind
	mail := &target.mail
	for n := 1; n < requestKinds[kind].regs; n++ {
		mail[n] = v.Regs.X(n)
		if requestKinds[kind].narrow {
			mail[n] = uint64(uint32(mail[n]))
		}
	}
	mail[0] = uint64(fn)
	if target.queued = target.state == ready || target.vm.informDestroyed(target); !target.queued {
		target.serve()
	}
	if v.vm.index == primary {
		return target.start(v, s)
	}
	v.callee = target
	return v.handOver(target, blocked)
}

// serve gives v the request that is in its mail.
func (v *vcpu) serve() {
	for n := range requestKinds[v.kind].regs {
		v.Regs.SetX(n, v.mail[n])
	}
	v.waiting, v.queued, v.exiting, v.model = nil, false, 0, theDirectModel
}

// server finds the vCPU of p that serves a request of v: the one with the number of the pCPU, where there is more
// than one. It waits, or it has not waited yet: then it gets the request when it first does.
func (s *ffa) server(v *vcpu, p *partition, kind requestKind, uuid wire.UUID) (*vcpu, status) {
	if p == nil || p == v.vm {
		return nil, invalid
	}
	methods, ok := p.ffa.methodsOf(uuid)
	if !ok {
		return nil, invalid
	}
	k := &requestKinds[kind]
	if methods&k.receives == 0 || v.vm.ffa.methods&k.sends == 0 || v.callee != nil ||
		kind == direct2 && p.ffa.asked && p.version < wire.Version12 {
		return nil, denied
	}
	pcpu := v
	if v.runner != nil {
		pcpu = v.runner
	}
	target := p.serverOn(pcpu)
	switch {
	case target == nil:
		return nil, invalid
	case p.aborting:
		return nil, isAborted
	case target.state == waitingMessage && !target.serves(),
		target.state == ready && target.model == theInitialModel && !target.serves() && target.callee == nil:
		return target, success
	}
	for u := v; u != nil; u = u.caller {
		if u == target {
			return nil, denied
		}
	}
	return nil, busy
}

// methodsOf are the methods of a protocol, if the partition has it; the nil UUID stands for all that it has.
func (e *endpoint) methodsOf(uuid wire.UUID) (methods uint32, ok bool) {
	if uuid == (wire.UUID{}) {
		return e.methods, true
	}
	for i := range e.Services {
		if s := &e.Services[i]; s.UUID == uuid {
			methods, ok = methods|s.Methods, true
		}
	}
	return methods, ok
}

// directResponse gives the requester its answer and waits for the next request. It is the answer to whatever the
// pCPU's call is: the request, or the run that went on with it.
func (s *ffa) directResponse(v *vcpu, fn hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	from, to := a.pair()
	st := success
	switch {
	case v.callee != nil:
		st = denied
	case v.framework != noFramework:
		k := &frameworkKinds[v.framework]
		if fn != ffaDirectResp {
			st = denied
		} else if a[1] != uint64(v.vm.ffa.ID)<<16|k.manager || a[2] != k.response {
			st = invalid
		}
	case kindOf(fn) != v.kind:
		st = denied
	case from != uint64(v.vm.ffa.ID) || uint32(a[2]) != 0 || v.kind == direct2 && a[2]|a[3] != 0 ||
		v.caller != nil && to != uint64(v.caller.vm.ffa.ID):
		st = invalid
	}
	if st != success {
		putFFAStatus(&v.Regs, st)
		return hypercall.Outcome{}
	}
	if v.framework != noFramework {
		return s.informed(v, int32(a[3]))
	}
	caller := v.caller
	v.caller, v.model, v.waiting = nil, theRunModel, s
	if caller == nil { // it died meanwhile
		return v.leave(waitingMessage, runResult{kind: runMessageWait, vcpu: v.ID})
	}
	if caller.vm.index == primary {
		runner := v.runner
		out := v.leave(waitingMessage, runResult{kind: runAnswered, vcpu: v.ID})
		v.answer(runner, fn)
		return out
	}
	caller.callee = nil
	out := v.handOver(caller, waitingMessage)
	v.answer(caller, fn)
	if caller.vm.aborting {
		return s.die(caller)
	}
	return out
}

// answer copies v's response to the vCPU that gets it.
func (v *vcpu) answer(to *vcpu, fn hypercall.FuncID) {
	k := &requestKinds[v.kind]
	to.Regs.SetX(0, uint64(fn))
	for n := 1; n < k.regs; n++ {
		x := v.Regs.X(n)
		if k.narrow {
			x = uint64(uint32(x))
		}
		to.Regs.SetX(n, x)
	}
}
