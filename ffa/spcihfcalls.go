package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// The calls of Hafnium beside SPCI. They return one number in x0, and -1 when they fail.

func (s *spci) vmGetCount(v *vcpu, _ spciArgs) hypercall.Outcome {
	v.Regs.SetX(0, uint64(len(s.vms)))
	return hypercall.Outcome{}
}

func (s *spci) vcpuGetCount(v *vcpu, a spciArgs) hypercall.Outcome {
	x0 := failed
	if p := s.vm(a[1]); p != nil && v.vm.index == primary {
		x0 = uint64(s.vcpuCount(p))
	}
	v.Regs.SetX(0, x0)
	return hypercall.Outcome{}
}

func (s *spci) mailboxWritableGet(v *vcpu, _ spciArgs) hypercall.Outcome {
	vm, ok := s.nextWritable(v)
	putVM(&v.Regs, vm, ok)
	return hypercall.Outcome{}
}

func (s *spci) mailboxWaiterGet(v *vcpu, a spciArgs) hypercall.Outcome {
	vm, ok := s.waiter(v, s.vm(a[1]))
	putVM(&v.Regs, vm, ok)
	return hypercall.Outcome{}
}

func putVM(r *hypercall.Regs, vm uint16, ok bool) {
	x0 := failed
	if ok {
		x0 = spciID(vm)
	}
	r.SetX(0, x0)
}

func (s *spci) interruptEnable(v *vcpu, a spciArgs) hypercall.Outcome {
	x0 := uint64(0)
	if !v.irqs.enable(a[1], a[2] != 0) {
		x0 = failed
	}
	v.Regs.SetX(0, x0)
	return hypercall.Outcome{}
}

func (s *spci) interruptGet(v *vcpu, _ spciArgs) hypercall.Outcome {
	v.Regs.SetX(0, uint64(v.irqs.take()))
	return hypercall.Outcome{}
}

func (s *spci) interruptInject(v *vcpu, a spciArgs) hypercall.Outcome {
	res, out := s.inject(v, s.vm(a[1]), a[2], a[3])
	v.Regs.SetX(0, uint64(res))
	return out
}
