package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

func TestHotPathsAllocateNothing(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.blocks(spciMsgWait)

	call := func(g *guest, fn hypercall.FuncID, x1, x3 uint64) {
		g.Regs.Forget()
		g.x[0], g.x[1], g.x[2], g.x[3], g.x[4] = uint64(fn), x1, 0, x3, 0
		g.dispatch(hypercall.HVC)
		g.Regs.Flush()
	}
	run := func() { call(p, spciRun, spciVCPU(a.ID), 0) }
	for _, c := range []struct {
		name string
		path func()
	}{
		{"echo of 4096 bytes", func() {
			call(p, spciMsgSend, spciPair(1, 2), 4096)
			run()
			call(a, spciRXRelease, 0, 0)
			call(a, spciMsgSend, spciPair(2, 1), 4096)
			call(p, spciRXRelease, 0, 0)
			run()
			call(a, spciMsgWait, 0, 0)
		}},
		{"run of a blocked vCPU", run},
		{"timer", func() {
			call(p, spciMsgSend, spciPair(1, 2), 1)
			run()
			r.core.IRQLine(&a.VCPU)
			r.core.TimerExpired(&a.VCPU)
			run()
			call(a, hfInterruptGet, 0, 0)
			call(a, spciRXRelease, 0, 0)
			call(a, spciMsgWait, 0, 0)
		}},
		{"PSCI", func() {
			call(p, spciMsgSend, spciPair(1, 2), 1)
			run()
			call(a, hypercall.PSCIFeatures, uint64(hypercall.PSCICPUOn), 0)
			call(a, hypercall.PSCIAffinityInfo, 1, 0)
			call(a, spciRXRelease, 0, 0)
			call(a, spciMsgWait, 0, 0)
		}},
	} {
		if n := testing.AllocsPerRun(100, c.path); n != 0 {
			t.Errorf("%s allocates %v times", c.name, n)
		}
	}
	if a.core().state != waitingMessage {
		t.Errorf("the paths did not run to their ends: state %d", a.core().state)
	}
}

// core is the core's side of g.
func (g *guest) core() *vcpu { return &g.rig.core.vms[g.ID.VM].vcpus[g.ID.Index] }

// A register costs a system call each way: the round trips may touch these and no others.
func TestHotPathsTouchFewRegisters(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	cost := func(path func()) (loads, stores int) {
		before := [2]int{p.loads + a.loads, p.stores + a.stores}
		path()
		return p.loads + a.loads - before[0], p.stores + a.stores - before[1]
	}
	for _, c := range []struct {
		name          string
		path          func()
		loads, stores int
	}{
		{"run and wait", func() { r.enter(p, a); a.blocks(spciMsgWait) }, 1, 2},
		{"send", func() { p.call(spciMsgSend, spciPair(1, 2), 0, 64, 0) }, 3, 1},
		{"run with a message, and yield", func() { r.enter(p, a); a.blocks(spciYield) }, 1, 6},
	} {
		if loads, stores := cost(c.path); loads != c.loads || stores != c.stores {
			t.Errorf("%s: %d loads and %d stores, want %d and %d", c.name, loads, stores, c.loads, c.stores)
		}
	}
}
