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

// asleep returns the vCPUs of VM 1, of which the first runs and the others sit in WFI.
func asleep(r *rig) (first *guest, others []*guest) {
	first, others = r.vms[1][0], r.vms[1][1:]
	for _, g := range others {
		r.enter(r.vms[0][0], first)
		first.call(hypercall.PSCICPUOn, uint64(g.ID.Index), ramOf(1).Base, 0)
		r.enter(r.vms[0][0], g)
		r.core.WaitForInterrupt(&g.VCPU)
	}
	r.enter(r.vms[0][0], first)
	return first, others
}

func TestPrimaryIsToldOfEverySiblingThatOneCallWakes(t *testing.T) {
	r := newRig(t, 1, 4)
	p := r.vms[0][0]
	a, others := asleep(r)
	r.core.Kick(&a.VCPU, 1) // which leaves
	r.core.Wake(others[1].ID)
	r.core.Wake(others[2].ID)
	for i, g := range others {
		r.settle()
		if p.x[0] != uint64(hfRunWakeUp) || p.x[1] != spciVCPU(g.ID) {
			t.Errorf("result %d: %#x, %#x; want a wake-up of %v", i, p.x[0], p.x[1], g.ID)
		}
		p.call(spciRun, spciVCPU(a.ID))
	}
	if a.core().state != running {
		t.Errorf("with all told, the first one is in state %d", a.core().state)
	}
}

func TestPrimaryThatRunsASiblingIsNotToldThatItWoke(t *testing.T) {
	r := newRig(t, 1, 2)
	p := r.vms[0][0]
	a, others := asleep(r)
	r.core.Wake(others[0].ID)
	r.core.Preempt(&a.VCPU)
	r.enter(p, others[0])
	r.core.Preempt(&others[0].VCPU)
	r.enter(p, a)
	if a.core().vm.untold != 0 {
		t.Errorf("%d are untold", a.core().vm.untold)
	}
}

func TestSiblingThatWokeUntoldIsTheResultWhenTheOtherOneBlocks(t *testing.T) {
	for name, block := range map[string]func(r *rig, g *guest){
		"WFI":     func(r *rig, g *guest) { r.core.WaitForInterrupt(&g.VCPU) },
		"CPU_OFF": func(_ *rig, g *guest) { g.call(hypercall.PSCICPUOff) },
		"receive": func(_ *rig, g *guest) { g.call(spciMsgWait) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, 2)
			r.mapped(0, 1)
			p := r.vms[0][0]
			a, others := asleep(r)
			r.core.Wake(others[0].ID)
			block(r, a)
			r.settle()
			if p.x[0] != uint64(hfRunWakeUp) || p.x[1] != spciVCPU(others[0].ID) {
				t.Errorf("the primary got %#x, %#x", p.x[0], p.x[1])
			}
		})
	}
}

func TestWakeOfOneThatRunsEndsWhatItBlocksInNext(t *testing.T) {
	r := newRig(t, 1, 1)
	a, _ := asleep(r)
	r.core.Wake(a.ID)
	if out := r.core.WaitForInterrupt(&a.VCPU); out != (hypercall.Outcome{}) {
		t.Errorf("outcome %+v", out)
	}
}

// A vCPU that serves a request keeps its pCPU, so whom it woke the primary learns when it next runs a vCPU of the VM.
func TestPrimaryOfFFAIsToldOfASiblingThatWoke(t *testing.T) {
	for _, c := range []struct {
		rule  string
		off   bool // the sibling, which otherwise sits in WFI
		wakes func(r ffaRig, a *guest)
	}{
		{"by a kick", false, func(r ffaRig, a *guest) {
			if out := r.core.Kick(&a.VCPU, 1); out != (hypercall.Outcome{}) {
				r.t.Errorf("kick: outcome %+v", out)
			}
		}},
		{"by CPU_ON", true, func(_ ffaRig, a *guest) {
			a.returns("CPU_ON", hypercall.PSCICPUOn|smc64, []uint64{1, ramOf(1).Base, 7}, 0)
		}},
		{"from outside", false, func(r ffaRig, _ *guest) { r.core.Wake(hypercall.VCPUID{VM: 1, Index: 1}) }},
	} {
		t.Run(c.rule, func(t *testing.T) {
			r := newFFARig(t, nil, 2, 2)
			p, a, b := r.guest(primary), r.vms[1][0], r.vms[1][1]
			r.waiting(1)
			if !c.off {
				b.core().state = ready
				r.run(p, b)
				r.core.WaitForInterrupt(&b.VCPU)
				r.settle()
			}
			p.enters(a, ffaDirectReq, pair(0, 1))
			c.wakes(r, a)
			a.leaves(ffaDirectResp, pair(1, 0))
			p.returns("run of the other", ffaRun, []uint64{a.w1()}, fid(ffaInterrupt), b.w1())
			r.run(p, b)
			r.preempt(b)
			r.run(p, a) // and once is enough
		})
	}
}
