package vmm

import (
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// What KVM does by itself and hfvmm wants to do, a hardware breakpoint on the guest's instruction makes an exit. A guest
// that uses its debug registers loses them meanwhile.

// What a vCPU's breakpoints are for.
const (
	wfiBreakpoint = iota
	versionBreakpoint
	numBreakpoints
)

// breakpoint is one on an instruction, in one translation regime of the guest: at that address of another there is something else.
type breakpoint struct {
	armed  bool
	pc     uint64
	regime regime
}

// is reports whether the breakpoint is on the instruction at pc in r.
func (b *breakpoint) is(pc uint64, r regime) bool { return b.armed && b.pc == pc && b.regime == r }

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

// instructionSize is that of every A64 instruction.
const instructionSize = 4

func (v *vcpu) regime() regime {
	return regime{v.get(regSCTLREL1), v.get(regTTBR0EL1), v.get(regTTBR1EL1)}
}

// breakAtLast puts breakpoint n on the instruction that v has just executed, which PC is past, if the host has that many.
func (v *vcpu) breakAtLast(n int) {
	if v.vm.m.breakpoints <= n {
		return
	}
	pc := v.get(kvmarm.RegPC) - instructionSize
	if err := v.kvm.SetBreakpoint(n, pc); err != nil {
		v.fail(err)
		return
	}
	v.breakpoints[n] = breakpoint{true, pc, v.regime()}
}

// unbreak takes breakpoint n away.
func (v *vcpu) unbreak(n int) {
	if b := &v.breakpoints[n]; b.armed {
		b.armed = false
		v.fail(v.kvm.ClearBreakpoint(n))
	}
}

// unbreakAll takes all breakpoints away.
func (v *vcpu) unbreakAll() {
	for n := range v.breakpoints {
		v.unbreak(n)
	}
}

// trapped serves a hit of a breakpoint. At something else than what it is for, v goes on with none.
func (p *pcpu) trapped(v *vcpu) hypercall.Outcome {
	pc, r := v.get(kvmarm.RegPC), v.regime()
	switch {
	case v.breakpoints[versionBreakpoint].is(pc, r):
		v.answerVersion(pc)
	case v.breakpoints[wfiBreakpoint].is(pc, r) && v.maybeWFI(pc, r):
		v.set(kvmarm.RegPC, pc+instructionSize)
		return p.waitForInterrupt(v)
	default:
		v.unbreakAll()
	}
	return hypercall.Outcome{}
}
