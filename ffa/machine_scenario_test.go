package ffa

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// primaryOf returns the programs of a primary of n vCPUs that run a scheduler; vCPU 0 begins with first.
func primaryOf(n int, sch *scheduler, first program) []program {
	var begun sync.WaitGroup
	begun.Add(1)
	programs := []program{func(s *sim) {
		s.mapBoxes()
		sch.boot(s.m)
		first(s)
		begun.Done()
		sch.loop(s)
	}}
	for range n - 1 {
		programs = append(programs, func(s *sim) {
			begun.Wait()
			sch.loop(s)
		})
	}
	return programs
}

func nothing(*sim) {}

// echo sends every message back to where it came from.
func echo(s *sim) {
	s.mapBoxes()
	for {
		if s.call(spciMsgWait); !s.is(spciMsgSend) {
			continue
		}
		from, size := int(s.x[1]>>16)-1, s.x[3]
		copy(s.tx(), s.rx()[:size])
		s.call(spciRXRelease)
		for s.message(from, size, 0); !s.is(spciSuccess); s.message(from, size, 0) {
			s.call(spciYield)
		}
	}
}

func TestEchoReturnsEveryMessage(t *testing.T) {
	const messages = 2000
	var got int
	say := func(s *sim) {
		size := copy(s.tx(), fmt.Sprint("message ", got))
		if s.message(1, uint64(size), 0); !s.is(spciSuccess) {
			s.m.errorf("send: %#x", s.x[:3])
		}
	}
	var sch scheduler
	sch.received = func(s *sim, from int, data []byte) {
		if want := fmt.Sprint("message ", got); from != 1 || string(data) != want {
			s.m.errorf("received %q of VM %d, want %q", data, from, want)
		}
		got++
	}
	sch.idle = func(s *sim) bool {
		if got == messages {
			return false
		}
		say(s)
		sch.deliver(s, idOf(1))
		return true
	}
	m := newMachine(t, primaryOf(1, &sch, nothing), []program{echo})
	m.run()
	if got != messages {
		t.Errorf("%d of %d messages came back", got, messages)
	}
}

// peer sends count numbered messages to each of the other secondaries and checks that it gets as many of
// each, in order. When a mailbox is full it waits to be notified.
func peer(vms, count int, finished *atomic.Int64) program {
	return func(s *sim) {
		s.mapBoxes()
		s.call(hfInterruptEnable, MailboxWritable, 1)
		me := int(s.ID.VM)
		sent, got := make([]int, vms), make([]int, vms)
		full := make([]bool, vms)
		left := 2 * count * (vms - 2)
		for left > 0 {
			progress := false
			for to := 1; to < vms; to++ {
				if to == me || sent[to] == count || full[to] {
					continue
				}
				binary.LittleEndian.PutUint32(s.tx(), uint32(sent[to]))
				switch s.message(to, 4, spciNotify); {
				case s.is(spciSuccess):
					sent[to]++
					left--
					progress = true
				case s.isError(-4):
					full[to] = true
				default:
					s.m.errorf("VM %d: send: %#x", me, s.x[:3])
				}
			}
			if left == 0 {
				break
			}
			if progress {
				s.call(spciMsgPoll)
			} else {
				s.call(spciMsgWait)
			}
			switch {
			case s.is(spciMsgSend):
				from := int(s.x[1]>>16) - 1
				if n := int(binary.LittleEndian.Uint32(s.rx())); n != got[from] || s.x[3] != 4 {
					s.m.errorf("VM %d got message %d of VM %d, want %d", me, n, from, got[from])
				}
				got[from]++
				left--
				if s.call(spciRXRelease); !s.is(spciSuccess) {
					s.m.errorf("VM %d: release: %#x", me, s.x[:3])
				}
			case s.isError(-5):
				for s.call(hfInterruptGet) == MailboxWritable {
					for vm := s.call(hfMailboxWritableGet); vm != failed; vm = s.call(hfMailboxWritableGet) {
						full[vm-1] = false
					}
				}
			case !s.isError(-7):
				s.m.errorf("VM %d: receive: %#x", me, s.x[:3])
			}
		}
		finished.Add(1)
	}
}

// Nothing may be lost: when everyone is blocked and no timer runs, a waiter or a message was forgotten.
func TestSecondariesThatMessageEachOtherForgetNobody(t *testing.T) {
	for _, c := range []struct{ pcpus, secondaries, messages int }{{1, 2, 2000}, {2, 2, 2000}, {2, 5, 300}} {
		t.Run(fmt.Sprintf("%d pCPUs, %d secondaries", c.pcpus, c.secondaries), func(t *testing.T) {
			var finished atomic.Int64
			sch := scheduler{idle: func(*sim) bool { return false }}
			programs := [][]program{primaryOf(c.pcpus, &sch, nothing)}
			for range c.secondaries {
				programs = append(programs, []program{peer(1+c.secondaries, c.messages, &finished)})
			}
			newMachine(t, programs...).run()
			if n := finished.Load(); n != int64(c.secondaries) {
				t.Errorf("%d of %d secondaries finished; the others wait for ever", n, c.secondaries)
			}
		})
	}
}

func TestRacingRunsOfOneVCPUAreBusyForTheLoserAndLoseNothing(t *testing.T) {
	const rounds = 100_000
	var yields, busies [2]int
	var done atomic.Bool
	var served int
	racer := func(s *sim) {
		me := s.ID.Index
		for !done.Load() {
			switch s.call(spciRun, spciPair(2, 0)); {
			case s.is(spciYield):
				yields[me]++
			case s.isError(-4):
				busies[me]++
				runtime.Gosched()
			default:
				s.m.errorf("run: %#x", s.x[:3])
				return
			}
		}
	}
	secondary := func(s *sim) {
		for ; served < rounds; served++ {
			if served%64 == 0 {
				runtime.Gosched() // hold the vCPU while the other pCPU tries
			}
			s.call(spciYield)
		}
		done.Store(true)
		for {
			served++
			s.call(spciYield)
		}
	}
	newMachine(t, []program{racer, racer}, []program{secondary}).run()
	if sum := yields[0] + yields[1]; sum != served || served < rounds {
		t.Errorf("%d yields made, %d + %d seen", served, yields[0], yields[1])
	}
	if busies[0]+busies[1] == 0 {
		t.Error("nobody ever lost a race")
	}
	t.Logf("yields %v, busy %v", yields, busies)
}

func TestTwoVCPUsOfASecondaryInterruptEachOther(t *testing.T) {
	const rounds = 500
	const ipi = 20
	var counts [2]int
	ping := func(s *sim) {
		me, other := s.ID.Index, 1-s.ID.Index
		s.call(hfInterruptEnable, ipi, 1)
		if me == 0 {
			if x0 := s.call(hypercall.PSCICPUOn|hypercall.SMC64, 1, ramOf(1).Base, 0); x0 != 0 {
				s.m.errorf("CPU_ON: %#x", x0)
			}
			s.call(hfInterruptInject, 2, uint64(other), ipi)
		}
		for counts[me] < rounds {
			for !s.line {
				s.wfi()
			}
			if got := s.call(hfInterruptGet); got != ipi {
				s.m.errorf("interrupt %d", got)
			}
			counts[me]++
			s.call(hfInterruptInject, 2, uint64(other), ipi)
		}
	}
	for pcpus := 1; pcpus <= 2; pcpus++ {
		counts = [2]int{}
		sch := scheduler{idle: func(*sim) bool { return false }}
		newMachine(t, primaryOf(pcpus, &sch, nothing), []program{ping, ping}).run()
		if counts != [2]int{rounds, rounds} {
			t.Errorf("%d pCPUs: interrupts %v", pcpus, counts)
		}
	}
}

func TestPeriodicTimerWakesItsVCPUThroughThePrimary(t *testing.T) {
	const period, ticks = 1_000_000, 100
	var got int
	timer := func(s *sim) {
		s.call(hfInterruptEnable, VirtualTimer, 1)
		for s.arm(period); got < ticks; {
			s.wfi()
			if s.line && s.call(hfInterruptGet) == VirtualTimer {
				got++
				s.arm(period)
			}
		}
	}
	sch := scheduler{idle: func(*sim) bool { return false }}
	m := newMachine(t, primaryOf(1, &sch, nothing), []program{timer})
	m.run()
	if got != ticks || m.now != ticks*period {
		t.Errorf("%d ticks in %d ns", got, m.now)
	}
}

func TestFaultKillsItsVMAndNoOther(t *testing.T) {
	const rounds = 200
	var spins, pings int
	spinner := func(s *sim) {
		for ; spins < rounds; spins++ {
			s.spin()
		}
	}
	sibling := func(s *sim) {
		for {
			pings++
			s.call(spciYield)
		}
	}
	faulty := func(s *sim) {
		s.call(hypercall.PSCICPUOn, 1, ramOf(1).Base, 0)
		for range 10 {
			s.spin()
		}
		s.yield(exitFault)
		s.m.errorf("guest code ran after the VM aborted")
	}
	sch := scheduler{idle: func(*sim) bool { return false }}
	newMachine(t, primaryOf(2, &sch, nothing), []program{faulty, sibling}, []program{spinner}).run()
	if spins != rounds || sch.aborts != 1 || pings == 0 {
		t.Errorf("%d spins, %d aborts, %d yields of the sibling", spins, sch.aborts, pings)
	}
}
