package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// newPair returns a primary with two vCPUs and a secondary with two, whose mailboxes are mapped. Both
// vCPUs of the secondary are on; neither runs.
func newPair(t testing.TB) (r *rig, p, q, a, b *guest) {
	r = newRig(t, 2, 2)
	r.mapped(0, 1)
	p, q, a, b = r.vms[0][0], r.vms[0][1], r.vms[1][0], r.vms[1][1]
	r.enter(p, a)
	a.call(hypercall.PSCICPUOn|hypercall.SMC64, 1, ramOf(1).Base, 0)
	return r, p, q, a, b
}

// blocks makes g call fn and checks that it left.
func (g *guest) blocks(fn hypercall.FuncID, args ...uint64) {
	g.rig.t.Helper()
	if out := g.call(fn, args...); out != leaves {
		g.rig.t.Fatalf("vCPU %v: call %#x: outcome %+v, x0 = %#x", g.ID, uint32(fn), out, g.x[0])
	}
}

// refuses checks that running target changes nothing and answers with regs.
func (g *guest) refuses(what string, target *guest, regs ...uint64) {
	g.rig.t.Helper()
	if out := g.call(spciRun, spciVCPU(target.ID)); out != (hypercall.Outcome{}) {
		g.rig.t.Fatalf("%s: outcome %+v", what, out)
	}
	g.want(what, regs...)
}

func TestRunOfPreemptedVCPUReturnsInterrupt(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	r.preempt(a)
	p.want("run", uint64(spciInterrupt), spciVCPU(a.ID))
	r.enter(p, a)
}

func TestRunOfYieldingVCPUReturnsYield(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.blocks(spciYield)
	p.want("run", uint64(spciYield), spciVCPU(a.ID))
	r.enter(p, a)
	a.want("yield", uint64(spciSuccess))
}

func TestRunOfVCPUThatRunsElsewhereIsBusyUntilItLeaves(t *testing.T) {
	r, p, q, a, _ := newPair(t)
	r.enter(p, a)
	q.refuses("run", a, errorRegs(-4)...)
	r.preempt(a)
	r.enter(q, a)
	p.refuses("run", a, errorRegs(-4)...)
	r.preempt(a)
	q.want("run", uint64(spciInterrupt), spciVCPU(a.ID))
	if r.core.Runner(&a.VCPU) != nil {
		t.Error("a vCPU that left still has a runner")
	}
}

func TestRunOfWaitingVCPUWithoutMessageReturnsMsgWait(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.blocks(spciMsgWait)
	p.want("wait without a timer", uint64(spciMsgWait), spciVCPU(a.ID), 0)

	p.refuses("run without a timer", a, errorRegs(-2)...)

	r, p, _, a, _ = newPair(t)
	r.enter(p, a)
	a.arm(1000)
	a.blocks(spciMsgWait)
	p.want("wait with a timer", uint64(spciMsgWait), spciVCPU(a.ID), 1000)
	p.refuses("run with a timer", a, uint64(spciMsgWait), spciVCPU(a.ID), 1000)
	r.advance(999)
	p.refuses("run with a timer", a, uint64(spciMsgWait), spciVCPU(a.ID), 1)
	r.advance(1)
	r.enter(p, a)
	a.want("wait", errorRegs(-5)...)
}

func TestBlockedVCPUWithoutATimerIsNotAskedForItAgain(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.blocks(spciMsgWait)
	asked := r.asked
	p.refuses("run", a, errorRegs(-2)...)
	p.send(1, "x", 0)
	r.enter(p, a)
	if r.asked != asked {
		t.Errorf("asked %d times more", r.asked-asked)
	}
	a.arm(5)
	a.blocks(spciMsgWait)
	if r.asked == asked {
		t.Error("a vCPU that blocks again is not asked")
	}
}

func TestMsgWaitWithAnExpiredTimerIsAPreemption(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.arm(0)
	a.blocks(spciMsgWait)
	p.want("run", uint64(spciInterrupt), spciVCPU(a.ID))
	r.enter(p, a)
	a.want("wait", errorRegs(-5)...)
	if ns, armed := r.Remaining(a.ID); armed {
		t.Errorf("the timer still fires, in %d ns", ns)
	}
}

func TestExpiredTimerIsIntid3AtTheNextRun(t *testing.T) {
	for _, enabled := range []bool{false, true} {
		r, p, _, a, _ := newPair(t)
		r.enter(p, a)
		if enabled {
			a.call(hfInterruptEnable, VirtualTimer, 1)
		}
		a.arm(5)
		r.preempt(a)
		r.advance(5)
		r.enter(p, a)
		r.core.TimerFired(&a.VCPU)
		if got := r.core.IRQLine(&a.VCPU); got != enabled {
			t.Errorf("enabled %v: line %v", enabled, got)
		}
		a.call(hfInterruptEnable, VirtualTimer, 1)
		a.call(hfInterruptGet)
		a.want("interrupt", VirtualTimer)
	}
}

func TestTimerThatExpiresInARunEndsIt(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.call(hfInterruptEnable, VirtualTimer, 1)
	a.arm(0)
	if out := r.core.TimerExpired(&a.VCPU); out != leaves {
		t.Fatalf("outcome %+v", out)
	}
	r.settle()
	p.want("run", uint64(spciInterrupt), spciVCPU(a.ID))
	r.enter(p, a)
	a.call(hfInterruptGet)
	a.want("interrupt", VirtualTimer)
}

func TestWaitForInterruptReturnsItsOwnResult(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	if out := r.core.WaitForInterrupt(&a.VCPU); out != leaves {
		t.Fatalf("outcome %+v", out)
	}
	r.settle()
	p.want("run", uint64(hfRunWFI), spciVCPU(a.ID), 0)
	p.refuses("run without a timer", a, errorRegs(-2)...)

	r, p, _, a, _ = newPair(t)
	r.enter(p, a)
	a.arm(77)
	r.core.WaitForInterrupt(&a.VCPU)
	r.settle()
	p.refuses("run with a timer", a, uint64(hfRunWFI), spciVCPU(a.ID), 77)
	r.advance(77)
	before := a.x
	r.enter(p, a)
	if a.x != before {
		t.Errorf("WFI changed registers: %#x to %#x", before, a.x)
	}
}

func TestWaitForInterruptDoesNotBlockWhileOneIsPending(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.call(hfInterruptInject, idOf(1), 0, 9)
	a.call(hfInterruptEnable, 9, 1)
	if out := r.core.WaitForInterrupt(&a.VCPU); out != (hypercall.Outcome{}) {
		t.Errorf("WFI: outcome %+v", out)
	}
	if out := a.call(spciMsgWait); out != (hypercall.Outcome{}) {
		t.Errorf("MSG_WAIT: outcome %+v", out)
	}
	a.want("MSG_WAIT", errorRegs(-5)...)
}

func TestAbortIsToldOnceAndKillsTheSiblings(t *testing.T) {
	r, p, q, a, b := newPair(t)
	r.enter(p, a)
	r.enter(q, b)
	if out := r.core.Abort(&a.VCPU); out != ends {
		t.Fatalf("outcome %+v", out)
	}
	r.settle()
	p.want("run", errorRegs(-8)...)
	p.refuses("run of the one that aborted", a, errorRegs(-2)...)
	p.refuses("run of a sibling that still runs", b, errorRegs(-4)...)
	r.preempt(b)
	q.want("run of the sibling", uint64(spciInterrupt), spciVCPU(b.ID))
	for range 2 {
		q.refuses("run of a sibling", b, errorRegs(-2)...)
	}
}

func TestAbortOfASecondVCPUIsAPreemption(t *testing.T) {
	r, p, q, a, b := newPair(t)
	r.enter(p, a)
	r.enter(q, b)
	r.core.Abort(&a.VCPU)
	if out := r.core.Abort(&b.VCPU); out != leaves {
		t.Fatalf("outcome %+v", out)
	}
	r.settle()
	p.want("run", errorRegs(-8)...)
	q.want("run of the sibling", uint64(spciInterrupt), spciVCPU(b.ID))
	q.refuses("run of the sibling again", b, errorRegs(-2)...)
}

func TestAbortedVCPUIsNotWokenByAMessageOrATimer(t *testing.T) {
	r, p, _, a, b := newPair(t)
	r.enter(p, b)
	b.blocks(spciMsgWait)
	r.enter(p, a)
	a.arm(10)
	r.core.Abort(&a.VCPU)
	p.call(spciMsgSend, spciPair(1, 2), 0, 4, 0)
	p.want("send to a dead VM", uint64(spciSuccess))
	r.advance(20)
	p.refuses("run", a, errorRegs(-2)...)
	p.refuses("run of the sibling that waited for a message", b, errorRegs(-2)...)
}

func TestCallOfAVCPUThatNobodyRunsIsAMistakeOfTheMachine(t *testing.T) {
	_, _, _, a, _ := newPair(t)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	a.call(spciYield)
}
