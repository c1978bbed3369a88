package scheduler

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Config describes the program and what it runs on.
type Config struct {
	Machine Machine
	Console Console
	ABI     ABI
	Policy  Policy
	CPUs    int // of the primary
	Mailbox Mailbox
	Log     func(text string) // gets what should not happen
}

// Scheduler is the program. Start it, then let every CPU work.
type Scheduler struct {
	machine Machine
	console Console
	abi     ABI
	box     Mailbox
	log     func(string)
	cpus    []cpu
	alarm   atomic.Uint64 // the first deadline of sleepers

	mu       sync.Mutex // guards what follows, and is held during short calls
	self     uint16     // id of the primary
	vms      []vm
	queue    queue
	policy   Policy
	sleepers sleepers
	over     End

	news    bool   // the console has something new
	ended   bool   // it has no more lines
	line    []byte // that is to be sent, or nil
	full    bool   // the first secondary takes none now; the machine will say when it does
	holding bool   // the receive page is kept because the console refused what is in it
	held    uint32 // size of that
}

// End says why the scheduler has ended.
type End uint8

// The ends. When nothing is ready, no timer runs and no message can come, nothing will ever run again.
const (
	Stopped End = iota // the machine stops
	AtRest             // the console has ended and nothing will run again
	Deaf               // nothing will run again, but a line waits for the first secondary to take messages
)

// New returns a scheduler that has made no call yet.
func New(cfg Config) *Scheduler {
	s := &Scheduler{
		machine: cfg.Machine,
		console: cfg.Console,
		abi:     cfg.ABI,
		box:     cfg.Mailbox,
		log:     cfg.Log,
		cpus:    make([]cpu, cfg.CPUs),
		policy:  cfg.Policy,
		news:    true,
	}
	for i := range s.cpus {
		s.cpus[i].machine, s.cpus[i].number = cfg.Machine, i
	}
	s.alarm.Store(Never)
	return s
}

// Start registers the mailbox and finds the secondaries, with calls of CPU 0. vCPU 0 of each is ready then;
// the others wait until it switches them on.
func (s *Scheduler) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.cpus[0]
	waiters, err := s.abi.configure(c, &s.box)
	if err != nil {
		return err
	}
	self, partitions, err := s.abi.partitions(c, &s.box)
	if err != nil {
		return err
	}
	if len(partitions) == 0 {
		return errors.New("there are no secondaries")
	}
	s.self, s.vms = self, make([]vm, len(partitions))
	var all []*vcpu
	for i, p := range partitions {
		m := &s.vms[i]
		m.id, m.vcpus = p.id, make([]vcpu, p.vcpus)
		for j := range m.vcpus {
			v := &m.vcpus[j]
			*v = vcpu{vm: m, index: uint16(j), number: len(all), deadline: Never}
			all = append(all, v)
		}
	}
	s.sleepers = make(sleepers, 0, len(all))
	s.queue = s.policy.newQueue(all)
	for i := range s.vms {
		s.makeReady(&s.vms[i].vcpus[0])
	}
	if waiters {
		s.notify(c, self)
	}
	return nil
}

// Work schedules on a CPU until the end.
func (s *Scheduler) Work(number int) End {
	c := &s.cpus[number]
	s.mu.Lock()
	defer s.mu.Unlock()
	for !c.stopped && s.over == Stopped {
		s.serveConsole(c)
		v := s.next(c)
		if v == nil {
			s.rest(c)
			continue
		}
		v.state, v.cpu, v.woken = running, number, false
		s.mu.Unlock()
		res := s.abi.run(c, v.vm.id, v.index)
		s.mu.Lock()
		if !c.stopped {
			s.follow(c, v, res)
		}
	}
	return s.over
}

// next takes the vCPU to run on c, or nil. If there are more, another CPU shall have one.
func (s *Scheduler) next(c *cpu) *vcpu {
	s.expire()
	v := c.current
	if c.current = nil; v == nil {
		v = s.queue.take(c.number)
	}
	if !s.queue.empty() {
		s.wakeIdle()
	}
	return v
}

// wakeIdle wakes a CPU that has nothing to do and reports whether there is one.
func (s *Scheduler) wakeIdle() bool {
	for i := range s.cpus {
		if c := &s.cpus[i]; c.idle {
			c.idle = false
			s.machine.Wake(i)
			return true
		}
	}
	return false
}

// rest lets c wait until there is something to do again. If there never will be, that is the end.
func (s *Scheduler) rest(c *cpu) {
	c.idle = true
	if s.over = s.judge(); s.over != Stopped {
		for s.wakeIdle() {
		}
		return
	}
	until := s.sleepers.first()
	s.mu.Unlock()
	ok := s.machine.Wait(c.number, until)
	s.mu.Lock()
	c.idle = false
	if !ok {
		c.stopped = true
	}
}

// judge says whether this is the end.
func (s *Scheduler) judge() End {
	for i := range s.cpus {
		if !s.cpus[i].idle {
			return Stopped
		}
	}
	switch {
	case len(s.sleepers) > 0 || s.news || s.holding || !s.console.Flushed():
		return Stopped
	case s.line != nil && s.full:
		return Deaf
	case s.ended:
		return AtRest
	}
	return Stopped
}

// Interrupt tells that the console has something new. Anyone may call it but the machine and the console from
// within a call of the scheduler.
func (s *Scheduler) Interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news = true
	if wanted := s.holding || s.line == nil && !s.ended; !s.wakeIdle() && wanted {
		s.machine.Preempt(0)
	}
}

// Alarm is when the first timer of a vCPU that is blocked fires. A run that goes on for longer is to end then.
func (s *Scheduler) Alarm() uint64 { return s.alarm.Load() }

// find returns a vCPU, or nil.
func (s *Scheduler) find(id, index uint16) *vcpu {
	m := s.vm(id)
	if m == nil || int(index) >= len(m.vcpus) {
		return nil
	}
	return &m.vcpus[index]
}

func (s *Scheduler) vm(id uint16) *vm {
	for i := range s.vms {
		if s.vms[i].id == id {
			return &s.vms[i]
		}
	}
	return nil
}

func (v *vcpu) String() string { return fmt.Sprintf("vCPU %d of VM %d", v.index, v.vm.id) }
