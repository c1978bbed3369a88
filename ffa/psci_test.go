package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

const smc64 = hypercall.SMC64

func TestPSCICallsOfASecondaryReturnAtOnceWith(t *testing.T) {
	for _, c := range []struct {
		name string
		fn   hypercall.FuncID
		args []uint64
		x0   uint64
	}{
		{"version 1.1", hypercall.PSCIVersion, nil, 0x10001},
		{"feature VERSION", hypercall.PSCIFeatures, []uint64{uint64(hypercall.PSCIVersion)}, 0},
		{"feature CPU_ON", hypercall.PSCIFeatures, []uint64{rubbish | uint64(hypercall.PSCICPUOn|smc64)}, 0},
		{"feature CPU_OFF", hypercall.PSCIFeatures, []uint64{uint64(hypercall.PSCICPUOff)}, 0},
		{"feature CPU_SUSPEND: extended", hypercall.PSCIFeatures, []uint64{uint64(hypercall.PSCICPUSuspend)}, 2},
		{"feature SMCCC_VERSION", hypercall.PSCIFeatures, []uint64{uint64(hypercall.SMCCCVersion)}, 0},
		{"no feature SYSTEM_OFF", hypercall.PSCIFeatures, []uint64{uint64(hypercall.PSCISystemOff)}, failed},
		{"no feature CPU_OFF of 64 bits", hypercall.PSCIFeatures, []uint64{uint64(hypercall.PSCICPUOff | smc64)}, failed},
		{"system off", hypercall.PSCISystemOff, nil, failed},
		{"system reset", hypercall.PSCISystemReset, nil, failed},
		{"system reset 2", hypercall.PSCISystemReset2 | smc64, []uint64{0, 0}, failed},
		{"migrate info", hypercall.PSCIMigrateInfoType, nil, failed},
		{"the last of the range", 0xC400001F, nil, failed},
		{"vCPU 0 is on", hypercall.PSCIAffinityInfo | smc64, []uint64{0, 0}, 0},
		{"vCPU 1 is off", hypercall.PSCIAffinityInfo | smc64, []uint64{1, 0}, 1},
		{"vCPU 1 is off, 32 bits", hypercall.PSCIAffinityInfo, []uint64{rubbish | 1, rubbish}, 1},
		{"no vCPU 2", hypercall.PSCIAffinityInfo | smc64, []uint64{2, 0}, code(-2)},
		{"no level 1", hypercall.PSCIAffinityInfo | smc64, []uint64{0, 1}, code(-2)},
		{"on of one that is on", hypercall.PSCICPUOn | smc64, []uint64{0, ramBase + vmSize, 0}, code(-4)},
		{"on of no vCPU", hypercall.PSCICPUOn | smc64, []uint64{2, ramBase + vmSize, 0}, code(-2)},
		{"on of a wild vCPU", hypercall.PSCICPUOn | smc64, []uint64{rubbish, ramBase + vmSize, 0}, code(-2)},
		{"on at an odd address", hypercall.PSCICPUOn | smc64, []uint64{1, ramBase + vmSize + 2, 0}, code(-9)},
		{"on in another VM's memory", hypercall.PSCICPUOn | smc64, []uint64{1, ramBase, 0}, code(-9)},
		{"on behind the VM's memory", hypercall.PSCICPUOn | smc64, []uint64{1, ramBase + 2*vmSize, 0}, code(-9)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 1, 2)
			g := r.vms[1][0]
			r.enter(r.vms[0][0], g)
			for _, conduit := range []hypercall.Conduit{hypercall.HVC, hypercall.SMC} {
				g.load(c.fn, c.args...)
				if out := g.dispatch(conduit); out != (hypercall.Outcome{}) {
					t.Errorf("outcome %+v by %v", out, conduit)
				}
				r.settle()
				g.want(c.name, c.x0)
			}
		})
	}
}

func TestCPUOnLeavesToWakeTheVCPU(t *testing.T) {
	r := newRig(t, 1, 2)
	p, a, b := r.vms[0][0], r.vms[1][0], r.vms[1][1]
	entry := ramOf(1).Base + 64
	p.refuses("run before CPU_ON", b, errorRegs(-2)...)
	r.enter(p, a)
	a.blocks(hypercall.PSCICPUOn|smc64, 1, entry, 0xC0FFEE)
	p.want("run", uint64(hfRunWakeUp), spciVCPU(b.ID))
	r.enter(p, b)
	if boot, ok := b.TakeBoot(); !ok || boot != (hypercall.Boot{Entry: entry, X0: 0xC0FFEE}) {
		t.Errorf("boot = %+v, %v", boot, ok)
	}
	r.preempt(b)
	r.enter(p, a)
	a.want("CPU_ON", 0)
	a.call(hypercall.PSCICPUOn|smc64, 1, entry, 0)
	a.want("CPU_ON again", code(-4))
}

func TestCPUOffIsAnIndefiniteWait(t *testing.T) {
	r, p, _, a, b := newPair(t)
	r.enter(p, b)
	b.TakeBoot()
	b.call(hfInterruptEnable, 8, 1)
	b.arm(10)
	b.blocks(hypercall.PSCICPUOff)
	p.want("run", uint64(hfRunWFI), spciVCPU(b.ID), 0)
	r.advance(20)
	p.call(hfInterruptInject, idOf(1), 1, 8)
	p.refuses("run after CPU_OFF", b, errorRegs(-2)...)
	r.enter(p, a)
	a.call(hypercall.PSCIAffinityInfo|smc64, 1, 0)
	a.want("AFFINITY_INFO", hypercall.AffinityOff)
	a.blocks(hypercall.PSCICPUOn, 1, ramOf(1).Base, 5)
	r.enter(p, b)
	if boot, ok := b.TakeBoot(); !ok || boot.X0 != 5 {
		t.Errorf("boot = %+v, %v", boot, ok)
	}
}

func TestCPUSuspendIsWaitForInterrupt(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.call(hfInterruptEnable, 8, 1)
	a.blocks(hypercall.PSCICPUSuspend|smc64, 0, 0, 0)
	p.want("run", uint64(hfRunWFI), spciVCPU(a.ID), 0)
	p.call(hfInterruptInject, idOf(1), 0, 8)
	r.enter(p, a)
	a.want("CPU_SUSPEND", 0)
	if out := a.call(hypercall.PSCICPUSuspend, 0, 0, 0); out != (hypercall.Outcome{}) {
		t.Errorf("CPU_SUSPEND with an interrupt pending: %+v", out)
	}
}

func TestPSCIOfSecondariesIsNotForThePrimary(t *testing.T) {
	r := newRig(t, 1, 1)
	g := r.vms[0][0]
	g.load(hypercall.PSCICPUOff)
	if out := r.core.PSCI().Call(&g.VCPU, hypercall.PSCICPUOff, hypercall.SMC); out != (hypercall.Outcome{}) {
		t.Errorf("outcome %+v", out)
	}
	g.Regs.Flush()
	g.want("CPU_OFF", failed)
}
