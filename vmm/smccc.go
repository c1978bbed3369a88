package vmm

import (
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// KVM answers SMCCC_VERSION itself, with 1.1, and forwards no call of that range. Linux's FF-A driver wants
// 1.2, which hfvmm is. But whoever wants to know the version first asks PSCI_FEATURES whether it may, and
// those calls do come here. Linux makes all of them with one instruction, so a hardware breakpoint there
// stops the vCPU just before the call that KVM would answer. It costs two exits, once.

// SMCCC is a version of the SMC Calling Convention that VMs are told.
type SMCCC uint8

// The versions.
const (
	SMCCCOfHost SMCCC = iota // what KVM says: 1.1
	SMCCC12
)

// SMCCCs are all versions, in the order of their values.
var SMCCCs = [...]SMCCC{SMCCCOfHost, SMCCC12}

func (s SMCCC) String() string { return [...]string{"host", "1.2"}[s] }

// smcccVersion12 is 1.2 as SMCCC_VERSION reports it (DEN0028 §7.2).
const smcccVersion12 = 1<<16 | 2

// smccc12 is the PSCI of a VM that is told SMCCC 1.2.
type smccc12 struct {
	hypercall.Service
	vm *vm
}

// Call implements hypercall.Service.
func (s smccc12) Call(v *hypercall.VCPU, fn hypercall.FuncID, c hypercall.Conduit) hypercall.Outcome {
	asks := fn == hypercall.PSCIFeatures && hypercall.FuncID(v.Regs.W(1)) == hypercall.SMCCCVersion
	out := s.Service.Call(v, fn, c)
	if asks {
		s.vm.vcpus[v.ID.Index].trapVersion()
	}
	return out
}

// versionTrap is a breakpoint on the instruction of a vCPU that asked whether it may ask for the version,
// in one address space.
type versionTrap struct {
	armed  bool
	pc     uint64
	regime regime
}

// is reports whether a vCPU that stopped at pc with the function fn is about to ask for the version. The
// instruction itself is not looked at: who calls SMCCC_VERSION where it called PSCI_FEATURES before is at
// the same call.
func (t *versionTrap) is(pc uint64, r regime, fn hypercall.FuncID) bool {
	return t.armed && pc == t.pc && r == t.regime && fn == hypercall.SMCCCVersion
}

// trapVersion puts the breakpoint on the call that v just made. PC is past it, for HVC and SMC alike.
func (v *vcpu) trapVersion() {
	if v.vm.m.breakpoints <= versionBreakpoint {
		return
	}
	pc := v.get(kvmarm.RegPC) - instructionSize
	if err := v.kvm.SetBreakpoint(versionBreakpoint, pc); err != nil {
		v.fail(err)
		return
	}
	v.version = versionTrap{true, pc, v.regime()}
}

// untrapVersion takes the breakpoint away.
func (v *vcpu) untrapVersion() {
	if v.version.armed {
		v.version.armed = false
		v.fail(v.kvm.ClearBreakpoint(versionBreakpoint))
	}
}

// atVersion serves a hit of a breakpoint if it is this one. The breakpoint is gone then, whatever v is about
// to do: another call, or something else at that address of another address space, v does itself.
func (v *vcpu) atVersion() bool {
	pc := v.get(kvmarm.RegPC)
	if pc != v.version.pc {
		return false
	}
	if v.version.is(pc, v.regime(), hypercall.FuncID(v.Regs.W(0))) {
		v.Regs.SetX(0, smcccVersion12)
		v.set(kvmarm.RegPC, pc+instructionSize)
	}
	v.untrapVersion()
	return true
}
