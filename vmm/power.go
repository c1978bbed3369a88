package vmm

import "github.com/hfvmm/hfvmm/hypercall"

// power is a VM's PSCI for a VM whose other services must know when a vCPU is switched off.
type power struct {
	hypercall.Service
	vm *vm
}

// Call implements hypercall.Service. A CPU_OFF of the primary never fails: partitions have agreed.
func (p power) Call(v *hypercall.VCPU, fn hypercall.FuncID, c hypercall.Conduit) hypercall.Outcome {
	if fn == hypercall.PSCICPUOff && (p.vm.index == 0 || p.vm.m.core.MayPowerOff(v)) {
		p.vm.vcpus[v.ID.Index].forget()
	}
	return p.Service.Call(v, fn, c)
}

// forget makes what services keep of v as it is after a reset. v is about to go off, or to start: one that goes off with
// its pCPU does so in a call of another service.
func (v *vcpu) forget() {
	if s := v.vm.sched; s != nil {
		s.Drop(&v.VCPU)
	}
	if s := v.vm.sdei; s != nil {
		s.Off(&v.VCPU)
	}
}
