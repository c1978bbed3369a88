package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// Framework messages: direct requests of the partition manager itself, to partitions that want to be told of what
// happens (DEN0077A §18.2 and §18.3). A partition that waits is told at once, on the pCPU where it happened, and
// before that goes on; any other one hears of VMs that are gone as soon as it waits, or is given a pCPU.

// frameworkKind is a kind of framework message.
type frameworkKind uint8

// The kinds.
const (
	noFramework frameworkKind = iota
	vmCreated
	vmDestroyed
	cpuOff
)

// frameworkFlag in w2 tells framework messages from those of partitions.
const frameworkFlag = 1 << 31

// frameworkKinds says of each kind what is in w2 of the message and of its response, and whose id both bear.
var frameworkKinds = [...]struct {
	request, response uint64
	manager           uint64
}{
	vmCreated:   {frameworkFlag | 4, frameworkFlag | 5, ffaHypervisor},
	vmDestroyed: {frameworkFlag | 6, frameworkFlag | 7, ffaHypervisor},
	cpuOff:      {frameworkFlag, frameworkFlag | 2, ffaSPMC},
}

// maxRepeats is how often a partition can have a message about a VM again.
const maxRepeats = 8

// inform makes v, which waits or was about to, serve a framework message: about VM vm or, if it is about a pCPU, that
// of the PSCI function in w3.
func (v *vcpu) inform(kind frameworkKind, vm *partition, w3 hypercall.FuncID) {
	k := &frameworkKinds[kind]
	putFFA(&v.Regs, ffaDirectReq, k.manager<<16|uint64(v.vm.ffa.ID), k.request, uint64(w3))
	if vm != nil {
		v.Regs.SetX(5, uint64(vm.ffa.ID))
		v.about = vm.index
	}
	v.framework, v.waiting, v.exiting, v.model = kind, nil, 0, theDirectModel
}

// informCreated makes v serve the message that the next VM was created. It is false where there is none.
func (p *partition) informCreated(v *vcpu) bool {
	for p.ffa.WantsCreated && p.toldVMs < len(p.core.vms) {
		vm := &p.core.vms[p.toldVMs]
		p.toldVMs++
		if vm != p && !vm.ffa.Secure && !vm.aborting {
			v.inform(vmCreated, vm, 0)
			return true
		}
	}
	return false
}

// informDestroyed makes v serve the message that a VM is gone. It is false where there is none to tell of.
func (p *partition) informDestroyed(v *vcpu) bool {
	for i := 0; p.gone != 0 && i < len(p.core.vms); i++ {
		if p.gone>>i&1 != 0 {
			p.gone &^= 1 << i
			v.inform(vmDestroyed, &p.core.vms[i], 0)
			return true
		}
	}
	return false
}

// noteGone notes for everybody who wants to know that p, a VM, is dead, and reports whether there is somebody. Of a VM
// whose creation they are to hear of, and have not, they do not hear.
func (c *Core) noteGone(p *partition) (somebody bool) {
	for i := range c.vms {
		q := &c.vms[i]
		if p.ffa.Secure || q.aborting || !q.ffa.WantsDestroyed || q.ffa.WantsCreated && q.toldVMs <= int(p.index) {
			continue
		}
		q.gone |= 1 << p.index
		somebody = true
	}
	return somebody
}

// nextToTell finds a vCPU that waits for messages and whose partition is to be told of a VM that is gone, on the pCPU
// of the primary's vCPU runner, and makes it serve that message.
func (c *Core) nextToTell(runner *vcpu) *vcpu {
	for i := range c.vms {
		p := &c.vms[i]
		if p.gone == 0 || p.aborting {
			continue
		}
		if v := p.serverOn(runner); v != nil && v.state == waitingMessage && !v.serves() {
			p.informDestroyed(v)
			return v
		}
	}
	return nil
}

// serverOn is the vCPU of p that serves the pCPU of the primary's vCPU runner: the only one, or the one with its number
// if there is that.
func (p *partition) serverOn(runner *vcpu) *vcpu {
	if len(p.vcpus) == 1 {
		return &p.vcpus[0]
	}
	return p.find(uint64(runner.ID.Index))
}

// informed goes on after v, which runs, has responded to a framework message with a code in w3.
func (s *ffa) informed(v *vcpu, code int32) hypercall.Outcome {
	kind := v.framework
	v.framework = noFramework
	if kind == cpuOff {
		return s.agreed(v, hypercall.PSCIStatus(code))
	}
	v.vm.repeat(kind, v.about, code)
	caller := v.caller
	switch {
	case v.vm.informDestroyed(v):
		return hypercall.Outcome{}
	case v.queued: // the request that came meanwhile
		v.serve()
		return hypercall.Outcome{}
	}
	v.caller, v.model, v.waiting = nil, theRunModel, s
	if caller == nil {
		return v.leave(waitingMessage, runResult{kind: runMessageWait, vcpu: v.ID})
	}
	caller.callee = nil
	v.handOver(caller, waitingMessage)
	return s.die(caller) // who told v of that
}

// repeat notes that p wants a message about VM vm again, if that is what its response says.
func (p *partition) repeat(kind frameworkKind, vm uint16, code int32) {
	again := int64(code) == ffaCodes[retry] || int64(code) == ffaCodes[interrupted]
	if !again || p.repeats == maxRepeats {
		p.repeats = 0
		return
	}
	p.repeats++
	if kind == vmCreated {
		p.toldVMs = int(vm)
	} else {
		p.gone |= 1 << vm
	}
}
