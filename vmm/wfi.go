package vmm

import (
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// KVM has no exit for WFI: a vCPU without work blocks inside of KVM_RUN. The first WFI of a secondary's
// vCPU is found by the watcher, which samples and so is late. From then on a hardware breakpoint on that
// instruction makes it an exit at once. A guest with several such instructions has the breakpoint
// follow the last one that was found late.

// Who has which hardware breakpoint of a vCPU.
const (
	wfiBreakpoint = iota
	versionBreakpoint
)

// wfiTrap is the breakpoint on a WFI, for one translation regime of the guest.
type wfiTrap struct {
	armed  bool
	pc     uint64
	regime regime
}

// regime tells one address space of EL1 from another.
type regime struct {
	sctlr, ttbr0, ttbr1 uint64
}

var (
	regSCTLREL1 = kvmarm.SysReg(3, 0, 1, 0, 0)
	regTTBR0EL1 = kvmarm.SysReg(3, 0, 2, 0, 0)
	regTTBR1EL1 = kvmarm.SysReg(3, 0, 2, 0, 1)
)

// sctlrM is set in SCTLR_EL1 while the MMU is on.
const sctlrM = 1 << 0

// instructionSize is that of every A64 instruction, and wfiInstruction one of them.
const (
	instructionSize = 4
	wfiInstruction  = 0xD503207F
)

func (v *vcpu) regime() regime {
	return regime{v.get(regSCTLREL1), v.get(regTTBR0EL1), v.get(regTTBR1EL1)}
}

// trapWFI puts the breakpoint on the WFI that v, which has just stopped, sits in. PC is past it.
func (v *vcpu) trapWFI() {
	if v.vm.m.breakpoints <= wfiBreakpoint {
		return
	}
	pc := v.get(kvmarm.RegPC) - instructionSize
	if err := v.kvm.SetBreakpoint(wfiBreakpoint, pc); err != nil {
		v.fail(err)
		return
	}
	v.wfi = wfiTrap{true, pc, v.regime()}
}

// untrapWFI takes the breakpoint away.
func (v *vcpu) untrapWFI() {
	if v.wfi.armed {
		v.wfi.armed = false
		v.fail(v.kvm.ClearBreakpoint(wfiBreakpoint))
	}
}

// atWFI reports whether v is at its WFI. Another address space has something else at that address, and so may this one by
// now: without the MMU that is seen in RAM. With it on, only the guest's tables tell where to look, and nobody does.
func (v *vcpu) atWFI() bool {
	if !v.wfi.armed || v.wfi.pc != v.get(kvmarm.RegPC) || v.wfi.regime != v.regime() {
		return false
	}
	ram, pc := v.vm.m.ram, v.wfi.pc
	return v.wfi.regime.sctlr&sctlrM != 0 || ram.Slice(pc, instructionSize) != nil && ram.word(pc).Load() == wfiInstruction
}

// trapped serves a hit of a breakpoint: v is at its WFI, or at something else, which it executes with the breakpoint
// gone.
func (p *pcpu) trapped(v *vcpu) hypercall.Outcome {
	if v.version.armed && v.atVersion() {
		return hypercall.Outcome{}
	}
	if !v.atWFI() {
		v.untrapWFI()
		return hypercall.Outcome{}
	}
	v.set(kvmarm.RegPC, v.wfi.pc+instructionSize)
	return p.waitForInterrupt(v)
}

// waitForInterrupt blocks v, which is past a WFI, unless an interrupt or a kick ends that.
func (p *pcpu) waitForInterrupt(v *vcpu) hypercall.Outcome {
	return p.m.core.WaitForInterrupt(&v.VCPU)
}
