package vmm

import (
	"sync/atomic"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/pvsched"
)

// schedHost gives PV_SCHED the memory and the vCPUs of a VM.
type schedHost struct{ vm *vm }

// Word implements pvsched.Memory. The page of the word never changes hands, for hfvmm writes it.
func (h schedHost) Word(ipa uint64) *atomic.Uint32 {
	vm := h.vm
	if !vm.m.core.Pin(vm.index, ipa) {
		return nil
	}
	if vm.m.host != nil && !vm.m.host.share(ipa) {
		return nil
	}
	return vm.m.ram.word(ipa)
}

// newSched returns the PV_SCHED of a VM. A secondary runs when the primary says so, and its flags say that much
// in any case; the primary runs when the host says so.
func newSched(v *vm) (*pvsched.Service, error) {
	cfg := pvsched.Config{VCPUs: len(v.vcpus), Memory: schedHost{v}, Kicker: schedHost{v}, Untruthful: v.index == 0 && v.m.host == nil}
	if v.m.host != nil {
		cfg.Tracker = v.m.host
	}
	return pvsched.New(cfg)
}

// Kick implements pvsched.Kicker.
func (h schedHost) Kick(v *hypercall.VCPU, index int) hypercall.Outcome {
	m := h.vm.m
	if h.vm.index == 0 {
		p := m.pcpus[index]
		p.kick(p.home)
		p.watch.kickAgain()
		return hypercall.Outcome{}
	}
	return m.core.Kick(v, index)
}

// schedule tells PV_SCHED that the pCPU begins or ceases to run v.
func (v *vcpu) schedule(p *pcpu, in bool) {
	s := v.vm.sched
	switch {
	case s == nil:
	case in:
		s.Enter(&v.VCPU, int(p.home.ID.Index))
	default:
		s.Leave(&v.VCPU, int(p.home.ID.Index))
	}
}
