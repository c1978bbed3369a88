package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// hf is the personality of Hafnium in January 2019. A call has up to three arguments, from x1, and one
// result, in x0. VM i of the core has id i.
type hf struct{ *Core }

// HF returns the service of the interface that Hafnium had in January 2019. It serves the primary and the
// secondaries, by HVC.
func (c *Core) HF() hypercall.Service { return &hf{c} }

// hfCount is how many identifiers the interface has, with room to grow.
const hfCount = 0x10

// Ranges implements hypercall.Service.
func (*hf) Ranges() []hypercall.Range {
	return []hypercall.Range{{First: janVMGetID, Count: hfCount}}
}

// hfArgs are the arguments of a call, from x1.
type hfArgs [3]uint64

// id returns argument n where it is a VM, a vCPU, or an INTID: 32 bits count.
func (a *hfArgs) id(n int) uint64 { return uint64(uint32(a[n])) }

// hfCall is a row of the table of calls. serve runs with the core locked; a result of an outcome other
// than Return is left to whoever answers the call.
type hfCall struct {
	args  int
	serve func(s *hf, v *vcpu, a hfArgs) (x0 uint64, out hypercall.Outcome)
}

// The calls, by number. Rows without a function are unknown.
var janCalls = [hfCount]hfCall{
	janVMGetID % hfCount:            {0, (*hf).vmGetID},
	janVMGetCount % hfCount:         {0, (*hf).vmGetCount},
	janVCPUGetCount % hfCount:       {1, (*hf).vcpuGetCount},
	janVCPURun % hfCount:            {2, (*hf).vcpuRun},
	janVCPUYield % hfCount:          {0, (*hf).vcpuYield},
	janVMConfigure % hfCount:        {2, (*hf).vmConfigure},
	janMailboxSend % hfCount:        {3, (*hf).mailboxSend},
	janMailboxReceive % hfCount:     {1, (*hf).mailboxReceive},
	janMailboxClear % hfCount:       {0, (*hf).mailboxClear},
	janMailboxWritableGet % hfCount: {0, (*hf).mailboxWritableGet},
	janMailboxWaiterGet % hfCount:   {1, (*hf).mailboxWaiterGet},
	janInterruptEnable % hfCount:    {2, (*hf).interruptEnable},
	janInterruptGet % hfCount:       {0, (*hf).interruptGet},
	janInterruptInject % hfCount:    {3, (*hf).interruptInject},
}

// Call implements hypercall.Service.
func (s *hf) Call(v *hypercall.VCPU, fn hypercall.FuncID, conduit hypercall.Conduit) hypercall.Outcome {
	call := &janCalls[fn%hfCount]
	if call.serve == nil || conduit != hypercall.HVC {
		v.Regs.SetX(0, hypercall.NotSupported)
		return hypercall.Outcome{}
	}
	var a hfArgs
	for i := range call.args {
		a[i] = v.Regs.X(1 + i)
	}
	s.mu.Lock()
	x0, out := call.serve(s, s.caller(v), a)
	if out.Action != hypercall.Enter { // of a run that goes on, nothing is known yet
		v.Regs.SetX(0, x0)
	}
	s.mu.Unlock()
	return out
}

// vm finds the VM whose id is argument n.
func (s *hf) vm(a *hfArgs, n int) *partition {
	id := a.id(n)
	if id >= MaxPartitions {
		return nil
	}
	return s.find(int(id))
}
