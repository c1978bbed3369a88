package kvmarm

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// The vector of a synchronous exception that reports its syndrome.
var reportAbort = []uint32{
	0xd5385201, // mrs x1, esr_el1
	0xd5386002, // mrs x2, far_el1
	0xd5384023, // mrs x3, elr_el1
	insnHVC,
}

// wantAbort runs the guest into reportAbort for an access of the first instruction to the hole.
func (g *guest) wantAbort() {
	g.Helper()
	g.check(g.vcpu.SetEvents(Events{ExtAbortPending: true}))
	g.runToCall(callBase + 1)
	g.want("class of the exception", g.get(RegX(1))>>26, 0x25)     // data abort, same EL
	g.want("fault status", g.get(RegX(1))&0x3f, 0x10)              // synchronous external abort
	g.want("FAR", g.get(RegX(2)), hole)                            //
	g.want("ELR, the instruction itself", g.get(RegX(3)), ramBase) //
}

func TestPairLoadWithoutSlotExitsWithoutSyndromeAndCanBeAborted(t *testing.T) {
	g := newGuest(t,
		0xa9400c22, // ldp x2, x3, [x1]
		insnHVC,
	)
	g.vector(vectorSync, reportAbort...)
	g.check(g.vm.EnableCap(CapARMNISVToUser))
	g.set(RegX(1), hole)
	g.run(ExitARMNISV)
	_, ipa := g.vcpu.NISV()
	g.want("IPA", ipa, hole)
	g.want("PC", g.get(RegPC), ramBase)
	g.wantAbort()
}

func TestPairLoadWithoutSlotFailsTheRunUnlessTheCapabilityIsOn(t *testing.T) {
	g := newGuest(t, 0xa9400c22) // ldp x2, x3, [x1]
	g.set(RegX(1), hole)
	if err := g.vcpu.Run(); !errors.Is(err, unix.ENOSYS) {
		t.Errorf("error is %v, want ENOSYS", err)
	}
}

func TestAbortedMMIOIsNotCompleted(t *testing.T) {
	g := newGuest(t, loadAndStore...)
	g.vector(vectorSync, reportAbort...)
	g.set(RegX(1), hole)
	g.run(ExitMMIO)
	g.wantAbort()
}

func TestSErrorReadsBackAsPending(t *testing.T) {
	g := newGuest(t)
	g.check(g.vcpu.SetEvents(Events{SErrorPending: true}))
	e, err := g.vcpu.Events()
	g.check(err)
	if !e.SErrorPending || e.ExtAbortPending {
		t.Errorf("events are %+v", e)
	}
}
