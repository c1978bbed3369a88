package vmm

import (
	"math/bits"
	"time"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// Control bits of a generic timer (Arm DDI0487 D19.8, CNTV_CTL_EL0).
const (
	timerEnable = 1 << 0
	timerMask   = 1 << 1
)

// timerFires reports whether the timer with that control has an interrupt to give, now or at its deadline.
func timerFires(ctl uint64) bool { return ctl&(timerEnable|timerMask) == timerEnable }

// timers gives the ffa core the virtual timers of secondaries. All VMs read the host's counter, so
// CNTVCT_EL0 here is what the guest would read.
type timers struct{ m *Machine }

// Remaining implements ffa.Timer.
func (t timers) Remaining(id hypercall.VCPUID) (ns uint64, armed bool) {
	v := t.m.vcpu(id)
	if !timerFires(v.get(kvmarm.RegCNTVCTL)) {
		return 0, false
	}
	return uint64(untilCount(v.get(kvmarm.RegCNTVCVAL))), true
}

// Mask implements ffa.Timer.
func (t timers) Mask(id hypercall.VCPUID) {
	v := t.m.vcpu(id)
	v.set(kvmarm.RegCNTVCTL, v.get(kvmarm.RegCNTVCTL)|timerMask)
	v.timerFired = false
}

// untilCount returns the time until the system counter reaches cval, 0 if it has.
func untilCount(cval uint64) time.Duration {
	now := kvmarm.Counter()
	if cval <= now {
		return 0
	}
	return ticksToDuration(cval-now, kvmarm.CounterFrequency())
}

// sinceCount returns the time since the system counter was at count.
func sinceCount(count uint64) time.Duration {
	return ticksToDuration(kvmarm.Counter()-count, kvmarm.CounterFrequency())
}

// ticksToDuration converts counter ticks, saturating.
func ticksToDuration(ticks, hz uint64) time.Duration {
	const max = 1<<63 - 1
	hi, lo := bits.Mul64(ticks, 1e9)
	if hi >= hz {
		return max
	}
	ns, _ := bits.Div64(hi, lo, hz)
	return time.Duration(min(ns, max))
}

// watchTimer notes when the vCPU's virtual timer output goes high; any exit of KVM_RUN may tell it
// (Linux Documentation/virt/kvm/api.rst 8.9, KVM_CAP_ARM_USER_IRQ).
func (v *vcpu) watchTimer() {
	high := v.kvm.DeviceIRQLevel()&kvmarm.DeviceIRQVirtualTimer != 0
	if high && !v.timerHigh {
		v.timerFired = true
	}
	v.timerHigh = high
}

// timerFired serves the expiry of v's virtual timer in its run. That is an interrupt of the primary, and ends
// the run; but if the timer had expired before v was entered, Hafnium gives v its own interrupt right away.
func (p *pcpu) timerFired(v *vcpu) hypercall.Outcome {
	if v.get(kvmarm.RegCNTVCVAL) <= p.entered {
		return hypercall.Outcome{}
	}
	p.cut = true
	if p.home.vm.gic != nil {
		p.m.sgis.raise(p.home.ID, virtualTimerPPI)
	}
	return p.m.core.TimerExpired(&v.VCPU)
}

// virtualTimerPPI is the INTID of the virtual timer. In the primary KVM has the line of that interrupt for
// the primary's own timer alone, but lets it be made pending: its handler then finds that timer not expired.
const virtualTimerPPI = 27
