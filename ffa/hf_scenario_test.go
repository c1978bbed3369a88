package ffa

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// hfScheduler is a scheduler of January 2019: it acts on packed run results, and wakes what they name.
type hfScheduler struct {
	received func(s *sim, from int, data []byte)

	mu    sync.Mutex
	tasks []*task
	busy  int // tasks that run
}

func newHFMachine(t testing.TB, sch *hfScheduler, pcpus int, first func(*sim), programs ...[]program) *machine {
	var begun sync.WaitGroup
	begun.Add(1)
	home := []program{func(s *sim) {
		s.hfConfigure()
		for vm, p := range programs {
			for i := range p {
				k := &task{runnable: i == 0}
				k.id.VM, k.id.Index = uint16(vm+1), uint16(i)
				sch.tasks = append(sch.tasks, k)
			}
		}
		first(s)
		begun.Done()
		sch.loop(s)
	}}
	for range pcpus - 1 {
		home = append(home, func(s *sim) { begun.Wait(); sch.loop(s) })
	}
	m := newMachine(t, append([][]program{home}, programs...)...)
	m.serve(m.core.HF())
	return m
}

func (s *sim) hfConfigure() {
	vm := int(s.ID.VM)
	if x0 := s.call(janVMConfigure, txOf(vm), rxOf(vm)); x0 > 1 {
		s.m.errorf("VM %d: configure: %#x", vm, x0)
	}
}

// loop runs vCPUs until none is runnable.
func (sch *hfScheduler) loop(s *sim) {
	for {
		sch.mu.Lock()
		var k *task
		for i, c := range sch.tasks {
			if c.runnable && !c.running {
				k = c
				sch.tasks = append(append(sch.tasks[:i:i], sch.tasks[i+1:]...), c)
				break
			}
		}
		if k == nil {
			idle := sch.busy == 0
			sch.mu.Unlock()
			if idle {
				return
			}
			runtime.Gosched()
			continue
		}
		k.running, k.woken = true, false
		sch.busy++
		sch.mu.Unlock()

		res := s.call(janVCPURun, uint64(k.id.VM), uint64(k.id.Index))

		sch.mu.Lock()
		k.running = false
		sch.busy--
		sch.ran(s, k, res)
		sch.mu.Unlock()
	}
}

func (sch *hfScheduler) ran(s *sim, k *task, res uint64) {
	switch res & 0xFF {
	case janPreempted, janYield:
	case janWaitForInterrupt:
		k.runnable = k.woken
	case janWakeUp:
		sch.wake(s, res>>32, res>>16&0xFFFF)
	case janMessage:
		sch.received(s, int(k.id.VM), s.rx()[:res>>32])
		if s.call(janMailboxClear) == 1 {
			sch.notify(s, primary)
		}
	case janNotifyWaiters:
		sch.notify(s, uint64(k.id.VM))
	default:
		s.m.errorf("running %v: result %#x", k.id, res)
	}
}

// wake makes a vCPU runnable; where the scheduler is to choose one, it interrupts vCPU 0.
func (sch *hfScheduler) wake(s *sim, vm, index uint64) {
	if index == janNoVCPU {
		index = 0
		s.call(janInterruptInject, vm, 0, MailboxReadable)
	}
	for _, k := range sch.tasks {
		if uint64(k.id.VM) == vm && uint64(k.id.Index) == index {
			k.runnable, k.woken = true, true
		}
	}
}

func (sch *hfScheduler) notify(s *sim, vm uint64) {
	for {
		waiter := s.call(janMailboxWaiterGet, vm)
		if waiter == failed {
			return
		}
		if waiter != primary && s.call(janInterruptInject, waiter, 0, MailboxWritable) == 1 {
			sch.wake(s, waiter, 0)
		}
	}
}

// deliver sends size bytes of TX to a VM and makes its receiver run.
func (sch *hfScheduler) deliver(s *sim, to, size uint64) {
	index := s.call(janMailboxSend, to, size, 0)
	if index == failed {
		s.m.errorf("send to VM %d failed", to)
	}
	sch.wake(s, to, index)
}

func hfEcho(s *sim) {
	s.hfConfigure()
	for {
		got := s.call(janMailboxReceive, 1)
		if got == noMail {
			continue
		}
		size := got >> 32
		copy(s.tx(), s.rx()[:size])
		s.call(janMailboxClear)
		for s.call(janMailboxSend, got&0xFFFF_FFFF, size, 0) != 0 {
			s.call(janVCPUYield)
		}
	}
}

func TestHFEchoReturnsEveryMessage(t *testing.T) {
	const messages = 2000
	got := 0
	sch := &hfScheduler{}
	say := func(s *sim) { sch.deliver(s, 1, uint64(copy(s.tx(), fmt.Sprint("message ", got)))) }
	pending := false // the first message must wait until the service has its mailbox
	sch.received = func(s *sim, from int, data []byte) {
		if want := fmt.Sprint("message ", got); from != 1 || string(data) != want {
			s.m.errorf("received %q of VM %d, want %q", data, from, want)
		}
		if got++; got < messages {
			pending = true
		}
	}
	m := newHFMachine(t, sch, 1, func(*sim) {}, []program{hfEcho})
	// The program of the primary: run until idle, say the next, again.
	home := m.sims[primary][0]
	body := home.body
	home.body = func(s *sim) {
		body(s)
		for say(s); ; say(s) {
			pending = false
			sch.loop(s)
			if !pending {
				return
			}
		}
	}
	home.start()
	m.run()
	if got != messages {
		t.Errorf("%d of %d messages came back", got, messages)
	}
}

// hfPeer is peer in the interface of January 2019.
func hfPeer(vms, count int, finished *atomic.Int64) program {
	return func(s *sim) {
		s.hfConfigure()
		s.call(janInterruptEnable, MailboxWritable, 1)
		me := int(s.ID.VM)
		sent, got, full := make([]int, vms), make([]int, vms), make([]bool, vms)
		for left := 2 * count * (vms - 2); left > 0; {
			progress := uint64(1)
			for to := 1; to < vms; to++ {
				if to == me || sent[to] == count || full[to] {
					continue
				}
				binary.LittleEndian.PutUint32(s.tx(), uint32(sent[to]))
				if s.call(janMailboxSend, uint64(to), 4, 1) == 0 {
					sent[to]++
					left--
					progress = 0
				} else {
					full[to] = true
				}
			}
			if left == 0 {
				break
			}
			if mail := s.call(janMailboxReceive, progress); mail != noMail {
				from := int(mail & 0xFFFF_FFFF)
				if n := int(binary.LittleEndian.Uint32(s.rx())); n != got[from] || mail>>32 != 4 {
					s.m.errorf("VM %d got message %d of VM %d, want %d", me, n, from, got[from])
				}
				got[from]++
				left--
				if x0 := s.call(janMailboxClear); x0 != 0 {
					s.m.errorf("VM %d: clear: %#x", me, x0)
				}
			}
			for s.call(janInterruptGet) == MailboxWritable {
				for vm := s.call(janMailboxWritableGet); vm != failed; vm = s.call(janMailboxWritableGet) {
					full[vm] = false
				}
			}
		}
		finished.Add(1)
	}
}

func TestHFSecondariesThatMessageEachOtherForgetNobody(t *testing.T) {
	for _, c := range []struct{ pcpus, secondaries, messages int }{{1, 2, 1000}, {2, 2, 1000}, {2, 5, 200}} {
		t.Run(fmt.Sprintf("%d pCPUs, %d secondaries", c.pcpus, c.secondaries), func(t *testing.T) {
			var finished atomic.Int64
			var programs [][]program
			for range c.secondaries {
				programs = append(programs, []program{hfPeer(1+c.secondaries, c.messages, &finished)})
			}
			newHFMachine(t, &hfScheduler{}, c.pcpus, func(*sim) {}, programs...).run()
			if n := finished.Load(); n != int64(c.secondaries) {
				t.Errorf("%d of %d secondaries finished; the others wait for ever", n, c.secondaries)
			}
		})
	}
}

func TestHFRacingRunsOfOneVCPUAreAWaitForTheLoserAndLoseNothing(t *testing.T) {
	const rounds = 100_000
	var yields, waits [2]int
	var done atomic.Bool
	served := 0
	racer := func(s *sim) {
		for me := s.ID.Index; !done.Load(); {
			switch x0 := s.call(janVCPURun, 1, 0); x0 {
			case janYield:
				yields[me]++
			case janWaitForInterrupt:
				waits[me]++
				runtime.Gosched()
			default:
				s.m.errorf("run: %#x", x0)
				return
			}
		}
	}
	m := newMachine(t, []program{racer, racer}, []program{func(s *sim) {
		for {
			if served%64 == 0 {
				runtime.Gosched() // hold the vCPU while the other pCPU tries
			}
			served++
			done.Store(served >= rounds)
			s.call(janVCPUYield)
		}
	}})
	m.serve(m.core.HF())
	m.run()
	if sum := yields[0] + yields[1]; sum != served {
		t.Errorf("%d yields made, %v seen", served, yields)
	}
	if waits[0]+waits[1] == 0 {
		t.Error("nobody ever lost a race")
	}
}
