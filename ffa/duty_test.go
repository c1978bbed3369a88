package ffa

import (
	"slices"
	"testing"

	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/hypercall"
)

// scene is a rig whose primary is checked: p schedules a and b, vCPUs of VM 1, and c of VM 2, whose
// mailboxes are mapped. Only b is off.
type scene struct {
	*rig
	p, a, b, c *guest

	checker *duty.Checker
	broken  []string // rules, in the order of their breaches
}

func newScene(t tester, aborts bool) *scene {
	s := &scene{rig: newRig(t, 2, 2, 1)}
	s.mapped(0, 1, 2)
	s.p, s.a, s.b, s.c = s.vms[0][0], s.vms[1][0], s.vms[1][1], s.vms[2][0]
	s.checker = duty.New(duty.Config{VCPUs: []int{2, 2, 1}, Aborts: aborts, Report: func(b duty.Breach) {
		s.broken = append(s.broken, b.ID)
	}})
	s.core.observer = s
	return s
}

// Observe implements Observer.
func (s *scene) Observe(e duty.Event) {
	s.mu.Lock()
	e.Time = s.now
	s.mu.Unlock()
	s.checker.Observe(e)
}

// end ends the machine long after whatever the primary left undone.
func (s *scene) end() {
	s.advance(2 * duty.Grace)
	s.checker.End(s.now)
}

// run runs g, which may not run.
func (s *scene) run(g *guest) { s.p.call(spciRun, spciVCPU(g.ID)) }

// rest runs g until it waits for a message, when it is owed nothing.
func (s *scene) rest(g *guest) {
	s.enter(s.p, g)
	g.blocks(spciMsgWait)
}

// aSendsToC lets a send a message to VM 2 and rest.
func (s *scene) aSendsToC() {
	s.enter(s.p, s.a)
	s.a.blocks(spciMsgSend, spciPair(2, 3), 0, 4, 0)
	s.rest(s.a)
}

// aTurnsBOn lets a turn b on.
func (s *scene) aTurnsBOn() {
	s.enter(s.p, s.a)
	s.a.blocks(hypercall.PSCICPUOn|hypercall.SMC64, 1, ramOf(1).Base, 0)
}

// cFreesItsMailbox lets a meet the full mailbox of c, and c release it.
func (s *scene) cFreesItsMailbox() {
	s.p.call(spciMsgSend, spciPair(1, 3), 0, 4, 0)
	s.enter(s.p, s.a)
	if s.a.call(spciMsgSend, spciPair(2, 3), 0, 4, spciNotify); s.a.x[0] != uint64(spciError) {
		s.t.Fatalf("a full mailbox took a message")
	}
	s.a.blocks(spciMsgWait)
	s.enter(s.p, s.c)
	s.c.call(spciMsgPoll)
	s.c.blocks(spciRXRelease)
}

func (s *scene) drain() {
	for s.p.call(hfMailboxWaiterGet, 3); s.p.x[0] != failed; s.p.call(hfMailboxWaiterGet, 3) {
	}
}

func (s *scene) notifyA() { s.p.call(hfInterruptInject, 2, 0, MailboxWritable) }

// abortA lets a abort its VM after b has run and waits.
func (s *scene) abortA() {
	s.aTurnsBOn()
	s.rest(s.b)
	s.enter(s.p, s.a)
	s.core.Abort(&s.a.VCPU)
	s.settle()
}

// Each rule has a scheduler that breaks it, and nothing else, and schedulers that keep it.
var duties = []struct {
	rule   string
	breaks func(s *scene)
	keeps  []func(s *scene)
}{
	{"msg-wait", func(s *scene) { s.rest(s.a); s.run(s.a) }, []func(*scene){
		func(s *scene) { s.rest(s.a); s.p.call(spciMsgSend, spciPair(1, 2), 0, 4, 0); s.rest(s.a) },
		func(s *scene) { s.rest(s.a); s.p.call(hfInterruptInject, 2, 0, 8); s.run(s.a) },
		func(s *scene) { s.a.arm(1_000_000_000); s.rest(s.a); s.advance(1_000_000_000); s.rest(s.a) },
		func(s *scene) { s.rest(s.c); s.aSendsToC(); s.rest(s.c) },
	}},
	{"wait-for-interrupt", func(s *scene) {
		s.a.arm(1_000_000_000)
		s.enter(s.p, s.a)
		s.core.WaitForInterrupt(&s.a.VCPU)
		s.advance(900_000_000)
		s.run(s.a)
	}, []func(*scene){
		func(s *scene) {
			s.enter(s.p, s.a)
			s.core.WaitForInterrupt(&s.a.VCPU)
			s.p.call(hfInterruptInject, 2, 0, 8)
			s.run(s.a)
		},
		func(s *scene) { // off, and on again
			s.aTurnsBOn()
			s.enter(s.p, s.b)
			s.b.blocks(hypercall.PSCICPUOff)
			s.aTurnsBOn()
			s.rest(s.a)
			s.rest(s.b)
		},
	}},
	{"interrupt", func(s *scene) { s.enter(s.p, s.a); s.preempt(s.a) }, []func(*scene){
		func(s *scene) { s.enter(s.p, s.a); s.preempt(s.a); s.rest(s.a) },
	}},
	{"yield", func(s *scene) { s.enter(s.p, s.a); s.a.blocks(spciYield) }, []func(*scene){
		func(s *scene) { s.enter(s.p, s.a); s.a.blocks(spciYield); s.rest(s.c); s.rest(s.a) },
	}},
	{"message", (*scene).aSendsToC, []func(*scene){
		func(s *scene) { s.aSendsToC(); s.enter(s.p, s.c); s.c.call(spciMsgPoll); s.c.blocks(spciMsgWait) },
	}},
	{"waiters-drained", func(s *scene) { s.cFreesItsMailbox(); s.rest(s.c) }, []func(*scene){
		func(s *scene) { s.cFreesItsMailbox(); s.drain(); s.notifyA(); s.rest(s.c) },
	}},
	{"waiters-notified", func(s *scene) { s.cFreesItsMailbox(); s.drain(); s.rest(s.c) }, []func(*scene){
		func(s *scene) { s.cFreesItsMailbox(); s.drain(); s.rest(s.c); s.notifyA() },
	}},
	{"wake-up", func(s *scene) { s.aTurnsBOn(); s.rest(s.a) }, []func(*scene){
		func(s *scene) { s.aTurnsBOn(); s.rest(s.a); s.rest(s.b) },
	}},
	{"run-again", func(s *scene) { s.aTurnsBOn(); s.rest(s.b) }, []func(*scene){
		func(s *scene) { s.aTurnsBOn(); s.rest(s.b); s.rest(s.a) },
	}},
	{"abort-wakes", (*scene).abortA, []func(*scene){
		func(s *scene) { s.abortA(); s.run(s.b) },
	}},
	{"abort-rests", func(s *scene) { s.abortA(); s.run(s.b); s.run(s.a); s.run(s.a) }, []func(*scene){
		func(s *scene) { s.abortA(); s.run(s.b) },
		func(s *scene) { s.abortA(); s.run(s.b); s.run(s.a) },
	}},
}

func TestSchedulerThatBreaksARuleIsAccusedOfThatAlone(t *testing.T) {
	for i, d := range duties {
		t.Run(d.rule, func(t *testing.T) {
			s := newScene(t, true)
			d.breaks(s)
			s.end()
			if want := []string{d.rule}; !slices.Equal(s.broken, want) {
				t.Errorf("broken: %v, want %v", s.broken, want)
			}
			if n := s.checker.Tallies()[i]; n.ID != d.rule || n.Broken != 1 {
				t.Errorf("tally %+v", n)
			}
		})
	}
}

func TestSchedulerThatKeepsARuleIsNotAccused(t *testing.T) {
	for i, d := range duties {
		t.Run(d.rule, func(t *testing.T) {
			for _, keep := range d.keeps {
				s := newScene(t, true)
				keep(s)
				s.end()
				if len(s.broken) != 0 || s.checker.Tallies()[i].Kept == 0 {
					t.Errorf("broken: %v, tally %+v", s.broken, s.checker.Tallies()[i])
				}
			}
		})
	}
}

func TestEveryRuleOfSchedulersHasItsTest(t *testing.T) {
	if len(duties) != len(duty.Rules) {
		t.Fatalf("%d tests, %d rules", len(duties), len(duty.Rules))
	}
	for i, d := range duties {
		if d.rule != duty.Rules[i].ID {
			t.Errorf("test %d is of rule %s, want %s", i, d.rule, duty.Rules[i].ID)
		}
	}
}

func TestBreachIsReportedAsItHappensWhereThatIsCertain(t *testing.T) {
	for _, d := range duties {
		at := newScene(t, true)
		d.breaks(at)
		now := len(at.broken) != 0
		if want := slices.Contains([]string{"msg-wait", "wait-for-interrupt", "waiters-drained", "abort-rests"}, d.rule); now != want {
			t.Errorf("%s: reported at once %v, want %v", d.rule, now, want)
		}
	}
}

func TestDutyThatTheEndCutsShortIsNotBroken(t *testing.T) {
	for _, d := range duties {
		s := newScene(t, true)
		d.breaks(s)
		before := len(s.broken)
		s.checker.End(s.now)
		if len(s.broken) != before {
			t.Errorf("%s: broken: %v", d.rule, s.broken)
		}
	}
}

// A thread that is late to act on an injection finds that the vCPU ran and waits again.
func TestLeaveToRunAVCPUWaitsForALateThread(t *testing.T) {
	s := newScene(t, true)
	s.rest(s.a)
	s.p.call(hfInterruptInject, 2, 0, 8)
	s.p.call(spciMsgSend, spciPair(1, 2), 0, 4, 0)
	s.rest(s.a)
	s.run(s.a)
	if len(s.broken) != 0 {
		t.Fatalf("broken: %v", s.broken)
	}
	if s.run(s.a); !slices.Equal(s.broken, []string{"msg-wait"}) {
		t.Errorf("a third run, with no third reason: broken: %v", s.broken)
	}
}

func TestLosingARaceForAVCPUBreaksNoRule(t *testing.T) {
	s := newScene(t, true)
	s.enter(s.p, s.a)
	s.vms[0][1].refuses("run", s.a, errorRegs(-4)...)
	s.a.blocks(spciMsgWait)
	if s.end(); len(s.broken) != 0 {
		t.Errorf("broken: %v", s.broken)
	}
}

// Until the thread that was told of an abort goes on, others do not know of it.
func TestLateThreadMayTellOthersOfAnAbort(t *testing.T) {
	s := newScene(t, true)
	s.abortA()
	other := s.vms[0][1]
	for range 5 {
		other.call(spciRun, spciVCPU(s.b.ID))
	}
	if s.run(s.c); len(s.broken) != 0 {
		t.Fatalf("broken: %v", s.broken)
	}
	other.call(spciRun, spciVCPU(s.b.ID))
	if other.call(spciRun, spciVCPU(s.b.ID)); !slices.Equal(s.broken, []string{"abort-rests"}) {
		t.Errorf("runs of a vCPU that is known to be dead: broken: %v", s.broken)
	}
}

func TestAbortThatThePrimaryIsNotToldOfIsAWait(t *testing.T) {
	s := newScene(t, false)
	s.abortA()
	if s.end(); len(s.broken) != 0 {
		t.Errorf("broken: %v", s.broken)
	}
	if s.run(s.a); !slices.Equal(s.broken, []string{"wait-for-interrupt"}) {
		t.Errorf("broken: %v", s.broken)
	}
}

func TestWatchedHotPathsAllocateNothing(t *testing.T) {
	s := newScene(t, true)
	s.p.load(spciRun, spciVCPU(s.a.ID))
	if n := testing.AllocsPerRun(100, func() {
		s.p.Regs.Forget()
		s.p.x[0], s.p.x[1] = uint64(spciRun), spciVCPU(s.a.ID)
		s.p.dispatch(hypercall.HVC)
		s.core.Preempt(&s.a.VCPU)
		s.p.Regs.Flush()
	}); n != 0 {
		t.Errorf("a run and its end allocate %v times", n)
	}
}

// A run of one vCPU may be answered by the wake-up of its sibling, which woke when nobody could tell: nothing has run.
func TestWakeUpInPlaceOfARunIsLeaveForTheSiblingAlone(t *testing.T) {
	for _, c := range []struct {
		name   string
		obeys  func(s *scene)
		broken []string
	}{
		{"runs both", func(s *scene) { s.rest(s.a); s.rest(s.b) }, nil},
		{"forgets the sibling", func(s *scene) { s.rest(s.b) }, []string{"wake-up"}},
		{"forgets the one that did not run", func(s *scene) { s.rest(s.a) }, []string{"interrupt"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, true)
			s.aTurnsBOn()
			s.rest(s.a)
			s.enter(s.p, s.b)
			s.preempt(s.b)
			s.core.Wake(s.a.ID)
			s.run(s.b)
			if s.p.x[0] != uint64(hfRunWakeUp) || s.p.x[1] != spciVCPU(s.a.ID) {
				t.Fatalf("the run returned %#x, %#x", s.p.x[0], s.p.x[1])
			}
			c.obeys(s)
			s.end()
			if !slices.Equal(s.broken, c.broken) {
				t.Errorf("broken: %q, want %q", s.broken, c.broken)
			}
		})
	}
}
