package vmm

import (
	"sync"
	"sync/atomic"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/pvsched"
)

// schedHost gives PV_SCHED the memory and the vCPUs of a VM.
type schedHost struct{ vm *vm }

// Take implements pvsched.Memory.
func (h schedHost) Take(ipa uint64) *atomic.Uint32 {
	m := h.vm.m
	if !m.flags.take(h.vm.index, ipa&^(pageSize-1)) {
		return nil
	}
	return m.ram.word(ipa)
}

// Release implements pvsched.Memory.
func (h schedHost) Release(ipa uint64) { h.vm.m.flags.release(ipa &^ (pageSize - 1)) }

// flagPages are the pages that have flags of PV_SCHED. While a page has one it stays with its VM, for hfvmm writes it,
// and if flags follow the host's scheduler, the kernel does.
type flagPages struct {
	m *Machine

	mu    sync.Mutex
	flags map[uint64]int // how many are in a page, by its IPA
}

// take notes one more flag in a page of a VM and reports whether there may be one.
func (f *flagPages) take(vm int, page uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.m.core.Pin(vm, page) {
		return false
	}
	if f.flags[page] == 0 && !f.m.host.share(page) {
		f.m.core.Unpin(page)
		return false
	}
	f.flags[page]++
	return true
}

// release notes one less. A page that the kernel may still write to stays with its VM.
func (f *flagPages) release(page uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flags[page]--; f.flags[page] > 0 {
		return
	}
	delete(f.flags, page)
	if f.m.host.unshare(page) {
		f.m.core.Unpin(page)
	}
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
