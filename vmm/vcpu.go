package vmm

import (
	"fmt"
	"sync/atomic"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// pstateBoot is EL1h with DAIF masked: where PSCI starts a PE (DEN0022 §6.4).
const pstateBoot = 0x3c5

// vcpu joins a virtual CPU of KVM to what the services know of it. It belongs to the pCPU that runs
// it; between runs, to the pCPU that the ffa core lets enter it.
type vcpu struct {
	hypercall.VCPU
	vm  *vm
	kvm *kvmarm.VCPU // nil for those of the built-in primary

	breakpoints [numBreakpoints]breakpoint

	// Of a secondary:
	ran        bool // since it was created
	stats      *kvmarm.Stats
	line       bool        // level last given to the CPU's IRQ line
	timerHigh  bool        // last known level of the virtual timer's output
	timerFired bool        // that went high, and the ffa core has not masked the timer since
	brief      atomic.Bool // its last run was: see alarm

	unfinished bool // KVM finishes its access to a device, or injects an abort, at the next KVM_RUN

	suspended bool // of the primary: it waits for an interrupt in CPU_SUSPEND

	err error // first failed register access; checked before the vCPU runs
}

// LoadX implements hypercall.Bank.
func (v *vcpu) LoadX(n int) uint64 { return v.get(kvmarm.RegX(n)) }

// StoreX implements hypercall.Bank.
func (v *vcpu) StoreX(n int, x uint64) { v.set(kvmarm.RegX(n), x) }

func (v *vcpu) get(r kvmarm.RegID) uint64 {
	x, err := v.kvm.Get(r)
	v.fail(err)
	return x
}

func (v *vcpu) set(r kvmarm.RegID, x uint64) { v.fail(v.kvm.Set(r, x)) }

// fail keeps the first error.
func (v *vcpu) fail(err error) {
	if err != nil && v.err == nil {
		v.err = err
	}
}

// prepare makes the state that services left for the vCPU real. Call it before each KVM_RUN.
func (v *vcpu) prepare() error {
	if b, ok := v.TakeBoot(); ok {
		if err := v.kvm.Init(kvmarm.FeaturePSCI02); err != nil {
			return err
		}
		v.forget()
		v.nameByIndex()
		v.unbreakAll()
		v.line = false // KVM_ARM_VCPU_INIT lowers it
		v.Regs.Forget()
		v.set(kvmarm.RegPSTATE, pstateBoot)
		v.set(kvmarm.RegPC, b.Entry)
		v.Regs.SetX(0, b.X0)
		for i, x := range b.Rest {
			v.Regs.SetX(1+i, x)
		}
	}
	if core := v.vm.m.core; v.vm.index != 0 && v.vm.gic == nil {
		if v.timerFired {
			core.TimerFired(&v.VCPU)
		}
		if high := core.IRQLine(&v.VCPU); high != v.line {
			if err := v.vm.kvm.SetIRQLine(kvmarm.IRQCPU, int(v.ID.Index), kvmarm.LineIRQ, high); err != nil {
				return err
			}
			v.line = high
		}
	}
	if s := v.vm.sdei; s != nil && s.Waiting(&v.VCPU) {
		if err := v.deliver(); err != nil {
			return err
		}
	}
	v.Regs.Flush()
	return v.err
}

func (v *vcpu) String() string {
	return fmt.Sprintf("vCPU %d of VM %q", v.ID.Index, v.vm.name)
}
