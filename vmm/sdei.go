package vmm

import (
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/sdei"
)

// sdeiHost gives SDEI the vCPUs of a VM.
type sdeiHost struct{ vm *vm }

// sdeiRegs are the registers that SDEI knows.
var sdeiRegs = [...]kvmarm.RegID{
	sdei.PC:     kvmarm.RegPC,
	sdei.PSTATE: kvmarm.RegPSTATE,
	sdei.ELR:    kvmarm.RegELREL1,
	sdei.SPSR:   kvmarm.RegSPSREL1,
	sdei.SCTLR:  kvmarm.SysReg(3, 0, 1, 0, 0),
	sdei.VBAR:   kvmarm.SysReg(3, 0, 12, 0, 0),
}

// SDEI events that hfvmm raises, beside the one that guests signal. Those of vendors have bit 30.
const (
	// eventAsyncPF is the number that the kernel series of May 2022 gave to asynchronous page faults; the
	// specification keeps it for Arm. eventVendorAsyncPF is what an earlier version of the series had.
	eventAsyncPF       = 1
	eventVendorAsyncPF = sdei.VendorEvents | 0x40_0001

	eventWatchdog = sdei.VendorEvents // the watchdog was not petted in time

	// For whatever the user has in mind.
	eventPrivate         = sdei.VendorEvents | 1
	eventPrivateCritical = sdei.VendorEvents | 2
	eventShared          = sdei.VendorEvents | 3
	eventSharedCritical  = sdei.VendorEvents | 4
)

// sdeiEvents are the same with their properties. Every VM has all.
var sdeiEvents = []sdei.Event{
	{Number: eventAsyncPF},
	{Number: eventVendorAsyncPF},
	{Number: eventWatchdog, Shared: true, Critical: true},
	{Number: eventPrivate},
	{Number: eventPrivateCritical, Critical: true},
	{Number: eventShared, Shared: true},
	{Number: eventSharedCritical, Shared: true, Critical: true},
}

// Get implements sdei.Machine.
func (h sdeiHost) Get(v *hypercall.VCPU, r sdei.Register) uint64 {
	return h.vm.vcpus[v.ID.Index].get(sdeiRegs[r])
}

// Set implements sdei.Machine.
func (h sdeiHost) Set(v *hypercall.VCPU, r sdei.Register, x uint64) {
	h.vm.vcpus[v.ID.Index].set(sdeiRegs[r], x)
}

// Kick implements sdei.Machine. A vCPU of the primary takes its pCPU back if that is lent. A secondary's
// that does not run is made ready; the primary hears of it at once if one of its own VM's vCPUs, v, kicked it,
// and else when it next runs one of them.
func (h sdeiHost) Kick(v *hypercall.VCPU, index int) (out hypercall.Outcome) {
	m := h.vm.m
	if h.vm.index == 0 {
		p := m.pcpus[index]
		p.requests.Or(reqPreempt)
		p.kick(p.cur.Load())
		return out
	}
	target := h.vm.vcpus[index]
	if v != nil {
		out = m.core.Kick(v, index)
	} else {
		m.core.Wake(target.ID)
	}
	for _, p := range m.pcpus {
		if p.cur.Load() == target {
			p.kick(target)
		}
	}
	return out
}

// deliver lets SDEI interrupt v, which is about to run. An access to a device that KVM has not finished
// would be finished in the handler: such a vCPU goes through KVM once more, without running.
func (v *vcpu) deliver() error {
	if v.unfinished {
		v.kvm.SetImmediateExit(true)
		return nil
	}
	if !v.vm.sdei.Deliver(&v.VCPU) || !v.suspended {
		return nil
	}
	v.suspended = false
	return v.kvm.SetMPState(kvmarm.MPRunnable)
}
