package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

func TestLowestPendingInterruptComesFirst(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	for _, intid := range []uint64{63, 1, 40} {
		a.call(hfInterruptEnable, intid, 1)
	}
	for _, intid := range []uint64{40, 63, 2, 1, 1} {
		p.call(hfInterruptInject, idOf(1), 0, intid)
	}
	for _, intid := range []uint64{1, 40, 63, NoINTID} {
		a.call(hfInterruptGet)
		a.want("interrupt", intid)
	}
	a.call(hfInterruptEnable, 2, 1)
	if !r.core.IRQLine(&a.VCPU) {
		t.Error("an interrupt that was pending before it was enabled is lost")
	}
	a.call(hfInterruptEnable, 2, 0)
	if r.core.IRQLine(&a.VCPU) {
		t.Error("a disabled interrupt raises the line")
	}
	a.call(hfInterruptEnable, 2, 0xFF00)
	a.call(hfInterruptGet)
	a.want("interrupt", 2)
}

func TestInjectionTellsThePrimaryToRunTheVCPUOnce(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.call(hfInterruptEnable, 8, 1)
	a.call(hfInterruptEnable, 9, 1)
	a.blocks(spciMsgWait)
	for _, c := range []struct{ intid, want uint64 }{{7, 0}, {8, 1}, {8, 0}, {9, 0}} {
		p.call(hfInterruptInject, idOf(1), 0, c.intid)
		p.want("inject", c.want)
	}
	r.enter(p, a)
	a.want("wait", errorRegs(-5)...)
}

func TestInjectionThatIsNotEnabledDoesNotWake(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.blocks(spciMsgWait)
	p.call(hfInterruptInject, idOf(1), 0, 8)
	p.refuses("run", a, errorRegs(-2)...)
}

func TestInjectionIntoASiblingLeavesToWakeIt(t *testing.T) {
	r, p, q, a, b := newPair(t)
	r.enter(p, b)
	b.call(hfInterruptEnable, 8, 1)
	b.blocks(spciMsgWait)
	r.enter(p, a)
	a.blocks(hfInterruptInject, idOf(1), 1, 8)
	p.want("run", uint64(hfRunWakeUp), spciVCPU(b.ID))
	r.enter(p, a)
	a.want("inject", 0)
	if out := a.call(hfInterruptInject, idOf(1), 1, 8); out != (hypercall.Outcome{}) {
		t.Errorf("injection of what is pending already: %+v", out)
	}
	r.enter(q, b)
	b.want("wait", errorRegs(-5)...)
}

func TestInjectionIntoItselfDoesNotLeave(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.call(hfInterruptEnable, 8, 1)
	if out := a.call(hfInterruptInject, idOf(1), 0, 8); out != (hypercall.Outcome{}) {
		t.Errorf("outcome %+v", out)
	}
	a.want("inject", 0)
	a.call(hfInterruptGet)
	a.want("interrupt", 8)
}

func TestInjectionIntoARunningVCPUShowsAtItsNextEntry(t *testing.T) {
	r, p, q, a, _ := newPair(t)
	r.enter(p, a)
	a.call(hfInterruptEnable, 8, 1)
	q.call(hfInterruptInject, idOf(1), 0, 8)
	q.want("inject: kick it", 1)
	r.preempt(a)
	r.enter(p, a)
	if !r.core.IRQLine(&a.VCPU) {
		t.Error("no interrupt")
	}
}
