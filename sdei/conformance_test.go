package sdei

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

const high = 0xFFFF_FFFF_0000_0000 // rubbish in the upper half of a 32-bit argument

func TestArgumentsAreChecked(t *testing.T) {
	const ep = handlers
	for _, c := range []struct {
		rule string
		fn   hypercall.FuncID
		args []uint64
		want result
	}{
		{"version is 1.1", Version, nil, 0x0001_0001_6866_766D},
		{"first call that does not exist", SharedReset + 1, nil, notSupported},
		{"last call of the range", Version + rangeSize - 1, nil, notSupported},

		{"register event -1", EventRegister, []uint64{^uint64(0), ep}, invalid},
		{"register event of Arm", EventRegister, []uint64{1, ep}, invalid},
		{"register reserved number", EventRegister, []uint64{0x0100_0000, ep}, invalid},
		{"register last number before the vendors", EventRegister, []uint64{0x3FFF_FFFF, ep}, invalid},
		{"register unknown event of a vendor", EventRegister, []uint64{0x4100_0000, ep}, invalid},
		{"register number with bit 31", EventRegister, []uint64{0x8000_0000, ep}, invalid},
		{"register slot that is not bound", EventRegister, []uint64{uint64(sharedSlotEvents), ep}, invalid},
		{"register looks at 32 bits", EventRegister, []uint64{high, ep, 0, 0, 0}, success},
		{"register at an odd address", EventRegister, []uint64{0, ep + 2, 0, 0, 0}, invalid},
		{"register with flag 2", EventRegister, []uint64{0, ep, 0, 1 << 2, 0}, invalid},
		{"register with flag 63", EventRegister, []uint64{0, ep, 0, 1 << 63, 0}, invalid},
		{"register private with routing", EventRegister, []uint64{0, ep, 0, flagRouteToPE, 77}, success},
		{"register shared for a PE", EventRegister, []uint64{evShared, ep, 0, flagRouteToPE, 1}, success},
		{"register shared for a raw MPIDR", EventRegister, []uint64{evShared, ep, 0, flagRouteToPE, 0x8100_0001}, success},
		{"register shared for nobody", EventRegister, []uint64{evShared, ep, 0, flagRouteToPE, 2}, invalid},
		{"register shared for bits 63:40", EventRegister, []uint64{evShared, ep, 0, flagRouteToPE, 1 << 40}, invalid},
		{"register shared for any, affinity ignored", EventRegister, []uint64{evShared, ep, 0, 0, 1 << 40}, success},

		{"enable unknown", EventEnable, []uint64{2}, invalid},
		{"disable unknown", EventDisable, []uint64{2}, invalid},
		{"unregister unknown", EventUnregister, []uint64{2}, invalid},
		{"status unknown", EventStatus, []uint64{2}, invalid},
		{"status looks at 32 bits", EventStatus, []uint64{high}, 0},
		{"info unknown", EventGetInfo, []uint64{2, 0}, invalid},
		{"info 5", EventGetInfo, []uint64{0, 5}, invalid},
		{"info 5 of a shared one", EventGetInfo, []uint64{evShared, 5}, invalid},
		{"info looks at 32 bits", EventGetInfo, []uint64{high, high}, 0},
		{"routing of a private one", EventRoutingSet, []uint64{0, 0, 0}, invalid},
		{"routing unknown", EventRoutingSet, []uint64{2, 0, 0}, invalid},
		{"routing mode 2", EventRoutingSet, []uint64{evShared, 2, 0}, invalid},
		{"routing mode of 64 bits", EventRoutingSet, []uint64{evShared, 1 << 32, 0}, invalid},
		{"routing to nobody", EventRoutingSet, []uint64{evShared, routeToPE, 2}, invalid},
		{"routing of what is not registered", EventRoutingSet, []uint64{evShared, 0, 0}, denied},

		{"context 17 with nothing running", EventContext, []uint64{17}, denied},
		{"context 18", EventContext, []uint64{18}, invalid},
		{"context looks at 32 bits", EventContext, []uint64{high | 3}, denied},

		{"signal of event 1", EventSignal, []uint64{1, 0}, invalid},
		{"signal of a vendor's event", EventSignal, []uint64{evPrivate, 0}, invalid},
		{"signal looks at 32 bits of the event", EventSignal, []uint64{high, 1}, success},
		{"signal to a raw MPIDR", EventSignal, []uint64{0, 0x8100_0001}, success},
		{"signal to nobody", EventSignal, []uint64{0, 0x100}, invalid},
		{"signal with bits 63:40", EventSignal, []uint64{0, 1 << 40}, invalid},

		{"features 0 are slots", Features, []uint64{0}, SharedSlots<<16 | PrivateSlots},
		{"features 1 is relative mode", Features, []uint64{high | 1}, 1},
		{"features 2", Features, []uint64{2}, invalid},
		{"features -1", Features, []uint64{^uint64(0)}, invalid},

		{"bind an SGI", InterruptBind, []uint64{15}, invalid},
		{"bind a PPI that is not ours", InterruptBind, []uint64{17}, invalid},
		{"bind an SPI that is not ours", InterruptBind, []uint64{100}, invalid},
		{"bind a special INTID", InterruptBind, []uint64{1020}, invalid},
		{"bind an LPI", InterruptBind, []uint64{8192}, invalid},
		{"bind INTID -1", InterruptBind, []uint64{^uint64(0)}, invalid},
		{"bind one in use", InterruptBind, []uint64{activeSPI}, denied},
		{"bind looks at 32 bits", InterruptBind, []uint64{high | spi}, result(sharedSlotEvents)},
		{"release what is not bound", InterruptRelease, []uint64{uint64(sharedSlotEvents)}, invalid},
		{"release event 0", InterruptRelease, []uint64{0}, invalid},
		{"release a vendor's event", InterruptRelease, []uint64{evShared}, invalid},
	} {
		t.Run(c.rule, func(t *testing.T) { newRig(t, 2).want(c.want, 0, c.fn, c.args...) })
	}
}

func TestPSTATEOfAHandlerIsThatOfAnException(t *testing.T) {
	const sp, dssbs = uint64(sctlrSPAN), uint64(sctlrDSSBS)
	for _, c := range []struct {
		rule               string
		pstate, sctlr, got uint64
	}{
		{"from EL0", 0, sp, 0x3C5},
		{"from EL1t", 4, sp, 0x3C5},
		{"from EL1h with interrupts", 5, sp, 0x3C5},
		{"from AArch32 EL0", 0x10 | 1<<5 | 3<<25, sp, 0x3C5},
		{"NZCV stays", 0xA000_0000, sp, 0xA000_03C5},
		{"DIT stays", 1 << 24, sp, 1<<24 | 0x3C5},
		{"PAN stays", 1 << 22, sp, 1<<22 | 0x3C5},
		{"PAN is set unless SPAN", 0, 0, 1<<22 | 0x3C5},
		{"SSBS comes from DSSBS", 0, sp | dssbs, 1<<12 | 0x3C5},
		{"SSBS goes without DSSBS", 1 << 12, sp, 0x3C5},
		{"UAO goes", 1 << 23, sp, 0x3C5},
		{"SS goes", 1 << 21, sp, 0x3C5},
		{"IL goes", 1 << 20, sp, 0x3C5},
		{"BTYPE goes", 3 << 10, sp, 0x3C5},
		{"TCO goes without MTE", 1 << 25, sp, 0x3C5},
		{"ALLINT goes without NMI", 1 << 13, sp, 0x3C5},
	} {
		if got := exceptionPSTATE(c.pstate, c.sctlr); got != c.got {
			t.Errorf("%s: %#x, want %#x", c.rule, got, c.got)
		}
	}
}

// interrupted brings vCPU 0 into the handler of event 0 and returns what it was interrupted with.
func interrupted(t *testing.T) (r *rig, x [hypercall.NumRegs]uint64) {
	r = newRig(t, 1)
	r.enable(0, 0)
	r.want(success, 0, EventSignal, 0, 0)
	g := r.guests[0]
	for n := range g.x {
		g.x[n] = 0x8000_0000_0000_0000 + uint64(n) // like the largest error
	}
	x = g.x
	r.takes(0, 0)
	return r, x
}

func TestCompleteRestoresWhatWasInterrupted(t *testing.T) {
	r, x := interrupted(t)
	g := r.guests[0]
	for n := range g.x {
		r.want(result(x[n]), 0, EventContext, uint64(n))
	}
	g.reg[PC], g.reg[PSTATE] = 0x1234, 0x3C5
	r.call(0, EventComplete, 1)
	if g.x != x || g.reg != [...]uint64{PC: pcStart, PSTATE: pstateEL, ELR: 0xE1, SPSR: 0x51, SCTLR: sctlrSPAN, VBAR: vbar} {
		t.Errorf("registers\n%x %x, want\n%x", g.x, g.reg, x)
	}
	r.want(denied, 0, EventComplete, 0)
}

func TestCompleteAndResumeLooksLikeAnExceptionFromWhereItWasInterrupted(t *testing.T) {
	r, x := interrupted(t)
	g := r.guests[0]
	r.guests[0].reg[SCTLR] = 0
	r.call(0, EventCompleteResume, vbar+0x480)
	want := [...]uint64{PC: vbar + 0x480, PSTATE: 0x6000_0000 | 1<<22 | 0x3C5, ELR: pcStart, SPSR: pstateEL, SCTLR: 0, VBAR: vbar}
	if g.x != x || g.reg != want {
		t.Errorf("registers\n%x %x, want\n%x %x", g.x, g.reg, x, want)
	}
}

func TestEventRightAfterCompleteAndResumeKeepsELRAndSPSR(t *testing.T) {
	r, x := interrupted(t)
	r.want(success, 0, EventSignal, 0, 0)
	r.call(0, EventCompleteResume, 0x9000)
	r.takes(0, 0)
	g := r.guests[0]
	if g.reg[ELR] != pcStart || g.reg[SPSR] != pstateEL || g.x[2] != 0x9000 {
		t.Errorf("ELR %#x, SPSR %#x, interrupted at %#x", g.reg[ELR], g.reg[SPSR], g.x[2])
	}
	r.call(0, EventComplete, 0)
	if g.x != x || g.reg[PC] != 0x9000 {
		t.Errorf("x = %x, pc = %#x", g.x, g.reg[PC])
	}
}

func TestResultOfTheCallThatUnmaskedIsInTheInterruptedX0(t *testing.T) {
	r := newRig(t, 1)
	r.enable(0, 0)
	r.want(1, 0, PEMask)
	r.want(success, 0, EventSignal, 0, 0)
	r.want(success, 0, PEUnmask)
	r.takes(0, 0)
	r.want(success, 0, EventContext, 0)
	r.want(success, 0, PEUnmask) // inside a handler it changes nothing yet
	r.quiet(0)
}

func TestManySignalsWhileMaskedAreOneEvent(t *testing.T) {
	r := newRig(t, 2)
	r.enable(1, 0)
	r.want(1, 1, PEMask)
	for range 5 {
		r.want(success, 0, EventSignal, 0, 1)
	}
	r.quiet(1)
	r.want(success, 1, PEUnmask)
	r.takes(1, 0)
	r.call(1, EventComplete, 0)
	r.quiet(1)
}

func TestManySignalsWhileRunningAreOneMoreEvent(t *testing.T) {
	r := newRig(t, 2)
	r.run(1)
	for range 5 {
		r.want(success, 0, EventSignal, 0, 1)
	}
	r.quiet(1)
	r.call(1, EventComplete, 0)
	r.takes(1, 0)
	r.call(1, EventComplete, 0)
	r.quiet(1)
}

func TestDisabledEventStaysPending(t *testing.T) {
	r := newRig(t, 1)
	r.enable(0, 0)
	r.want(success, 0, EventDisable, 0)
	r.want(success, 0, EventSignal, 0, 0)
	r.quiet(0)
	r.want(success, 0, EventEnable, 0)
	r.takes(0, 0)
}

func TestDisableInTheHandlerLetsItFinish(t *testing.T) {
	r := newRig(t, 1)
	r.run(0)
	r.want(success, 0, EventDisable, 0)
	r.want(success, 0, EventSignal, 0, 0)
	r.call(0, EventComplete, 0)
	r.quiet(0)
	r.want(result(registered), 0, EventStatus, 0)
	r.want(success, 0, EventEnable, 0)
	r.takes(0, 0)
}

func TestMaskInTheHandlerHoldsAfterIt(t *testing.T) {
	r := newRig(t, 1)
	r.run(0)
	r.want(1, 0, PEMask)
	r.want(success, 0, EventSignal, 0, 0)
	r.call(0, EventComplete, 0)
	r.quiet(0)
	r.want(success, 0, PEUnmask)
	r.takes(0, 0)
}

func TestCriticalInterruptsNormalAndNotTheOtherWayRound(t *testing.T) {
	r := newRig(t, 1)
	r.enable(0, evPrivateCritical)
	r.enable(0, evPrivate)
	r.enable(0, 0)
	g := r.guests[0]
	g.x[7] = 0x700
	r.want(success, 0, EventSignal, 0, 0)
	g.x[7] = 0x700
	r.takes(0, 0)
	g.x[7] = 0x701 // in the handler
	r.raise(evPrivate, 0)
	r.quiet(0) // same priority
	r.raise(evPrivateCritical, 0)
	r.takes(0, evPrivateCritical)
	r.want(0x701, 0, EventContext, 7)
	r.want(7, 0, EventStatus, 0)
	r.want(7, 0, EventStatus, evPrivateCritical)
	r.raise(evPrivateCritical, 0)
	r.quiet(0) // same priority
	r.call(0, EventComplete, 0)
	r.takes(0, evPrivateCritical) // again, before the normal ones
	r.call(0, EventComplete, 0)
	r.quiet(0)
	if g.x[7] != 0x701 || g.reg[PC] != handlerOf(0) {
		t.Errorf("back at %#x with x7 %#x", g.reg[PC], g.x[7])
	}
	r.want(0x700, 0, EventContext, 7)
	r.call(0, EventComplete, 0)
	if g.x[7] != 0x700 {
		t.Errorf("x7 = %#x", g.x[7])
	}
	r.takes(0, evPrivate)
}

func TestCriticalIsTakenBeforeNormal(t *testing.T) {
	r := newRig(t, 1)
	r.enable(0, 0)
	r.enable(0, evPrivateCritical)
	r.want(1, 0, PEMask)
	r.want(success, 0, EventSignal, 0, 0)
	r.raise(evPrivateCritical, 0)
	r.want(success, 0, PEUnmask)
	r.takes(0, evPrivateCritical)
	r.quiet(0)
	r.call(0, EventComplete, 0)
	r.takes(0, 0)
}

func TestSharedEventForAnyIsTakenByOnePE(t *testing.T) {
	r := newRig(t, 3)
	for i := range 3 {
		r.want(success, i, PEUnmask)
	}
	r.enable(0, evShared)
	r.raise(evShared, 2)
	var took int
	for i := range 3 {
		if _, ok := r.deliver(i); ok {
			took++
		}
	}
	if took != 1 {
		t.Errorf("%d PEs took it", took)
	}
	r.raise(evShared, 0) // one instance at a time
	for i := range 3 {
		r.quiet(i)
	}
}

func TestSharedEventMovesOnWhenThePEThatWasAlertedMasks(t *testing.T) {
	r := newRig(t, 2)
	r.want(success, 1, PEUnmask)
	r.enable(0, evShared)
	r.raise(evShared, 0)
	if r.guests[0].kicks != 1 || r.guests[1].kicks != 0 {
		t.Fatalf("kicks %d, %d", r.guests[0].kicks, r.guests[1].kicks)
	}
	r.want(1, 0, PEMask)
	if r.guests[1].kicks != 1 {
		t.Fatalf("the other PE was not kicked")
	}
	r.quiet(0)
	r.takes(1, evShared)
}

func TestSharedEventMovesOnWhenThePEIsSwitchedOff(t *testing.T) {
	r := newRig(t, 2)
	r.want(success, 1, PEUnmask)
	r.enable(0, evShared)
	r.raise(evShared, 0)
	r.Off(&r.guests[0].VCPU)
	r.takes(1, evShared)
}

func TestSharedEventMovesOnWhenThePETakesAnother(t *testing.T) {
	r := newRig(t, 2)
	r.want(success, 1, PEUnmask)
	r.enable(0, evShared)
	r.enable(0, 0)
	r.raise(evShared, 0)
	r.want(success, 1, EventSignal, 0, 0)
	r.takes(0, 0) // the lower number first
	r.takes(1, evShared)
}

func TestPEsAreNamedByTheirAffinity(t *testing.T) {
	for _, tt := range []struct {
		indexed         bool
		affinity, other uint64 // of vCPU 16, and what would be it
	}{{false, 0x100, 0x10}, {true, 0x10, 0x100}} {
		r := &rig{t: t}
		r.build(t, 17, tt.indexed)
		r.enable(16, 0)
		r.want(success, 0, EventSignal, 0, 0x8000_0000|tt.affinity)
		r.takes(16, 0)
		r.want(invalid, 0, EventSignal, 0, tt.other)
		r.want(invalid, 0, EventSignal, 0, 1<<32|tt.affinity)
		r.want(invalid, 0, EventSignal, 0, 17)
		r.want(success, 0, EventRegister, evShared, handlers, 0, flagRouteToPE, tt.affinity)
		r.want(result(tt.affinity), 0, EventGetInfo, evShared, infoRoutingAffinity)
	}
}

func TestSharedEventForAPEWaitsForIt(t *testing.T) {
	r := newRig(t, 2)
	r.want(success, 0, PEUnmask)
	r.want(success, 0, EventRegister, evShared, handlers, 0, flagRouteToPE, 1)
	r.want(1, 0, EventGetInfo, evShared, infoRoutingMode)
	r.want(1, 0, EventGetInfo, evShared, infoRoutingAffinity)
	r.want(success, 0, EventEnable, evShared)
	r.want(denied, 0, EventRoutingSet, evShared, routeAny, 0)
	r.raise(evShared, 0)
	r.quiet(0)
	r.quiet(1)
	r.want(success, 1, PEUnmask)
	r.takes(1, evShared)
}

func TestSharedEventIsReroutedWhileRegisteredOnly(t *testing.T) {
	r := newRig(t, 2)
	r.want(success, 0, PEUnmask)
	r.want(success, 1, PEUnmask)
	r.want(success, 0, EventRegister, evShared, handlers, 0, 0, 0)
	r.raise(evShared, 0)
	r.want(success, 0, EventRoutingSet, evShared, routeToPE, 1)
	r.want(success, 0, EventEnable, evShared)
	r.quiet(0)
	r.takes(1, evShared)
}

func TestInterruptsAreBoundToSlots(t *testing.T) {
	r := newRig(t, 2)
	r.want(result(privateSlotEvents), 0, InterruptBind, ppi)
	r.want(result(privateSlotEvents), 1, InterruptBind, ppi)
	r.want(result(privateSlotEvents)+1, 0, InterruptBind, ppi2)
	r.want(outOfResource, 0, InterruptBind, 22)
	for i := range SharedSlots {
		r.want(result(sharedSlotEvents)+result(i), 0, InterruptBind, uint64(spi+i))
	}
	r.want(outOfResource, 0, InterruptBind, spi+SharedSlots)
	r.want(success, 0, InterruptRelease, uint64(sharedSlotEvents))
	r.want(invalid, 0, InterruptRelease, uint64(sharedSlotEvents))
	r.want(result(sharedSlotEvents), 0, InterruptBind, spi+SharedSlots)
	if len(r.given) != 1 || r.given[0] != spi {
		t.Errorf("given back: %v", r.given)
	}
}

func TestBoundInterruptIsTakenAgainWhileItsLevelIsHigh(t *testing.T) {
	r := newRig(t, 2)
	r.want(result(sharedSlotEvents), 0, InterruptBind, spi)
	r.Interrupt(spi, 0, true)
	r.enable(0, uint64(sharedSlotEvents)) // the level counts, not the moment
	r.takes(0, uint64(sharedSlotEvents))
	r.call(0, EventComplete, 0)
	r.takes(0, uint64(sharedSlotEvents))
	r.Interrupt(spi, 0, false)
	r.call(0, EventComplete, 0)
	r.quiet(0)
	r.Interrupt(spi+1, 0, true) // nobody bound it
	r.quiet(0)
}

func TestBoundPPIIsThatOfItsPE(t *testing.T) {
	r := newRig(t, 2)
	r.want(result(privateSlotEvents), 0, InterruptBind, ppi)
	r.enable(0, uint64(privateSlotEvents))
	r.enable(1, uint64(privateSlotEvents))
	r.Interrupt(ppi, 1, true)
	r.quiet(0)
	r.takes(1, uint64(privateSlotEvents))
	r.want(denied, 0, InterruptRelease, uint64(privateSlotEvents))
	r.want(success, 0, EventUnregister, uint64(privateSlotEvents))
	r.want(denied, 0, InterruptRelease, uint64(privateSlotEvents))
	r.want(denied, 0, SharedReset) // a binding that is still registered
}

func TestPrivateResetLeavesSharedEventsAndSharedResetPrivateOnes(t *testing.T) {
	r := newRig(t, 1)
	r.enable(0, evShared)
	r.enable(0, evPrivate)
	r.want(success, 0, PrivateReset)
	r.want(result(registered|enabled), 0, EventStatus, evShared)
	r.enable(0, evPrivate)
	r.want(success, 0, SharedReset)
	r.want(0, 0, EventStatus, evShared)
	r.want(result(registered|enabled), 0, EventStatus, evPrivate)
}

func TestSharedResetReleasesInterrupts(t *testing.T) {
	r := newRig(t, 1)
	r.want(result(sharedSlotEvents), 0, InterruptBind, spi)
	r.want(result(privateSlotEvents), 0, InterruptBind, ppi)
	r.enable(0, uint64(sharedSlotEvents))
	r.want(success, 0, SharedReset)
	r.want(invalid, 0, EventStatus, uint64(sharedSlotEvents))
	r.want(invalid, 0, EventStatus, uint64(privateSlotEvents))
	if len(r.given) != 2 {
		t.Errorf("given back: %v", r.given)
	}
}

// As in TF-A's dispatcher: shared events are unregistered, bound or not; nothing is released while a handler of one
// runs.
func TestSharedResetWhileASharedHandlerRunsReleasesNoInterrupt(t *testing.T) {
	r := newRig(t, 2)
	r.want(result(sharedSlotEvents), 0, InterruptBind, spi)
	r.want(result(privateSlotEvents), 0, InterruptBind, ppi)
	r.enable(0, uint64(sharedSlotEvents))
	r.enable(0, evShared)
	r.raise(evShared, 0)
	r.takes(0, evShared)
	r.want(denied, 1, SharedReset)
	r.want(result(running), 1, EventStatus, evShared)
	r.want(0, 1, EventStatus, uint64(sharedSlotEvents)) // unregistered, still bound
	r.want(0, 1, EventStatus, uint64(privateSlotEvents))
	r.want(denied, 1, SharedReset)
	if len(r.given) != 0 {
		t.Errorf("given back: %v", r.given)
	}
	r.call(0, EventComplete, 0)
	r.want(success, 1, SharedReset)
	if len(r.given) != 2 {
		t.Errorf("given back: %v", r.given)
	}
}

// A private handler keeps its own binding alone.
func TestSharedResetReleasesAllInterruptsButThoseWithPrivateHandlers(t *testing.T) {
	r := newRig(t, 2)
	r.want(result(sharedSlotEvents), 0, InterruptBind, spi)
	r.want(result(privateSlotEvents), 0, InterruptBind, ppi)
	r.want(result(privateSlotEvents+1), 0, InterruptBind, ppi2)
	r.enable(0, uint64(sharedSlotEvents))
	r.enable(1, uint64(privateSlotEvents))
	r.want(denied, 0, SharedReset)
	r.want(invalid, 0, EventStatus, uint64(sharedSlotEvents))
	r.want(invalid, 0, EventStatus, uint64(privateSlotEvents+1))
	r.want(result(registered|enabled), 1, EventStatus, uint64(privateSlotEvents))
	r.want(success, 1, PrivateReset)
	r.want(success, 0, SharedReset)
	r.want(invalid, 0, EventStatus, uint64(privateSlotEvents))
}

func TestPowerOffInAHandlerCompletesIt(t *testing.T) {
	r := newRig(t, 2)
	r.enable(0, evSharedCritical)
	r.run(0)
	r.raise(evSharedCritical, 0)
	r.takes(0, evSharedCritical)
	r.Off(&r.guests[0].VCPU)
	r.want(result(registered|enabled), 1, EventStatus, evSharedCritical)
	r.want(success, 1, EventSignal, 0, 0) // to a PE that is off
	r.quiet(0)
	r.want(success, 1, PEUnmask)
	r.raise(evSharedCritical, 0)
	r.takes(1, evSharedCritical)

	r.want(0, 0, PEMask) // the PE after CPU_ON
	r.want(0, 0, EventStatus, 0)
	r.run(0)
	r.call(0, EventComplete, 0)
}

func TestSignalKicksTheTargetOnce(t *testing.T) {
	r := newRig(t, 2)
	r.enable(1, 0)
	r.leaves = true
	_, out := r.callOut(0, EventSignal, 0, 1)
	if out.Action != hypercall.Leave || r.guests[1].kicks != 1 || r.guests[0].kicks != 0 {
		t.Errorf("outcome %+v, kicks %d, %d", out, r.guests[0].kicks, r.guests[1].kicks)
	}
	if _, out := r.callOut(0, EventSignal, 0, 1); out.Action != hypercall.Return || r.guests[1].kicks != 1 {
		t.Errorf("second signal: outcome %+v, %d kicks", out, r.guests[1].kicks)
	}
	if _, out := r.callOut(1, EventSignal, 0, 1); out.Action != hypercall.Return || r.guests[1].kicks != 1 {
		t.Errorf("signal to itself: outcome %+v, %d kicks", out, r.guests[1].kicks)
	}
}

// The call of a PE that several shared events move away from kicks several others; only the first kick
// may take the pCPU from the caller.
func TestOneCallMovesTheCallerOnce(t *testing.T) {
	r := newRig(t, 3)
	r.enable(0, evShared)
	r.enable(0, evSharedCritical)
	r.want(success, 1, PEUnmask)
	r.want(success, 2, PEUnmask)
	r.want(success, 0, EventDisable, evShared)
	r.want(success, 0, EventUnregister, evShared)
	r.want(success, 0, EventRegister, evShared, handlers, 0, flagRouteToPE, 2)
	r.want(1, 0, PEMask)
	r.want(1, 1, PEMask)
	r.raise(evShared, 0)
	r.raise(evSharedCritical, 0)
	r.leaves = true
	r.want(success, 0, EventEnable, evShared)
	if r.left > 1 {
		t.Errorf("moved %d times", r.left)
	}
}

func TestRaiseRefusesWhatIsNotTheMachines(t *testing.T) {
	r := newRig(t, 1)
	r.want(result(sharedSlotEvents), 0, InterruptBind, spi)
	for _, c := range []struct {
		number uint32
		index  int
	}{{2, 0}, {sharedSlotEvents, 0}, {privateSlotEvents, 0}, {evPrivate, 1}, {evPrivate, -1}} {
		if r.Raise(c.number, c.index) == nil {
			t.Errorf("event %#x raised on vCPU %d", c.number, c.index)
		}
	}
}

func TestWithoutInterruptsThereAreNoSlots(t *testing.T) {
	r := newRig(t, 1)
	d, err := New(Config{VCPUs: []*hypercall.VCPU{&r.guests[0].VCPU}, Machine: r})
	if err != nil {
		t.Fatal(err)
	}
	r.Dispatcher = d
	r.want(0, 0, Features, featureBindSlots)
	r.want(invalid, 0, InterruptBind, spi)
	r.want(success, 0, SharedReset)
}

func TestNewRefusesVMsThatCannotBe(t *testing.T) {
	r := newRig(t, 2)
	one := []*hypercall.VCPU{&r.guests[0].VCPU}
	for what, cfg := range map[string]Config{
		"no vCPU":            {Machine: r},
		"vCPU 1 first":       {Machine: r, VCPUs: []*hypercall.VCPU{&r.guests[1].VCPU}},
		"no machine":         {VCPUs: one},
		"event 0 twice":      {VCPUs: one, Machine: r, Events: []Event{{Number: 0}}},
		"an event twice":     {VCPUs: one, Machine: r, Events: []Event{{Number: evShared}, {Number: evShared}}},
		"a slot's event":     {VCPUs: one, Machine: r, Events: []Event{{Number: sharedSlotEvents}}},
		"no event number":    {VCPUs: one, Machine: r, Events: []Event{{Number: 1 << 31}}},
		"too many vCPUs":     {VCPUs: make([]*hypercall.VCPU, MaxVCPUs+1), Machine: r},
		"a number with gaps": {VCPUs: one, Machine: r, Events: []Event{{Number: 0x4100_0000}}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

func TestDeliveryAndCallsAllocateNothing(t *testing.T) {
	r := newRig(t, 2)
	r.enable(0, 0)
	signal, complete := []uint64{0, 0}, []uint64{0}
	if n := testing.AllocsPerRun(100, func() {
		r.callOut(0, EventSignal, signal...)
		r.deliver(0)
		r.callOut(0, EventComplete, complete...)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
