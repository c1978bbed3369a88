package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// The calls of the interface of January 2019. Each returns its result, failed for -1.

func (s *hf) vmGetID(v *vcpu, _ hfArgs) (uint64, hypercall.Outcome) {
	return uint64(v.vm.index), hypercall.Outcome{}
}

func (s *hf) vmGetCount(*vcpu, hfArgs) (uint64, hypercall.Outcome) {
	return uint64(len(s.vms)), hypercall.Outcome{}
}

func (s *hf) vcpuGetCount(v *vcpu, a hfArgs) (uint64, hypercall.Outcome) {
	p := s.vm(&a, 0)
	if p == nil || v.vm.index != primary {
		return failed, hypercall.Outcome{}
	}
	return uint64(s.vcpuCount(p)), hypercall.Outcome{}
}

func (s *hf) vcpuRun(v *vcpu, a hfArgs) (uint64, hypercall.Outcome) {
	res, out := s.run(v, s.vm(&a, 0), a.id(1), s)
	return packRun(res), out
}

func (s *hf) vcpuYield(v *vcpu, _ hfArgs) (uint64, hypercall.Outcome) {
	return 0, s.yield(v)
}

func (s *hf) vmConfigure(v *vcpu, a hfArgs) (uint64, hypercall.Outcome) {
	st, out := s.configure(v, a[0], a[1])
	return janStatus(st), out
}

// mailboxSend tells the primary which vCPU took the message. A secondary leaves if it sent one.
func (s *hf) mailboxSend(v *vcpu, a hfArgs) (uint64, hypercall.Outcome) {
	st, taker, out := s.send(v, s.vm(&a, 0), a[1], a[2] != 0)
	switch {
	case st != success:
		return failed, out
	case v.vm.index != primary:
		return 0, out
	case taker == nil:
		return janNoVCPU, out
	}
	return uint64(taker.ID.Index), out
}

// mailboxReceive returns the message, or that there is none: at once, after an interrupt ended the wait,
// and to the primary always. Of a vCPU that blocks, that is what stays in x0 until its wait ends.
func (s *hf) mailboxReceive(v *vcpu, a hfArgs) (uint64, hypercall.Outcome) {
	m, st, out := s.receive(v, a[0] != 0, s)
	if out.Action == hypercall.Leave {
		v.await()
	}
	if st == success {
		return packMessage(m), out
	}
	return janNoVM, out
}

// mailboxClear fails where there is nothing that was read, an empty mailbox included.
func (s *hf) mailboxClear(v *vcpu, _ hfArgs) (uint64, hypercall.Outcome) {
	if v.vm.box.state != boxRead {
		return failed, hypercall.Outcome{}
	}
	st, out := s.release(v)
	return janStatus(st), out
}

func (s *hf) mailboxWritableGet(v *vcpu, _ hfArgs) (uint64, hypercall.Outcome) {
	return janVM(s.nextWritable(v)), hypercall.Outcome{}
}

func (s *hf) mailboxWaiterGet(v *vcpu, a hfArgs) (uint64, hypercall.Outcome) {
	return janVM(s.waiter(v, s.vm(&a, 0))), hypercall.Outcome{}
}

func (s *hf) interruptEnable(v *vcpu, a hfArgs) (uint64, hypercall.Outcome) {
	if !v.irqs.enable(a.id(0), a[1] != 0) {
		return failed, hypercall.Outcome{}
	}
	return 0, hypercall.Outcome{}
}

func (s *hf) interruptGet(v *vcpu, _ hfArgs) (uint64, hypercall.Outcome) {
	return uint64(v.irqs.take()), hypercall.Outcome{}
}

func (s *hf) interruptInject(v *vcpu, a hfArgs) (uint64, hypercall.Outcome) {
	res, out := s.inject(v, s.vm(&a, 0), a.id(1), a.id(2))
	return uint64(res), out
}
