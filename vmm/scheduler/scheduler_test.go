package scheduler

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

func texts(n int, prefix string) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(prefix, i))
	}
	return all
}

func TestEveryLineComesBackInOrder(t *testing.T) {
	for _, policy := range Policies {
		for name, c := range map[string]setup{
			"spci": {abi: SPCI, vms: [][]program{{echo}}},
			"hf":   {abi: HF, vms: [][]program{{hfEcho}}},
		} {
			t.Run(fmt.Sprint(name, " ", policy), func(t *testing.T) {
				c.policy, c.lines = policy, append(texts(50, "line "), "", strings.Repeat("x", MaxMessage))
				r := newRig(t, c)
				r.expect(AtRest, c.lines...)
				if r.counts["waiters-drained"] == 0 {
					t.Error("nobody ever waited for a mailbox")
				}
			})
		}
	}
}

func TestMessageBetweenSecondariesRunsTheReceiver(t *testing.T) {
	for _, policy := range Policies {
		r := newRig(t, setup{policy: policy, lines: []string{"3 2 3 1 round"}, vms: [][]program{{relay}, {relay}}})
		r.expect(AtRest, "round")
	}
}

func TestFullMailboxesAreReportedAndNothingIsLost(t *testing.T) {
	const messages = 200
	flood := func(g *guest) {
		g.configure()
		g.receive()
		for i := range messages {
			g.send(3, fmt.Sprint(i))
		}
	}
	sink := func(g *guest) {
		g.configure()
		for i := range messages {
			for range 3 {
				g.hvc(spciYield)
			}
			if text, _ := g.receive(); text != fmt.Sprint(i) {
				g.send(primary, "got "+text)
			}
		}
		g.send(primary, "all")
	}
	for _, policy := range Policies {
		r := newRig(t, setup{policy: policy, lines: []string{"go"}, vms: [][]program{{flood}, {sink}}})
		r.expect(AtRest, "all")
		if n := r.counts["waiters-notified"]; n < messages/4 {
			t.Errorf("%v: the flood waited %d times", policy, n)
		}
	}
}

func TestTimerOfABlockedVCPUIsWaitedForAndNotPolled(t *testing.T) {
	const ticks, period = 20, 1_000_000
	for name, wait := range map[string]func(g *guest){
		"WFI":      func(g *guest) { g.wfi() },
		"MSG_WAIT": func(g *guest) { g.hvc(spciMsgWait) },
	} {
		t.Run(name, func(t *testing.T) {
			clock := func(g *guest) {
				g.configure()
				g.enable(3)
				for range ticks {
					g.arm(period)
					wait(g)
					if intid := g.take(); intid != 3 {
						g.send(primary, fmt.Sprint("interrupt ", intid))
					}
				}
				g.send(primary, fmt.Sprint(g.rig.Now()))
			}
			r := newRig(t, setup{vms: [][]program{{clock}}})
			r.trace = []string{}
			r.expect(AtRest, fmt.Sprint(ticks*period))
			if runs := len(r.trace); r.waits != ticks || runs > ticks+3 {
				t.Errorf("%d waits and %d runs for %d ticks", r.waits, runs, ticks)
			}
		})
	}
}

func TestTimerIsServedWhileAnotherVCPUKeepsTheCPU(t *testing.T) {
	var served bool
	busy := func(g *guest) {
		for !served {
			g.rig.mu.Lock()
			g.rig.now += 1000
			g.rig.mu.Unlock()
			if now := g.rig.Now(); now > 1_000_000 {
				t.Error("the timer is not served")
				break
			} else if alarm := g.rig.s.Alarm(); alarm != Never && alarm != 100_000 && !served {
				t.Errorf("the alarm is at %d", alarm)
			}
			g.spin()
		}
	}
	clock := func(g *guest) {
		g.enable(3)
		g.arm(100_000)
		g.wfi()
		served = true
	}
	newRig(t, setup{vms: [][]program{{clock}, {busy}}}).expect(AtRest)
}

func TestSecondVCPUIsSwitchedOnAndSignalled(t *testing.T) {
	const work = 9
	var full bool
	var text string
	second := func(g *guest) {
		g.enable(work)
		for {
			for !full {
				g.wfi()
				for g.take() != noINTID {
				}
			}
			g.send(primary, "vcpu 1: "+text)
			full = false
		}
	}
	first := func(g *guest) {
		g.configure()
		if x0 := g.psci(hypercall.PSCICPUOn|hypercall.SMC64, 1, g.tx(), 0); x0 != 0 {
			t.Errorf("CPU_ON returns %d", int64(x0))
		}
		for {
			text, _ = g.receive()
			full = true
			g.hvc(hfInterruptInject, uint64(g.id()), 1, work)
			for full {
				g.hvc(spciYield)
			}
		}
	}
	r := newRig(t, setup{lines: []string{"a", "b"}, vms: [][]program{{first, second}}})
	r.expect(AtRest, "vcpu 1: a", "vcpu 1: b")
	if r.counts["wake-up"] < 2 {
		t.Errorf("%d wake-ups", r.counts["wake-up"])
	}
}

func TestVMThatAbortsRunsNoMoreAndItsVCPUsAreWokenOnce(t *testing.T) {
	sleeper := func(g *guest) {
		for {
			g.wfi()
		}
	}
	fault := func(g *guest) {
		g.configure()
		g.psci(hypercall.PSCICPUOn|hypercall.SMC64, 1, g.tx(), 0)
		g.spin()
		g.receive()
		g.die()
	}
	r := newRig(t, setup{lines: []string{"3 die", "3 too late"}, vms: [][]program{{relay}, {fault, sleeper, sleeper}}})
	r.expect(AtRest)
	if r.counts["abort-wakes"] != 1 || r.counts["abort-rests"] != 2 {
		t.Errorf("%d vCPUs woken, %d left alone", r.counts["abort-wakes"], r.counts["abort-rests"])
	}
	for index, want := range []int{r.attempts[pair(3, 0)], 2, 1} { // once for the wake-up, and never for a message
		if got := r.attempts[pair(3, uint16(index))]; got != want {
			t.Errorf("vCPU %d was to be run %d times, want %d", index, got, want)
		}
		if r.s.find(3, uint16(index)).state != dead {
			t.Errorf("vCPU %d may be woken again", index)
		}
	}
}

// turns runs and gives the CPU back n times.
func turns(n int, how func(g *guest)) program {
	return func(g *guest) {
		for range n {
			how(g)
		}
	}
}

func TestPolicies(t *testing.T) {
	yields := func(g *guest) { g.hvc(spciYield) }
	spins := func(g *guest) { g.spin() }
	for _, c := range []struct {
		rule   string
		policy Policy
		want   string
	}{
		{"rr runs them in turn", RoundRobin, "1.0 2.0 3.0 1.0 2.0 3.0 1.0 2.0 3.0"},
		{"fifo lets each run until it blocks", FIFO, "1.0 1.0 1.0 2.0 2.0 2.0 3.0 3.0 3.0"},
	} {
		r := newRig(t, setup{policy: c.policy, vms: [][]program{{turns(2, yields)}, {turns(2, spins)}, {turns(2, yields)}}})
		r.trace = []string{}
		if r.expect(AtRest); strings.Join(r.trace, " ") != c.want {
			t.Errorf("rule: %s\nruns %v, want %v", c.rule, r.trace, c.want)
		}
	}
}

func TestFIFOChoosesTheLowestNumberThatIsReady(t *testing.T) {
	q := FIFO.newQueue(func() (all []*vcpu) {
		for i := range 200 {
			all = append(all, &vcpu{number: i})
		}
		return all
	}())
	in := []int{150, 3, 64, 63, 199, 0}
	for _, n := range in {
		q.add(q.(*numbered).all[n])
	}
	var out []int
	for v := q.take(0); v != nil; v = q.take(0) {
		out = append(out, v.number)
	}
	if slices.Sort(in); !slices.Equal(in, out) || !q.empty() {
		t.Errorf("taken in the order %v", out)
	}
}

func TestRoundRobinPrefersVCPUsThatTheCPURanLast(t *testing.T) {
	q := RoundRobin.newQueue(make([]*vcpu, 3))
	for i, cpu := range []int{1, 0, 0} {
		q.add(&vcpu{number: i, cpu: cpu})
	}
	for _, want := range []int{1, 2, 0} {
		if v := q.take(0); v.number != want {
			t.Errorf("took %d, want %d", v.number, want)
		}
	}
}

func TestMessageStaysInTheMailboxWhileTheConsoleHasNoRoom(t *testing.T) {
	r := newRig(t, setup{lines: []string{"one", "two"}, vms: [][]program{{echo}, {func(g *guest) {
		for range 20 {
			g.spin()
		}
		if n := len(g.rig.console.answers); n != 0 {
			t.Errorf("%d messages were answered", n)
		}
		g.rig.console.refuse = false
		g.rig.s.Interrupt()
	}}}})
	r.console.refuse = true
	r.expect(AtRest, "one", "two")
}

func TestMessageForAVMThatDoesNotReceiveRaisesMailboxReadable(t *testing.T) {
	reader := func(g *guest) {
		g.enable(mailboxReadable)
		g.configure()
		for g.take() != mailboxReadable {
			g.wfi()
		}
		text, from := g.receive()
		g.send(from, text)
	}
	newRig(t, setup{lines: []string{"hello"}, vms: [][]program{{reader}}}).expect(AtRest, "hello")
}

func TestEndWaitsForTheLastAnswerToBeWritten(t *testing.T) {
	r := newRig(t, setup{lines: []string{"hello"}, vms: [][]program{{echo}}})
	r.console.writing = true
	if r.expect(AtRest, "hello"); r.console.writing || r.waits != 1 {
		t.Errorf("%d waits", r.waits)
	}
}

func TestEveryVCPUOfAWaiterIsTold(t *testing.T) {
	first := func(g *guest) {
		g.hvc(spciRXTXMap, g.tx(), g.rx(), 1)
		g.psci(hypercall.PSCICPUOn|hypercall.SMC64, 1, g.tx(), 0)
	}
	second := func(g *guest) { // alone knows of the interrupt
		g.enable(mailboxWritable)
		g.send(3, "1 a")
		g.send(3, "1 b")
	}
	late := func(g *guest) { // so that the first message meets no mailbox
		turns(10, func(g *guest) { g.spin() })(g)
		relay(g)
	}
	newRig(t, setup{vms: [][]program{{first, second}, {late}}}).expect(AtRest, "a", "b")
}

// meddler calls a function after each run, when the CPU does not know of its end yet.
type meddler struct {
	*rig
	after func(vcpu uint64)
}

func (m *meddler) Call(cpu int, r *Regs) bool {
	fn, vcpu := r[0], r[1]
	ok := m.rig.Call(cpu, r)
	if fn == spciRun {
		m.after(vcpu)
	}
	return ok
}

func TestVCPUThatIsWokenJustAsItBlocksRunsAgain(t *testing.T) {
	const work = 9
	woken := 0
	r := newRig(t, setup{vms: [][]program{{func(g *guest) {
		g.enable(work)
		for g.take() != work {
			g.wfi()
		}
		woken++
	}}}})
	m := &meddler{rig: r}
	m.after = func(vcpu uint64) {
		m.after = func(uint64) {}
		v := r.s.find(high(vcpu), low(vcpu))
		other := cpu{machine: r}
		r.s.mu.Lock()
		r.s.inject(&other, v, work)
		r.s.mu.Unlock()
	}
	r.s.machine, r.s.cpus[0].machine = m, m
	if r.expect(AtRest); woken != 1 {
		t.Error("the vCPU was forgotten")
	}
}

// Of two vCPUs one computes on, and takes no message; the other waits for one just as it comes.
func TestMessageThatComesJustAsAVCPUBeginsToWaitForItIsReceived(t *testing.T) {
	received := ""
	first := func(g *guest) {
		g.configure()
		g.psci(hypercall.PSCICPUOn|hypercall.SMC64, 1, g.tx(), 0)
		turns(3, func(g *guest) { g.spin() })(g)
	}
	second := func(g *guest) { received, _ = g.receive() }
	r := newRig(t, setup{vms: [][]program{{first, second}}})
	m := &meddler{rig: r}
	m.after = func(vcpu uint64) {
		if low(vcpu) != 1 {
			return
		}
		m.after = func(uint64) {}
		other := cpu{machine: r}
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		to := r.s.vm(high(vcpu))
		text := "now"
		copy(r.s.box.TX, text)
		if sent, _ := r.s.abi.send(&other, r.s.self, to.id, len(text)); !sent {
			t.Error("the message was refused")
		}
		r.s.deliver(&other, to)
	}
	r.s.machine, r.s.cpus[0].machine = m, m
	if r.expect(AtRest); received != "now" {
		t.Errorf("received %q", received)
	}
}

func TestCPUWithoutWorkIsWokenForAVCPUThatIsReadyAndForAnEarlierTimer(t *testing.T) {
	for what, f := range map[string]func(s *Scheduler, a, b *vcpu){
		"ready": func(s *Scheduler, a, b *vcpu) { s.next(&s.cpus[0]) },
		"timer": func(s *Scheduler, a, b *vcpu) {
			b.deadline = s.machine.Now() + 1e12
			s.sleepers.add(b)
			s.block(a, 1e9)
		},
	} {
		r := newRig(t, setup{cpus: 2, vms: [][]program{{echo}, {echo}}})
		r.s.cpus[1].idle = true
		f(r.s, &r.s.vms[0].vcpus[0], &r.s.vms[1].vcpus[0])
		if len(r.wakes[1]) != 1 {
			t.Errorf("%s: the CPU sleeps on", what)
		}
	}
}

func TestLineThatIsNeverTakenIsTheEnd(t *testing.T) {
	deaf := func(g *guest) {
		g.configure()
		for {
			g.wfi()
		}
	}
	for name, does := range map[string]program{"no mailbox": func(*guest) {}, "full mailbox": deaf} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, setup{lines: []string{"one", "two"}, vms: [][]program{{does}}})
			r.console.open = true // what may come later changes nothing
			r.expect(Deaf)
		})
	}
}

func TestMemoryForThePrimaryIsNoAnswerAndLoggedOnce(t *testing.T) {
	giver := func(g *guest) {
		g.configure()
		m := []byte{0: 2, 8 + 12: 1, 8 + 16: 32, 8 + 20: 1, 8 + 24: primary, 8 + 26: 3 << 5, 8 + 32 + 16 - 1: 0}
		page := g.tx() + 4*MaxMessage
		for i := range 8 {
			m[8+32+i] = byte(page >> (8 * i))
		}
		m[8+32+8] = 1
		copy(g.rig.Slice(g.tx(), MaxMessage), m)
		for range 2 {
			if x0 := g.hvc(spciMsgSend, pair(g.id(), primary), 0, uint64(len(m)), spciMemory); x0 != spciSuccess {
				t.Errorf("the message is refused: %#x", g.x[:3])
			}
			m[8+32+1] += MaxMessage >> 8 // the next page
			copy(g.rig.Slice(g.tx(), MaxMessage), m)
		}
		g.send(primary, "after it")
	}
	r := newRig(t, setup{vms: [][]program{{giver}}})
	if end := r.run(); end != AtRest || !slices.Equal(r.console.answers, []string{"after it"}) || len(r.logged) != 1 {
		t.Errorf("end %d, answers %q, log %q", end, r.console.answers, r.logged)
	}
}

// On several CPUs every message still arrives, and no vCPU is forgotten: the machine comes to rest.
func TestSeveralCPUsLoseNothing(t *testing.T) {
	const messages = 300
	for _, policy := range Policies {
		t.Run(policy.String(), func(t *testing.T) {
			// VM 2 passes lines on to VMs 3 to 5, and those to the primary.
			var lines []string
			for i := range messages {
				lines = append(lines, fmt.Sprintf("%d 1 %d", 3+i%3, i))
			}
			ticker := func(g *guest) {
				g.enable(3)
				for range 50 {
					g.arm(20_000)
					g.wfi()
					g.take()
					g.spin()
				}
			}
			r := newRig(t, setup{policy: policy, cpus: 4, lines: lines,
				vms: [][]program{{relay}, {relay}, {relay}, {relay}, {ticker}, {turns(1000, func(g *guest) { g.hvc(spciYield) })}}})
			if end := r.run(); end != AtRest {
				t.Errorf("end %d", end)
			}
			slices.Sort(r.console.answers)
			want := texts(messages, "")
			if slices.Sort(want); !slices.Equal(r.console.answers, want) {
				t.Errorf("%d answers, want %d", len(r.console.answers), len(want))
			}
		})
	}
}

func TestRunsAllocateNothing(t *testing.T) {
	for _, policy := range Policies {
		var allocs float64
		pinger := func(g *guest) {
			g.configure()
			allocs = testing.AllocsPerRun(100, func() {
				g.hvc(spciMsgSend, pair(g.id(), 3), 0, 8, 0)
				g.hvc(spciMsgWait)
				g.hvc(spciRXRelease)
				g.spin()
				g.arm(10)
				g.wfi()
			})
		}
		ponger := func(g *guest) {
			g.configure()
			for {
				g.hvc(spciMsgWait)
				g.hvc(spciRXRelease)
				g.hvc(spciMsgSend, pair(g.id(), 2), 0, 8, 0)
			}
		}
		r := newRig(t, setup{policy: policy, vms: [][]program{{pinger}, {ponger}}})
		r.expect(AtRest)
		if allocs != 0 {
			t.Errorf("%v: %v allocations", policy, allocs)
		}
	}
}

func TestMachineThatStopsEndsTheWork(t *testing.T) {
	r := newRig(t, setup{vms: [][]program{{echo}}})
	r.s.machine, r.s.cpus[0].machine = stopping{r}, stopping{r}
	if end := r.s.Work(0); end != Stopped {
		t.Errorf("end %d", end)
	}
}

// stopping is a machine that stops during the next call.
type stopping struct{ *rig }

func (stopping) Call(int, *Regs) bool { return false }

// hfEcho is echo in the interface of January 2019.
func hfEcho(g *guest) {
	g.hvc(janVMConfigure, g.tx(), g.rx())
	g.hvc(0xff0b, mailboxWritable, 1)
	for {
		m := g.hvc(0xff07, 1)
		if uint32(m) == noINTID {
			g.hvc(0xff0c)
			continue
		}
		copy(g.rig.Slice(g.tx(), MaxMessage), g.rig.Slice(g.rx(), m>>32))
		g.hvc(janMailboxClear)
		for g.hvc(janMailboxSend, uint64(uint32(m)), m>>32, 1) != 0 {
			for g.hvc(0xff0c) != mailboxWritable {
				g.wfi()
			}
			for int64(g.hvc(janMailboxWritableGet)) >= 0 {
			}
		}
	}
}
