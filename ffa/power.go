package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// What partitions are told when a pCPU is switched off (DEN0077A §18.2): those with a vCPU for each pCPU, if they want
// that, by that vCPU, if it waits. It is switched off with its pCPU and starts at its registered entry with it.

// PowerOff tells partitions that the pCPU of the primary's vCPU home, which is about to call CPU_OFF, goes off. It
// returns Enter as long as there is a vCPU to run, and then whether all agreed; if one did not, the pCPU is to stay on.
// home's registers stay as they are.
func (c *Core) PowerOff(home *hypercall.VCPU) (out hypercall.Outcome, agreed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	runner := c.caller(home)
	for ; int(runner.telling) < len(c.vms); runner.telling++ {
		p := &c.vms[runner.telling]
		v := p.find(uint64(runner.ID.Index))
		if !p.ffa.WantsCPUOff || p.aborting || v == nil || len(p.vcpus) == 1 {
			continue
		}
		if v.state == waitingMessage && !v.serves() {
			v.inform(cpuOff, nil, hypercall.PSCICPUOff)
			return v.start(runner, quiet{}), false
		}
		if tail := v.tail(); v.framework == cpuOff && tail.stopped() {
			return tail.start(runner, quiet{}), false
		}
	}
	agreed = !runner.kept
	if !agreed {
		c.powerOn(runner)
	}
	runner.telling, runner.kept = 0, false
	return hypercall.Outcome{}, agreed
}

// agreed goes on after v, which runs, was told that its pCPU goes off.
func (s *ffa) agreed(v *vcpu, code hypercall.PSCIStatus) hypercall.Outcome {
	home := &s.vms[primary].vcpus[v.ID.Index]
	next := waitingMessage
	v.model, v.waiting = theRunModel, s
	switch {
	case home.telling != v.vm.index: // too late: the pCPU did not wait for that
	case code != hypercall.PSCISuccess:
		home.kept, home.telling = true, uint16(len(s.vms))
	default:
		home.telling++
		if v.vm.entry != 0 {
			next, v.unpowered = off, true
			s.timer.Mask(v.ID)
		}
	}
	return v.leave(next, runResult{kind: runMessageWait, vcpu: v.ID})
}

// PowerOn tells that the primary's vCPU home is switched on: so are the vCPUs that went off with its pCPU.
func (c *Core) PowerOn(home *hypercall.VCPU) {
	c.mu.Lock()
	v := &c.vms[primary].vcpus[home.ID.Index]
	c.powerOn(v)
	v.telling, v.kept = 0, false
	c.mu.Unlock()
}

func (c *Core) powerOn(home *vcpu) {
	for i := range c.vms {
		p := &c.vms[i]
		if v := p.find(uint64(home.ID.Index)); v != nil && v.unpowered {
			v.irqs = virqs{}
			v.begin(hypercall.Boot{Entry: p.entry})
		}
	}
}
