package vmm

import (
	"sync"
	"sync/atomic"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// sgis are software-generated interrupts that hfvmm itself raises in VMs with a GIC. KVM can be told of one only through
// the pending state of a redistributor, all 32 private interrupts at once, while no vCPU is in KVM_RUN. So an SGI
// that is raised, which may be in the middle of a call with locks held, is only noted; who raised it delivers what
// is noted before its thread goes on. Those that come together are delivered together. The PPI of a secondary's
// timer, which is the primary's as well, takes the same way.
type sgis struct {
	noted atomic.Bool
	vcpus []sgiPEs // by VM

	mu sync.Mutex // held while some are delivered
}

// sgiPEs are the SGIs for the vCPUs of a VM, a bit for each INTID.
type sgiPEs []struct {
	noted   atomic.Uint32
	arrives uint32 // guarded by mu
}

// sgiGIC is what sgis need of a machine.
type sgiGIC interface {
	park()
	resume()
	// pend makes the private interrupts of a mask pending, PPIs only where they are enabled, in a parked machine.
	pend(id hypercall.VCPUID, intids uint32)
	// wake makes a vCPU take them that does not run now.
	wake(id hypercall.VCPUID)
}

// raise notes an SGI.
func (s *sgis) raise(id hypercall.VCPUID, intid uint32) {
	s.vcpus[id.VM][id.Index].noted.Or(1 << intid)
	s.noted.Store(true)
}

// deliver delivers what is noted when it is called, unless another thread does, for which it waits.
func (s *sgis) deliver(g sgiGIC) {
	if !s.noted.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted.Store(false) // before they are taken: who notes one from here on delivers it later
	if !s.take() {
		return
	}
	g.park()
	s.each(g.pend)
	g.resume()
	s.each(func(id hypercall.VCPUID, _ uint32) { g.wake(id) })
}

// take takes what is noted and reports whether that is anything.
func (s *sgis) take() bool {
	var all uint32
	for _, vm := range s.vcpus {
		for i := range vm {
			vm[i].arrives = vm[i].noted.Swap(0)
			all |= vm[i].arrives
		}
	}
	return all != 0
}

// each calls do for every vCPU for which something was taken.
func (s *sgis) each(do func(hypercall.VCPUID, uint32)) {
	for i, vm := range s.vcpus {
		for j := range vm {
			if intids := vm[j].arrives; intids != 0 {
				do(hypercall.VCPUID{VM: uint16(i), Index: uint16(j)}, intids)
			}
		}
	}
}

// RaiseSGI raises the SGI intid, 0 to 15, for a vCPU of a VM with a GIC: it is delivered before the calling
// pCPU runs on. It may be called with the ffa core locked. An SGI that is pending stays pending once.
func (m *Machine) RaiseSGI(id hypercall.VCPUID, intid uint32) { m.sgis.raise(id, intid) }

// sgiMask are the INTIDs of SGIs, a bit for each.
const sgiMask = 0xffff

func (m *Machine) pend(id hypercall.VCPUID, intids uint32) {
	gic := m.vms[id.VM].gic
	err := accessGIC(func() error {
		if ppis := intids &^ sgiMask; ppis != 0 {
			enabled, err := gic.Redist(int(id.Index), kvmarm.GICRISENABLER0)
			if err != nil {
				return err
			}
			intids &^= ppis &^ enabled
		}
		pending, err := gic.Redist(int(id.Index), kvmarm.GICRISPENDR0)
		if err != nil || pending|intids == pending {
			return err
		}
		return gic.SetRedist(int(id.Index), kvmarm.GICRISPENDR0, pending|intids)
	})
	if err != nil {
		m.log.Error("cannot raise an interrupt", "vm", m.vms[id.VM].name, "vcpu", id.Index, "intids", hex(uint64(intids)), "error", err)
	}
}

func (m *Machine) wake(id hypercall.VCPUID) {
	if id.VM == 0 {
		m.pcpus[id.Index].request(reqPreempt)
	}
}
