package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

func TestKickWakesABlockedSiblingThroughThePrimary(t *testing.T) {
	for _, c := range []struct {
		rule  string
		block func(r *rig, sibling *guest)
		wakes bool
	}{
		{"in WFI", func(r *rig, s *guest) { r.core.WaitForInterrupt(&s.VCPU) }, true},
		{"in a receiving call", func(r *rig, s *guest) { s.blocks(spciMsgWait) }, true},
		{"preempted", func(r *rig, s *guest) { r.core.Preempt(&s.VCPU) }, false},
		{"off", func(r *rig, s *guest) { s.call(hypercall.PSCICPUOff) }, false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			r := newRig(t, 2, 2)
			r.mapped(0, 1)
			a, b := r.vms[1][0], r.vms[1][1]
			r.enter(r.vms[0][0], a)
			a.call(hypercall.PSCICPUOn, 1, ramOf(1).Base, 0)
			r.enter(r.vms[0][1], b)
			c.block(r, b)
			r.enter(r.vms[0][0], a)
			out := r.core.Kick(&a.VCPU, 1)
			if !c.wakes {
				if out != (hypercall.Outcome{}) {
					t.Errorf("outcome %+v", out)
				}
				return
			}
			if out != (hypercall.Outcome{Action: hypercall.Leave}) {
				t.Errorf("outcome %+v", out)
			}
			r.settle()
			if x := r.vms[0][0].x; x[0] != uint64(hfRunWakeUp) || x[1] != spciVCPU(b.ID) {
				t.Errorf("the primary got %#x, %#x", x[0], x[1])
			}
			r.enter(r.vms[0][1], b)
			if b.core().state != running {
				t.Errorf("the sibling is in state %d", b.core().state)
			}
		})
	}
}

func TestKickOfOneThatRunsEndsWhatItBlocksInNext(t *testing.T) {
	for _, c := range []struct {
		rule   string
		blocks func(r *rig, g *guest) hypercall.Outcome
	}{
		{"WFI", func(r *rig, g *guest) hypercall.Outcome { return r.core.WaitForInterrupt(&g.VCPU) }},
		{"CPU_SUSPEND", func(_ *rig, g *guest) hypercall.Outcome { return g.call(hypercall.PSCICPUSuspend, 0) }},
		{"a receiving call", func(_ *rig, g *guest) hypercall.Outcome { return g.call(spciMsgWait) }},
	} {
		t.Run(c.rule, func(t *testing.T) {
			r := newRig(t, 2, 2)
			r.mapped(0, 1)
			a, b := r.vms[1][0], r.vms[1][1]
			r.enter(r.vms[0][0], a)
			a.call(hypercall.PSCICPUOn, 1, ramOf(1).Base, 0)
			r.enter(r.vms[0][1], b)
			r.enter(r.vms[0][0], a)
			if out := r.core.Kick(&a.VCPU, 1); out != (hypercall.Outcome{}) {
				t.Errorf("kick: outcome %+v", out)
			}
			if out := c.blocks(r, b); out != (hypercall.Outcome{}) {
				t.Errorf("outcome %+v", out)
			}
			if out := c.blocks(r, b); out.Action != hypercall.Leave {
				t.Errorf("the next time: outcome %+v", out)
			}
		})
	}
}
