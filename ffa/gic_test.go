package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// newGICRig is an FF-A machine whose VM 1 has a GIC, and runs.
func newGICRig(t *testing.T) (ffaRig, *guest, *guest) {
	r := newFFARig(t, func(cfg *Config) { cfg.Partitions[1].GIC = true }, 1, 1)
	p, g := r.guest(primary), r.guest(1)
	r.run(p, g)
	return r, p, g
}

// idle lets g, which runs, stop in WFI, and checks what the primary is told.
func (r ffaRig) idle(p, g *guest, want ...uint64) {
	r.t.Helper()
	if out := r.core.WaitForInterrupt(&g.VCPU); out != leaves {
		r.t.Fatalf("outcome %+v of WFI", out)
	}
	r.settle()
	p.want("run until WFI", want...)
}

func TestVCPUWithAGICIsIdleUntilItsTimerAndNotForLong(t *testing.T) {
	const wfi = 0xff06
	for _, c := range []struct {
		name  string
		armed bool
		left  uint64
		ns    uint64
	}{
		{"no timer", false, 0, idleLimit},
		{"soon", true, 1000, 1000},
		{"late", true, 2 * idleLimit, idleLimit},
	} {
		r, p, g := newGICRig(t)
		g.armed, g.deadline = c.armed, r.now+c.left
		r.idle(p, g, wfi, g.w1(), c.ns, 0)
		if g.armed != c.armed {
			t.Errorf("%s: the timer is armed: %v", c.name, g.armed)
		}
	}
}

// The kernel gives it the interrupt: the core neither masks the timer nor raises a virtual one.
func TestExpiredTimerOfAVCPUWithAGICIsLeftToTheKernel(t *testing.T) {
	r, p, g := newGICRig(t)
	g.armed, g.deadline = true, r.now
	r.idle(p, g, fid(ffaInterrupt), g.w1())
	r.run(p, g)
	if !g.armed || r.core.IRQLine(&g.VCPU) {
		t.Errorf("timer armed: %v, virtual line: %v", g.armed, r.core.IRQLine(&g.VCPU))
	}
}

func TestIdleVCPUWithAGICIsRunWheneverThePrimarySaysSo(t *testing.T) {
	r, p, g := newGICRig(t)
	for range 3 {
		r.idle(p, g, 0xff06, g.w1(), idleLimit, 0)
		r.run(p, g)
	}
}

// Linux names CPUs by the affinity in their MPIDR_EL1, of which CPU 16 begins a new cluster.
func TestVCPUsOfAVMWithAGICAreNamedByAffinity(t *testing.T) {
	r := newFFARig(t, func(cfg *Config) { cfg.Partitions[1].GIC = true }, 1, 18)
	p, g := r.guest(primary), r.guest(1)
	target, entry := r.vms[1][17], ramOf(1).Base
	r.run(p, g)
	const affinity = 1<<8 | 1
	for _, fn := range []hypercall.FuncID{hypercall.PSCICPUOn | smc64, hypercall.PSCIAffinityInfo | smc64} {
		g.returns("index", fn, []uint64{17, entry}, hypercall.PSCIInvalidParameters.X())
	}
	g.returns("off", hypercall.PSCIAffinityInfo|smc64, []uint64{affinity, 0}, hypercall.AffinityOff)
	g.blocks(hypercall.PSCICPUOn|smc64, affinity, entry, 7)
	if boot, ok := target.TakeBoot(); !ok || boot.X0 != 7 {
		t.Errorf("boot of vCPU 17: %+v, %v", boot, ok)
	}
}

func TestVMWithAGICCanSwitchItselfOff(t *testing.T) {
	for _, fn := range []hypercall.FuncID{hypercall.PSCISystemOff, hypercall.PSCISystemReset} {
		_, p, g := newGICRig(t)
		g.returns("feature", hypercall.PSCIFeatures, []uint64{uint64(fn)}, 0)
		g.ends(fn)
		p.want("run of a VM that is off", fid(ffaError), 0, uint64(uint32(ffaCodes[isAborted])))
		p.denies("run after that", isAborted, ffaRun, g.w1())
	}
}
