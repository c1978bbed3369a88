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
		s.vm.vcpus[v.ID.Index].breakAtLast(versionBreakpoint)
	}
	return out
}

// answerVersion answers v, which is at pc, the call that asked whether it may ask, if it does now. Another call v makes itself.
func (v *vcpu) answerVersion(pc uint64) {
	v.unbreak(versionBreakpoint)
	if hypercall.FuncID(v.Regs.W(0)) == hypercall.SMCCCVersion {
		v.Regs.SetX(0, smcccVersion12)
		v.set(kvmarm.RegPC, pc+instructionSize)
	}
}
