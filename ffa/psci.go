package ffa

import (
	"math"

	"github.com/hfvmm/hfvmm/hypercall"
)

// psci is PSCI 1.1 for secondaries. A vCPU that is switched on or off is the primary's to schedule,
// and a secondary cannot switch the machine off.
type psci struct{ *Core }

// PSCI returns the PSCI service of the secondaries. Both conduits serve.
func (c *Core) PSCI() hypercall.Service { return &psci{c} }

// Ranges implements hypercall.Service.
func (*psci) Ranges() []hypercall.Range { return hypercall.PSCIRanges() }

// psciArgs are the arguments of a call, from x1, cut to 32 bits for SMC32.
type psciArgs [3]uint64

// suspendExtended is what PSCI_FEATURES says of CPU_SUSPEND: power_state has the extended format
// (DEN0022 §5.15.2).
const suspendExtended = 1 << 1

// psciCall is a row of the table of calls. serve runs with the core locked.
type psciCall struct {
	fn      hypercall.FuncID // SMC32 form
	smc64   bool             // there is an SMC64 form beside it
	args    int
	feature uint64 // what PSCI_FEATURES says
	power   bool   // it is there for VMs with a GIC alone, which are whole machines
	serve   func(c *Core, v *vcpu, a psciArgs) (x0 uint64, out hypercall.Outcome)
}

var psciCalls []psciCall

// The table is filled in by init because FEATURES reads it.
func init() {
	psciCalls = []psciCall{
		{hypercall.PSCIVersion, false, 0, 0, false, (*Core).psciVersion},
		{hypercall.PSCICPUSuspend, true, 0, suspendExtended, false, (*Core).psciCPUSuspend},
		{hypercall.PSCICPUOff, false, 0, 0, false, (*Core).psciCPUOff},
		{hypercall.PSCICPUOn, true, 3, 0, false, (*Core).psciCPUOn},
		{hypercall.PSCIAffinityInfo, true, 2, 0, false, (*Core).psciAffinityInfo},
		{hypercall.PSCISystemOff, false, 0, 0, true, (*Core).psciSystemOff},
		{hypercall.PSCISystemReset, false, 0, 0, true, (*Core).psciSystemOff},
		{hypercall.PSCIFeatures, false, 1, 0, false, (*Core).psciFeatures},
	}
}

// findPSCI finds the row that serves fn for a vCPU of p, if one does.
func (p *partition) findPSCI(fn hypercall.FuncID) *psciCall {
	for i := range psciCalls {
		if c := &psciCalls[i]; fn == c.fn || c.smc64 && fn == c.fn|hypercall.SMC64 {
			if c.power && !p.ffa.GIC {
				return nil
			}
			return c
		}
	}
	return nil
}

// Call implements hypercall.Service.
func (s *psci) Call(v *hypercall.VCPU, fn hypercall.FuncID, _ hypercall.Conduit) hypercall.Outcome {
	call := s.vms[v.ID.VM].findPSCI(fn)
	if call == nil || v.ID.VM == primary {
		v.Regs.SetX(0, hypercall.PSCINotSupported.X())
		return hypercall.Outcome{}
	}
	var a psciArgs
	for i := range call.args {
		a[i] = v.Regs.X(1 + i)
		if fn&hypercall.SMC64 == 0 {
			a[i] &= math.MaxUint32
		}
	}
	s.mu.Lock()
	u := s.caller(v)
	x0, out := call.serve(s.Core, u, a)
	v.Regs.SetX(0, x0)
	s.mu.Unlock()
	return out
}

func (c *Core) psciVersion(*vcpu, psciArgs) (uint64, hypercall.Outcome) {
	return hypercall.PSCIVersion11, hypercall.Outcome{}
}

func (c *Core) psciFeatures(v *vcpu, a psciArgs) (uint64, hypercall.Outcome) {
	fn := hypercall.FuncID(a[0])
	if call := v.vm.findPSCI(fn); call != nil {
		return call.feature, hypercall.Outcome{}
	}
	if fn == hypercall.SMCCCVersion {
		return hypercall.PSCISuccess.X(), hypercall.Outcome{}
	}
	return hypercall.PSCINotSupported.X(), hypercall.Outcome{}
}

// psciCPUSuspend is WFI, whatever the power state.
func (c *Core) psciCPUSuspend(v *vcpu, _ psciArgs) (uint64, hypercall.Outcome) {
	return hypercall.PSCISuccess.X(), c.waitForInterrupt(v)
}

// MayPowerOff reports whether CPU_OFF of a secondary's vCPU v, which runs, would switch it off. One whose response
// somebody waits for stays on, and so does one that waits for a response.
func (c *Core) MayPowerOff(v *hypercall.VCPU) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.caller(v).mayPowerOff()
}

func (v *vcpu) mayPowerOff() bool { return !v.serves() && v.callee == nil }

// psciCPUOff masks the timer, for which nobody should wake the vCPU.
func (c *Core) psciCPUOff(v *vcpu, _ psciArgs) (uint64, hypercall.Outcome) {
	if !v.mayPowerOff() {
		return hypercall.PSCIDenied.X(), hypercall.Outcome{}
	}
	c.timer.Mask(v.ID)
	return hypercall.PSCIDenied.X(), v.leave(off, runResult{kind: runWFI, vcpu: v.ID})
}

// psciSystemOff ends the caller's VM, as if it had aborted: FF-A knows no other end.
func (c *Core) psciSystemOff(v *vcpu, _ psciArgs) (uint64, hypercall.Outcome) {
	return hypercall.PSCIInternalFailure.X(), c.kill(v)
}

// psciTarget finds the vCPU that an argument names, or nil. VMs with a GIC know the affinity of their vCPUs, the others
// as under Hafnium their indices.
func (p *partition) psciTarget(mpidr uint64) *vcpu {
	if !p.ffa.GIC {
		return p.find(mpidr)
	}
	i, ok := hypercall.AffinityIndex(mpidr, len(p.vcpus))
	if !ok {
		return nil
	}
	return &p.vcpus[i]
}

// psciCPUOn makes a vCPU ready and leaves, so that the primary schedules it.
func (c *Core) psciCPUOn(v *vcpu, a psciArgs) (uint64, hypercall.Outcome) {
	mpidr, entry, context := a[0], a[1], a[2]
	target := v.vm.psciTarget(mpidr)
	if target == nil {
		return hypercall.PSCIInvalidParameters.X(), hypercall.Outcome{}
	}
	claim, ok := c.pages.claim(Span{entry, 4})
	if !ok || entry%4 != 0 || claim.access(v.vm.index)&Execute == 0 {
		return hypercall.PSCIInvalidAddress.X(), hypercall.Outcome{}
	}
	if target.state != off {
		return hypercall.PSCIAlreadyOn.X(), hypercall.Outcome{}
	}
	target.begin(hypercall.Boot{Entry: entry, X0: context})
	if v.serves() { // whoever waits for the response would take the target for it
		target.owe()
		return hypercall.PSCISuccess.X(), hypercall.Outcome{}
	}
	return hypercall.PSCISuccess.X(), v.leave(ready, runResult{kind: runWakeUp, vcpu: target.ID})
}

// psciAffinityInfo knows affinity level 0 only.
func (c *Core) psciAffinityInfo(v *vcpu, a psciArgs) (uint64, hypercall.Outcome) {
	mpidr, level := a[0], uint32(a[1])
	target := v.vm.psciTarget(mpidr)
	switch {
	case target == nil || level != 0:
		return hypercall.PSCIInvalidParameters.X(), hypercall.Outcome{}
	case target.state == off:
		return hypercall.AffinityOff, hypercall.Outcome{}
	}
	return hypercall.AffinityOn, hypercall.Outcome{}
}
