package vmm

import "github.com/hfvmm/hfvmm/hypercall"

// power is a VM's PSCI for a VM whose other services must know when a vCPU is switched off.
type power struct {
	hypercall.Service
	vm *vm
}

// Call implements hypercall.Service. A CPU_OFF never fails.
func (p power) Call(v *hypercall.VCPU, fn hypercall.FuncID, c hypercall.Conduit) hypercall.Outcome {
	if fn == hypercall.PSCICPUOff {
		if s := p.vm.sched; s != nil {
			s.Drop(v)
		}
		if s := p.vm.sdei; s != nil {
			s.Off(v)
		}
	}
	return p.Service.Call(v, fn, c)
}
