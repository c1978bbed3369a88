package vmm

import "github.com/hfvmm/hfvmm/hypercall"

// KVM has no exit for WFI: a vCPU without work blocks inside of KVM_RUN. The first WFI of a secondary's
// vCPU is found by the watcher, which samples and so is late. From then on a hardware breakpoint on that
// instruction makes it an exit at once. A guest with several such instructions has the breakpoint
// follow the last one that was found late.

// wfiInstruction is WFI.
const wfiInstruction = 0xD503207F

// maybeWFI reports whether the instruction at pc can still be the WFI that it was. Without the MMU that is seen in RAM. With
// it on, only the guest's tables tell where to look, and nobody does.
func (v *vcpu) maybeWFI(pc uint64, r regime) bool {
	ram := v.vm.m.ram
	return r.sctlr&sctlrM != 0 || ram.Slice(pc, instructionSize) != nil && ram.word(pc).Load() == wfiInstruction
}

// waitForInterrupt blocks v, which is past a WFI, unless an interrupt or a kick ends that.
func (p *pcpu) waitForInterrupt(v *vcpu) hypercall.Outcome {
	return p.m.core.WaitForInterrupt(&v.VCPU)
}
