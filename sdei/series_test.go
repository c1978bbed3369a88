package sdei

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// The earlier implementation of SDEI for KVM guests, the kernel series of May 2022, left out or got wrong
// fourteen things. Each of them is a test here.

func TestSeries01SharedEventsExist(t *testing.T) {
	r := newRig(t, 2)
	r.want(1, 0, EventGetInfo, evShared, infoType)
	r.enable(0, evShared)
	r.want(result(registered|enabled), 1, EventStatus, evShared)
	r.raise(evShared, 1)
	r.takes(0, evShared)
}

func TestSeries02CriticalEventsInterruptHandlers(t *testing.T) {
	r := newRig(t, 1)
	r.want(1, 0, EventGetInfo, evPrivateCritical, infoPriority)
	r.enable(0, evPrivateCritical)
	r.run(0)
	r.raise(evPrivateCritical, 0)
	r.takes(0, evPrivateCritical)
}

func TestSeries03BindReleaseAndRoutingSetAreServed(t *testing.T) {
	r := newRig(t, 2)
	n := r.call(0, InterruptBind, spi)
	if uint32(n) != sharedSlotEvents {
		t.Fatalf("bind returned %#x", n)
	}
	r.want(success, 0, EventRegister, uint64(n), handlers, 0, 0, 0)
	r.want(success, 0, EventRoutingSet, uint64(n), routeToPE, 1)
	r.want(success, 0, EventUnregister, uint64(n))
	r.want(success, 0, InterruptRelease, uint64(n))
}

func TestSeries04RelativeHandlersAreOffsetsFromVBAR(t *testing.T) {
	r := newRig(t, 1)
	r.want(1, 0, Features, featureRelativeMode)
	r.want(success, 0, EventRegister, 0, 0x780, 0, flagRelative, 0)
	r.want(success, 0, EventEnable, 0)
	r.want(success, 0, PEUnmask)
	r.want(success, 0, EventSignal, 0, 0)
	r.guests[0].reg[VBAR] += 0x1000 // it counts when the event comes
	r.takes(0, 0)
	if pc := r.guests[0].reg[PC]; pc != vbar+0x1000+0x780 {
		t.Errorf("pc = %#x", pc)
	}
}

func TestSeries05Event0CanBeSignalledAndTheInfoIsZero(t *testing.T) {
	r := newRig(t, 1)
	r.want(0, 0, EventGetInfo, 0, infoSignaled)
	r.want(1, 0, EventGetInfo, evShared, infoSignaled)
	r.want(1, 0, EventGetInfo, evPrivate, infoSignaled)
}

func TestSeries06PEMaskTellsWhetherItMasked(t *testing.T) {
	r := newRig(t, 1)
	r.want(0, 0, PEMask)
	r.want(success, 0, PEUnmask)
	r.want(success, 0, PEUnmask)
	r.want(1, 0, PEMask)
	r.want(0, 0, PEMask)
}

func TestSeries07SignalGoesToTheTargetAndNeedsNoRegistration(t *testing.T) {
	r := newRig(t, 2)
	r.want(success, 0, EventSignal, 0, 1)
	r.enable(1, 0)
	r.quiet(1)
	r.want(success, 0, EventSignal, 0, 1)
	r.quiet(0)
	r.takes(1, 0)
	r.want(invalid, 0, EventSignal, 0, 2)
}

func TestSeries08CompleteWithNothingRunningIsDenied(t *testing.T) {
	r := newRig(t, 1)
	r.want(denied, 0, EventComplete, 0)
	r.want(denied, 0, EventCompleteResume, pcStart)
}

func TestSeries09PendingEventIsTakenRightAfterCompletion(t *testing.T) {
	for _, fn := range []hypercall.FuncID{EventComplete, EventCompleteResume} {
		r := newRig(t, 1)
		r.run(0)
		r.want(success, 0, EventSignal, 0, 0)
		r.quiet(0)
		r.call(0, fn, 0)
		r.takes(0, 0)
	}
}

func TestSeries10UnregisterAndResetsDropWhatIsPending(t *testing.T) {
	for _, c := range []struct {
		event uint64
		fn    hypercall.FuncID
	}{{0, EventUnregister}, {0, PrivateReset}, {evShared, EventUnregister}, {evShared, SharedReset}} {
		r := newRig(t, 1)
		r.enable(0, c.event)
		r.want(1, 0, PEMask)
		if c.event == 0 {
			r.want(success, 0, EventSignal, 0, 0)
		} else {
			r.raise(evShared, 0)
		}
		r.want(success, 0, c.fn, c.event)
		r.enable(0, c.event)
		r.quiet(0)
	}
}

func TestSeries11PrivateResetWhileAHandlerRunsIsDenied(t *testing.T) {
	r := newRig(t, 1)
	r.enable(0, evPrivate)
	r.run(0)
	r.want(denied, 0, PrivateReset)
	r.want(result(running), 0, EventStatus, 0)
	r.want(0, 0, EventStatus, evPrivate)
	r.call(0, EventComplete, 0)
	r.want(0, 0, EventStatus, 0)
}

func TestSeries12InterruptedRegistersAndPSTATEAreKept(t *testing.T) {
	r := newRig(t, 1)
	r.enable(0, 0)
	r.want(1, 0, PEMask)
	r.want(success, 0, EventSignal, 0, 0)
	r.want(success, 0, PEUnmask)
	g := r.guests[0]
	for n := 1; n < len(g.x); n++ {
		g.x[n] = 0x77 << n
	}
	was := g.x
	g.reg[SCTLR] = 0 // SPAN is 0: PAN is set
	g.reg[PSTATE] = 0xF<<28 | 1<<25 | 1<<24 | 1<<23 | 1<<21 | 1<<20 | 1<<12 | 3<<10
	r.takes(0, 0)
	want := was
	want[0], want[1], want[2], want[3] = 0, argumentOf(0), pcStart, 0xF<<28|1<<25|1<<24|1<<23|1<<21|1<<20|1<<12|3<<10
	if g.x != want {
		t.Errorf("registers\n%x, want\n%x", g.x, want)
	}
	if p := g.reg[PSTATE]; p != 0xF<<28|1<<24|1<<22|0x3C5 {
		t.Errorf("pstate = %#x", p)
	}
	for n := range uint64(hypercall.NumRegs) {
		r.want(result(was[n]), 0, EventContext, n)
	}
}

func TestSeries13PowerOffMasksAndForgets(t *testing.T) {
	r := newRig(t, 2)
	r.enable(1, evPrivate)
	r.run(1)
	r.raise(evPrivate, 1)
	r.Off(&r.guests[1].VCPU)
	r.quiet(1)
	r.want(0, 1, PEMask)
	r.want(0, 1, EventStatus, 0)
	r.want(0, 1, EventStatus, evPrivate)
	r.want(denied, 1, EventComplete, 0)
	r.enable(1, evPrivate)
	r.quiet(1)
}

func TestSeries14PendingEventThatIsNeverEnabledCostsNothing(t *testing.T) {
	r := newRig(t, 1)
	r.want(success, 0, EventRegister, 0, handlers, 0, 0, 0)
	r.want(success, 0, EventSignal, 0, 0)
	r.want(success, 0, PEUnmask)
	if r.Waiting(&r.guests[0].VCPU) {
		t.Error("the vCPU is asked to deliver what is not enabled")
	}
	r.quiet(0)
	r.want(success, 0, EventEnable, 0)
	r.takes(0, 0)
}
