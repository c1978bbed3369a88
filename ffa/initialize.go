package ffa

import (
	"fmt"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Initialize runs vCPU 0 of partition vm on the pCPU of the primary's vCPU home, which has not started: until it waits
// for the first time, and then for each VM of which it wants to be told that it was created (DEN0077A §5.3, §18.3). It
// returns Enter as long as there is something to run; home's registers stay as they are.
func (c *Core) Initialize(home *hypercall.VCPU, vm int) hypercall.Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, runner := &c.vms[vm].vcpus[0], c.caller(home)
	switch {
	case v.vm.aborting:
		return hypercall.Outcome{}
	case v.model == theInitialModel || v.framework != noFramework:
		if tail := v.tail(); tail.state == ready && !tail.vm.aborting {
			return tail.start(runner, quiet{})
		}
	case v.state == waitingMessage && v.model == theRunModel && v.vm.informCreated(v):
		return v.start(runner, quiet{})
	}
	return hypercall.Outcome{}
}

// Restrict lets VM vm do no more than access with a part of its memory, of whole pages. Nothing runs yet.
func (c *Core) Restrict(vm int, s Span, access Access) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.vms[vm]
	claim, ok := c.pages.claim(s)
	if !ok || !claim.exclusive(p.index) {
		return fmt.Errorf("memory %v is not the VM's, or not in one piece", s)
	}
	if c.allow(p, s, claim, claim.own&access) != success {
		return fmt.Errorf("memory %v cannot be restricted: too many pieces", s)
	}
	return nil
}

// MapBuffers gives VM vm its RX and TX buffers, of 1 to 16 pages each at the start of pages, as RXTX_MAP does. Nothing runs yet.
func (c *Core) MapBuffers(vm int, tx, rx, pages uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st := c.mapBuffers(&c.vms[vm], tx, rx, pages); st != success {
		return fmt.Errorf("buffers of %d pages at %#x and %#x cannot be mapped: error %d", pages, tx, rx, ffaCodes[st])
	}
	return nil
}

// quiet answers calls that were never made.
type quiet struct{}

func (quiet) putRun(*hypercall.Regs, runResult)   {}
func (quiet) putMessage(*hypercall.Regs, message) {}
func (quiet) putInterrupted(*hypercall.Regs)      {}

// secondaryEPRegister says where the vCPUs of a secure partition other than the first start, which are ready from then
// on. Only vCPU 0 may say so, before it has waited.
func (s *ffa) secondaryEPRegister(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	claim, ok := s.pages.claim(Span{a[1], 4})
	st := success
	switch {
	case v.model != theInitialModel || v.ID.Index != 0:
		st = denied
	case !ok || a[1]%4 != 0 || claim.access(v.vm.index)&Execute == 0:
		st = invalid
	default:
		v.vm.entry = a[1]
		for i := range v.vm.vcpus {
			if u := &v.vm.vcpus[i]; u.state == off {
				u.begin(hypercall.Boot{Entry: a[1]})
			}
		}
	}
	putFFAStatus(&v.Regs, st)
	return hypercall.Outcome{}
}
