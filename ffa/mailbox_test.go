package ffa

import (
	"bytes"
	"slices"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

func (g *guest) write(text string) uint64 {
	return uint64(copy(g.rig.page(txOf(int(g.ID.VM))), text))
}

// read checks the message that g's last call returned.
func (g *guest) read(sender int, text string) {
	g.rig.t.Helper()
	g.want("message", uint64(spciMsgSend), spciPair(idOf(sender), idOf(int(g.ID.VM))), any64, uint64(len(text)), 0)
	if got := g.rig.page(rxOf(int(g.ID.VM)))[:len(text)]; string(got) != text {
		g.rig.t.Errorf("message %q, want %q", got, text)
	}
}

func (g *guest) send(to int, text string, attributes uint64) hypercall.Outcome {
	return g.call(spciMsgSend, spciPair(idOf(int(g.ID.VM)), idOf(to)), 0, g.write(text), attributes)
}

func TestMessageOfThePrimaryEndsTheWait(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.blocks(spciMsgWait)
	p.send(1, "hello", 0)
	p.want("send", uint64(spciSuccess))
	r.enter(p, a)
	a.read(0, "hello")
}

func TestMessageThatIsThereDoesNotBlock(t *testing.T) {
	for _, fn := range []hypercall.FuncID{spciMsgWait, spciMsgPoll} {
		r, p, _, a, _ := newPair(t)
		p.send(1, "hello", 0)
		r.enter(p, a)
		if out := a.call(fn); out != (hypercall.Outcome{}) {
			t.Fatalf("outcome %+v", out)
		}
		a.read(0, "hello")
		a.call(spciMsgPoll)
		a.want("the message comes once", errorRegs(-7)...)
	}
}

func TestMessageComesBeforeAnInterrupt(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.call(hfInterruptEnable, 5, 1)
	a.blocks(spciMsgWait)
	p.call(hfInterruptInject, idOf(1), 0, 5)
	p.want("inject", 1)
	p.send(1, "x", 0)
	r.enter(p, a)
	a.read(0, "x")
	if !r.core.IRQLine(&a.VCPU) {
		t.Error("the interrupt was lost")
	}
}

func TestOneOfTwoWaitingVCPUsGetsTheMessage(t *testing.T) {
	r, p, _, a, b := newPair(t)
	r.enter(p, a)
	a.blocks(spciMsgWait)
	r.enter(p, b)
	b.blocks(spciMsgWait)
	p.send(1, "x", 0)
	r.enter(p, b)
	b.read(0, "x")
	p.refuses("run of the other", a, errorRegs(-2)...)
}

func TestMessageToThePrimaryLeavesWithItsSize(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	if out := a.send(0, "reply", 0); out != leaves {
		t.Fatalf("outcome %+v", out)
	}
	p.want("run", uint64(spciMsgSend), spciPair(2, 1), any64, 5)
	if got := r.page(rxOf(0))[:5]; string(got) != "reply" {
		t.Errorf("received %q", got)
	}
	r.enter(p, a)
	a.want("send", uint64(spciSuccess))
	a.send(0, "again", 0)
	a.want("send before the release", errorRegs(-4)...)
	p.call(spciRXRelease)
	p.want("release", uint64(spciSuccess))
	if out := a.send(0, "again", 0); out != leaves {
		t.Errorf("send after the release: %+v, x0 = %#x", out, a.x[0])
	}
}

func TestMessageBetweenSecondariesLeavesWithoutItsSize(t *testing.T) {
	r := newRig(t, 1, 1, 1)
	r.mapped(0, 1, 2)
	p, a, b := r.vms[0][0], r.vms[1][0], r.vms[2][0]
	r.enter(p, b)
	b.blocks(spciMsgWait)
	r.enter(p, a)
	if out := a.send(2, "psst", 0); out != leaves {
		t.Fatalf("outcome %+v", out)
	}
	p.want("run", uint64(spciMsgSend), spciPair(2, 3), any64, 0)
	r.enter(p, b)
	b.read(1, "psst")
	r.preempt(b)
	r.enter(p, a)
	a.want("send", uint64(spciSuccess))
}

func TestReleaseOfAMessageThatWasNotReadIsDenied(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	p.send(1, "x", 0)
	r.enter(p, a)
	a.call(spciRXRelease)
	a.want("release", errorRegs(-6)...)
	a.call(spciMsgPoll)
	a.read(0, "x")
}

func TestMessageOfAWholePageIsCopiedExactly(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	tx, rx := r.page(txOf(0)), r.page(rxOf(1))
	for i := range tx {
		tx[i] = byte(i * 7)
	}
	p.call(spciMsgSend, spciPair(1, 2), 0, 4096, 0)
	if !bytes.Equal(tx, rx) {
		t.Error("the page arrived changed")
	}
	r.enter(p, a)
	a.call(spciMsgPoll)
	a.call(spciRXRelease)
	clear(tx)
	p.call(spciMsgSend, spciPair(1, 2), 0, 10, 0)
	if !slices.Equal(rx[:11], append(make([]byte, 10), 70)) {
		t.Errorf("more than 10 bytes were copied: %v", rx[:12])
	}
}

func TestMessageOfNoBytesIsAMessage(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	p.send(1, "", 0)
	r.enter(p, a)
	a.call(spciMsgWait)
	a.read(0, "")
}

// waiting returns four VMs of which VMs 2 and 3 wait for the mailbox of VM 1, which has a message of
// the primary.
func waiting(t *testing.T) (r *rig, p *guest, vm []*guest) {
	r = newRig(t, 1, 1, 1, 1)
	r.mapped(0, 1, 2, 3)
	p = r.vms[0][0]
	p.send(1, "first", 0)
	p.want("send", uint64(spciSuccess))
	for i := range 4 {
		vm = append(vm, r.vms[i][0])
	}
	for _, i := range []int{3, 2} {
		r.enter(p, vm[i])
		for range 2 {
			if out := vm[i].send(1, "more", spciNotify); out != (hypercall.Outcome{}) {
				t.Fatalf("outcome %+v", out)
			}
			vm[i].want("send", errorRegs(-4)...)
		}
		r.preempt(vm[i])
	}
	return r, p, vm
}

func TestWaitersAreNotifiedOnceEachInOrder(t *testing.T) {
	r, p, vm := waiting(t)
	p.call(hfMailboxWaiterGet, 2)
	p.want("waiter while the mailbox is full", failed)

	r.enter(p, vm[1])
	vm[1].call(spciMsgWait)
	if out := vm[1].call(spciRXRelease); out != leaves {
		t.Fatalf("outcome %+v", out)
	}
	p.want("run", uint64(spciRXRelease))
	for _, id := range []uint64{4, 3, failed} {
		p.call(hfMailboxWaiterGet, 2)
		p.want("waiter", id)
	}
	for _, g := range vm[2:] {
		r.enter(p, g)
		g.call(hfMailboxWritableGet)
		g.want("writable", 2)
		g.call(hfMailboxWritableGet)
		g.want("writable", failed)
		r.preempt(g)
	}
	r.enter(p, vm[1])
	vm[1].want("release", uint64(spciSuccess))
	if out := vm[1].call(spciRXRelease); out != (hypercall.Outcome{}) {
		t.Errorf("release without waiters: outcome %+v", out)
	}
}

func TestFullMailboxKeepsItsWaiters(t *testing.T) {
	r, p, vm := waiting(t)
	r.enter(p, vm[1])
	vm[1].call(spciMsgWait)
	vm[1].call(spciRXRelease)
	p.send(1, "second", 0)
	p.call(hfMailboxWaiterGet, 2)
	p.want("waiter", failed)
	r.enter(p, vm[1])
	vm[1].call(spciMsgWait)
	if out := vm[1].call(spciRXRelease); out != leaves {
		t.Fatalf("outcome %+v", out)
	}
	p.call(hfMailboxWaiterGet, 2)
	p.want("waiter", 4)
}

func TestPrimaryIsToldOfItsOwnWaiters(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	r.enter(p, a)
	a.send(0, "one", 0)
	r.enter(p, a)
	a.send(0, "two", spciNotify)
	a.want("send", errorRegs(-4)...)
	if out := p.call(spciRXRelease); out != (hypercall.Outcome{}) {
		t.Errorf("outcome %+v", out)
	}
	p.want("release", uint64(spciRXRelease))
	p.call(hfMailboxWaiterGet, 1)
	p.want("waiter", 2)
}

func TestPrimaryIsAWaiterLikeOthers(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	p.send(1, "one", 0)
	p.send(1, "two", spciNotify)
	r.enter(p, a)
	a.call(spciMsgWait)
	a.blocks(spciRXRelease)
	p.call(hfMailboxWaiterGet, 2)
	p.want("waiter", 1)
	p.call(hfMailboxWritableGet)
	p.want("writable", 2)
}

func TestSendWithoutNotifyDoesNotWait(t *testing.T) {
	r, p, _, a, _ := newPair(t)
	p.send(1, "one", 0)
	p.send(1, "two", 0)
	r.enter(p, a)
	a.call(spciMsgWait)
	if out := a.call(spciRXRelease); out != (hypercall.Outcome{}) {
		t.Errorf("outcome %+v", out)
	}
}

func TestMapServesThoseWhoWaitedForTheMailboxToExist(t *testing.T) {
	r := newRig(t, 1, 1)
	p, a := r.vms[0][0], r.vms[1][0]
	r.enter(p, a)
	a.call(spciRXTXMap, txOf(1), rxOf(1), 1)
	a.send(0, "early", spciNotify)
	a.want("send", errorRegs(-4)...)
	p.call(hfMailboxWaiterGet, 1)
	p.want("waiter before the mailbox exists", failed)
	p.call(spciRXTXMap, txOf(0), rxOf(0), 1)
	p.want("map by the primary", uint64(spciRXRelease))

	r = newRig(t, 1, 1)
	r.mapped(0)
	p, a = r.vms[0][0], r.vms[1][0]
	p.send(1, "early", spciNotify)
	r.enter(p, a)
	a.blocks(spciRXTXMap, txOf(1), rxOf(1), 1)
	p.want("run", uint64(spciRXRelease))
	r.enter(p, a)
	a.want("map by the secondary", uint64(spciSuccess))
}

func TestVMQueueIsFirstInFirstOutAndHoldsAVMOnce(t *testing.T) {
	var q vmQueue
	for round := range uint16(5) {
		q.push(round) // moves the head on, so that later rounds wrap around
		q.pop()
		for vm := range uint16(MaxPartitions) {
			q.push(vm)
			q.push(vm / 2)
		}
		for vm := range uint16(MaxPartitions) {
			if got, ok := q.pop(); got != vm || !ok {
				t.Fatalf("round %d: got %d, %v, want %d", round, got, ok, vm)
			}
		}
		if vm, ok := q.pop(); ok {
			t.Fatalf("round %d: an empty queue gave %d", round, vm)
		}
	}
}
