package sdei

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/hypercall/randomtest"
)

func TestNumbersOfSMC32AreNobodys(t *testing.T) {
	r := newRig(t, 1)
	table, err := hypercall.NewTable(r.Dispatcher)
	if err != nil {
		t.Fatal(err)
	}
	g := r.guests[0]
	for fn := Version &^ hypercall.SMC64; fn < Version&^hypercall.SMC64+rangeSize; fn++ {
		for _, conduit := range []hypercall.Conduit{hypercall.HVC, hypercall.SMC} {
			g.x[0] = uint64(fn)
			g.Regs.Forget()
			out := table.Dispatch(&g.VCPU, fn, conduit)
			g.Regs.Flush()
			if out != (hypercall.Outcome{}) || g.x[0] != hypercall.NotSupported {
				t.Errorf("%#x: x0 = %#x, outcome %+v", fn, g.x[0], out)
			}
		}
	}
}

func TestBothConduitsServeEveryCall(t *testing.T) {
	for fn := Version; fn <= SharedReset; fn++ {
		var got [2]result
		for i, conduit := range []hypercall.Conduit{hypercall.HVC, hypercall.SMC} {
			g := newRig(t, 1)
			v := g.guests[0]
			v.x = [hypercall.NumRegs]uint64{uint64(fn)}
			v.Regs.Forget()
			g.Call(&v.VCPU, fn, conduit)
			v.Regs.Flush()
			got[i] = result(v.x[0])
		}
		if got[0] != got[1] || got[0] == notSupported {
			t.Errorf("%#x returns %d by HVC, %d by SMC", fn, got[0], got[1])
		}
	}
}

func TestEveryFlagOfRegisterThatIsNotKnownIsRefused(t *testing.T) {
	for bit := 2; bit < 64; bit++ {
		for _, n := range []uint64{0, evShared} {
			r := newRig(t, 1)
			r.want(invalid, 0, EventRegister, n, handlers, 0, 1<<bit, 0)
			r.want(0, 0, EventStatus, n)
		}
	}
}

func TestEveryPEIsMaskedAtFirst(t *testing.T) {
	r := newRig(t, 8)
	for i := range 8 {
		r.want(0, i, PEMask)
	}
}

// What must answer whatever the state of events: DEN0054C §5.1, the calls without a handler.
func TestSomeCallsAnswerInEveryStateOfAnEvent(t *testing.T) {
	for from, way := range waysInto {
		r := newRig(t, 2)
		way(r, 0, 0)
		r.want(VersionResult, 0, Version)
		r.want(result(from), 0, EventStatus, 0)
		r.want(SharedSlots<<16|PrivateSlots, 0, Features, featureBindSlots)
		r.want(result(sharedSlotEvents), 0, InterruptBind, spi)
		r.want(success, 0, InterruptRelease, uint64(sharedSlotEvents))
		r.want(success, 0, EventSignal, 0, 1)
		r.want(success, 0, SharedReset)
		r.want(success, 0, PEUnmask)
		r.want(1, 0, PEMask)
		want := success
		if from&running != 0 {
			want = denied
		}
		r.want(want, 0, PrivateReset)
	}
}

func TestEventsOfOnePriorityRunOneAfterTheOther(t *testing.T) {
	r := newRig(t, 1)
	r.enable(0, 0)
	r.enable(0, evPrivate)
	r.enable(0, evShared)
	r.want(success, 0, EventSignal, 0, 0)
	r.raise(evPrivate, 0)
	r.raise(evShared, 0)
	seen := map[uint64]bool{}
	for range 3 {
		n, ok := r.deliver(0)
		if !ok || seen[n] {
			t.Fatalf("event %#x (%v) after %v", n, ok, seen)
		}
		seen[n] = true
		r.quiet(0)
		r.call(0, EventComplete, 0)
	}
	r.quiet(0)
}

func TestInnerHandlerCanResumeIntoTheOuterOne(t *testing.T) {
	r := newRig(t, 1)
	r.enable(0, evPrivateCritical)
	r.run(0)
	g := r.guests[0]
	g.reg[PC] += 8 // in the outer handler
	r.raise(evPrivateCritical, 0)
	r.takes(0, evPrivateCritical)
	r.call(0, EventCompleteResume, 0x7000)
	if g.reg[PC] != 0x7000 || g.reg[ELR] != handlerOf(0)+8 {
		t.Errorf("at %#x from %#x", g.reg[PC], g.reg[ELR])
	}
	r.want(result(registered|enabled|running), 0, EventStatus, 0)
	r.call(0, EventComplete, 0)
	if g.reg[PC] != pcStart {
		t.Errorf("the outer handler went back to %#x", g.reg[PC])
	}
}

func TestSignalToAPEThatIsOffReachesNobody(t *testing.T) {
	r := newRig(t, 2)
	r.enable(1, 0)
	r.Off(&r.guests[1].VCPU)
	r.want(success, 0, EventSignal, 0, 1)
	if k := r.guests[1].kicks; k != 0 {
		t.Errorf("it was kicked %d times", k)
	}
	r.quiet(1)
	r.enable(1, 0) // as it begins again
	r.quiet(1)
}

func TestReleaseIsDeniedWhileAnyPEHasAHandler(t *testing.T) {
	r := newRig(t, 2)
	n := uint64(privateSlotEvents)
	r.want(result(n), 0, InterruptBind, ppi)
	r.enable(1, n)
	r.want(denied, 0, InterruptRelease, n)
	r.Interrupt(ppi, 1, true)
	r.takes(1, n)
	r.want(pending, 1, EventUnregister, n)
	r.want(denied, 0, InterruptRelease, n)
	r.Interrupt(ppi, 1, false)
	r.call(1, EventComplete, 0)
	r.want(success, 0, InterruptRelease, n)
	r.want(invalid, 1, EventStatus, n)
	r.Interrupt(ppi, 1, true) // the interrupt controller's again
	r.quiet(1)
}

func TestEdgesWhileTheHandlerRunsAreOneMoreEvent(t *testing.T) {
	r := newRig(t, 1)
	n := uint64(sharedSlotEvents)
	r.want(result(n), 0, InterruptBind, spi)
	r.enable(0, n)
	for range 3 {
		r.Interrupt(spi, 0, true)
		r.Interrupt(spi, 0, false)
	}
	r.takes(0, n)
	for range 3 {
		r.Interrupt(spi, 0, true)
		r.Interrupt(spi, 0, false)
	}
	r.quiet(0)
	r.call(0, EventComplete, 0)
	r.takes(0, n)
	r.call(0, EventComplete, 0)
	r.quiet(0)
}

// The calls of Linux 7.2 as it boots, takes a CPU away and brings it back, and reboots into another kernel.
func TestClientThatBeginsAsLinuxDoesFindsWhatItExpects(t *testing.T) {
	const pes = 3
	r := newRig(t, pes)
	for range 2 { // the second kernel finds what the first left
		r.want(VersionResult, 0, Version)
		for i := range pes {
			r.want(success, i, PrivateReset)
		}
		r.want(success, 0, SharedReset)
		r.want(0, 0, EventGetInfo, 0, infoPriority)
		r.want(0, 0, EventGetInfo, 0, infoType)
		for i := range pes {
			r.want(success, i, EventRegister, 0, handlers, argument+uint64(i), 0, 0)
			r.want(success, i, EventEnable, 0)
			r.want(success, i, PEUnmask)
		}
		r.want(success, 0, EventRegister, evShared, handlers, 0, 0, 0)
		r.want(success, 0, EventEnable, evShared)
		for i := range pes { // all of them show where they are
			r.want(success, 0, EventSignal, 0, 0x8000_0000|hypercall.Affinity(i))
			r.takes(i, 0)
			r.call(i, EventCompleteResume, vbar+0x280)
		}
		for range 100 { // hotplug
			r.want(success, 2, EventUnregister, 0)
			r.want(1, 2, PEMask)
			r.Off(&r.guests[2].VCPU)
			r.want(success, 2, EventRegister, 0, handlers, argument, 0, 0)
			r.want(success, 2, EventEnable, 0)
			r.want(success, 2, PEUnmask)
		}
		r.want(success, 1, EventSignal, 0, 2)
		r.takes(2, 0) // a crash stops this CPU in its handler, for good
		r.want(1, 2, PEMask)
		r.Off(&r.guests[2].VCPU)
		for i := range pes - 1 {
			r.want(success, i, EventUnregister, 0)
			r.want(1, i, PEMask)
		}
		for i := range pes {
			r.want(success, i, PrivateReset)
		}
		r.want(success, 0, SharedReset)
	}
}

// In a handler a PE may ask, switch others on, suspend, and end the machine or itself: DEN0054C §6.5.
func TestPSCIServesInsideAHandler(t *testing.T) {
	r := newRig(t, 2)
	vcpus := []*hypercall.VCPU{&r.guests[0].VCPU, &r.guests[1].VCPU}
	psci, err := hypercall.NewPSCI(vcpus)
	if err != nil {
		t.Fatal(err)
	}
	r.run(0)
	g := r.guests[0]
	call := func(fn hypercall.FuncID, args ...uint64) hypercall.Outcome {
		g.x[0] = uint64(fn)
		copy(g.x[1:], args)
		g.Regs.Forget()
		out := psci.Call(&g.VCPU, fn, hypercall.HVC)
		g.Regs.Flush()
		return out
	}
	for _, c := range []struct {
		fn   hypercall.FuncID
		args []uint64
		want hypercall.Outcome
	}{
		{hypercall.PSCIVersion, nil, hypercall.Outcome{}},
		{hypercall.PSCIFeatures, []uint64{uint64(hypercall.PSCICPUOn)}, hypercall.Outcome{}},
		{hypercall.PSCIAffinityInfo, []uint64{1, 0}, hypercall.Outcome{}},
		{hypercall.PSCICPUOn | hypercall.SMC64, []uint64{1, pcStart, 0}, hypercall.Outcome{Wake: vcpus[1]}},
		{hypercall.PSCICPUSuspend, []uint64{0}, hypercall.Outcome{Action: hypercall.Suspend}},
		{hypercall.PSCISystemOff, nil, hypercall.Outcome{Action: hypercall.Stop, Reason: hypercall.PowerOff}},
		{hypercall.PSCISystemReset, nil, hypercall.Outcome{Action: hypercall.Stop, Reason: hypercall.Reset}},
	} {
		if out := call(c.fn, c.args...); out != c.want {
			t.Errorf("%#x: outcome %+v, want %+v", c.fn, out, c.want)
		}
		r.want(result(registered|enabled|running), 0, EventStatus, 0)
	}
	r.want(1, 0, PEMask) // suspending, which is standby, left it unmasked
	if out := call(hypercall.PSCICPUOff); out.Action != hypercall.Off {
		t.Errorf("CPU_OFF: outcome %+v", out)
	}
	r.Off(&g.VCPU)
	r.want(denied, 0, EventComplete, 0)
	r.want(0, 0, EventStatus, 0)
}

// racer is a machine whose PEs run at the same time.
type racer struct {
	*rig
	kicked []atomic.Int64
}

func (m *racer) Kick(_ *hypercall.VCPU, index int) hypercall.Outcome {
	m.kicked[index].Add(1)
	return hypercall.Outcome{}
}

// What a PE wrote before it signalled is there in the handler: the memory is plain, and the race detector looks on.
func TestHandlerSeesWhatTheSignallerWrote(t *testing.T) {
	const rounds = 2000
	m := &racer{rig: newRig(t, 2), kicked: make([]atomic.Int64, 2)}
	m.machine = m
	m.enable(0, 0)
	m.enable(1, 0)
	var written uint64
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			for n := uint64(0); n < rounds; n++ {
				if i == 1 || n > 0 {
					for {
						if _, ok := m.deliver(i); ok {
							break
						}
						runtime.Gosched()
					}
					if want := 2*n + uint64(i); written != want {
						t.Errorf("PE %d reads %d, want %d", i, written, want)
					}
					m.call(i, EventComplete, 0)
				}
				written++
				m.call(i, EventSignal, 0, uint64(1-i))
			}
		})
	}
	all.Wait()
}

// PEs signal each other, register, unregister and switch themselves off at the same time. No handler ends up
// anywhere but where it began, states stay in the state machine, and in the end nothing that is due is
// forgotten.
func TestRacingSignalsUnregistersAndPowerOffsLoseNothing(t *testing.T) {
	const pes, rounds = 4, 5_000
	m := &racer{rig: newRig(t, pes), kicked: make([]atomic.Int64, pes)}
	m.machine = m
	var delivered atomic.Int64
	var all sync.WaitGroup
	for i := range pes {
		all.Go(func() {
			var s randomtest.Seeded
			s.Seed(uint64(i), rand.Uint64())
			open := false // registered, enabled, unmasked
			for range rounds {
				switch s.Below(16, "") {
				case 0:
					if open {
						m.call(i, EventUnregister, 0)
						open = false
					}
				case 1:
					m.Off(&m.guests[i].VCPU)
					open = false
				case 2:
					m.call(i, PEMask)
					m.call(i, PEUnmask)
				case 3:
					if err := m.Raise(evShared, i); err != nil {
						t.Error(err)
					}
				case 4:
					m.call(i, EventRegister, evShared, handlers, 0, 0, 0)
					m.call(i, EventEnable, evShared)
				case 5:
					m.call(i, EventUnregister, evShared)
				case 6, 7:
					runtime.Gosched()
				default:
					if got := m.call(i, EventSignal, 0, uint64(s.Below(pes, ""))); got != success {
						t.Errorf("signal returned %d", got)
					}
				}
				if !open {
					m.call(i, EventRegister, 0, handlers, 0, 0, 0)
					m.call(i, EventEnable, 0)
					m.call(i, PEUnmask)
					open = true
				}
				for {
					event, ok := m.deliver(i)
					if !ok {
						break
					}
					delivered.Add(1)
					if status := m.call(i, EventStatus, event); status&result(running) == 0 {
						t.Errorf("event %#x runs in state %03b", event, status)
					}
					if m.call(i, EventComplete, 0); m.guests[i].reg[PC] != pcStart {
						t.Errorf("PE %d cannot complete event %#x", i, event)
					}
				}
			}
		})
	}
	all.Wait()
	m.check()
	for quiet := 0; quiet < pes; quiet++ { // one that takes an event may leave another one to a PE before it
		for i := range pes {
			if _, ok := m.deliver(i); ok {
				m.call(i, EventComplete, 0)
				quiet = 0
			}
		}
	}
	for i := range m.events {
		for j := range pes {
			if e := &m.events[i]; e.due(&m.pes[j]) {
				t.Errorf("event %#x is due on PE %d and forgotten", e.number, j)
			}
		}
	}
	if delivered.Load() < rounds/100 {
		t.Errorf("%d events were delivered, too few for a race", delivered.Load())
	}
}
