package scheduler

import (
	"cmp"
	"slices"
)

// state is where a vCPU stands for the scheduler.
type state uint8

const (
	blocked state = iota // not to be run; so is one that was never switched on
	ready                // in the queue
	running              // on a CPU, or about to be
	dead                 // its VM aborted
)

// vcpu is a vCPU of a secondary.
type vcpu struct {
	vm       *vm
	index    uint16
	number   int // among all vCPUs
	state    state
	receives bool   // when it last blocked, that was until there is a message
	woken    bool   // it was to be woken while it was running: what it does next may come too early
	deadline uint64 // blocked: when its timer fires, or Never
	cpu      int    // that ran it last
}

// vm is a secondary.
type vm struct {
	id    uint16
	vcpus []vcpu
	dead  bool
	gave  bool // it sent memory to the primary
}

// wake lets v run, or run anew if it is running, so that it sees what has changed.
func (s *Scheduler) wake(v *vcpu) {
	switch v.state {
	case blocked:
		if v.deadline != Never {
			s.sleepers.remove(v)
			s.alarm.Store(s.sleepers.first())
		}
		s.makeReady(v)
	case running:
		v.woken = true
		s.machine.Preempt(v.cpu)
	}
}

func (s *Scheduler) makeReady(v *vcpu) {
	v.state = ready
	s.queue.add(v)
}

// block takes v, which ran, off the CPU until it is woken, or for ns if that is not 0. If it was woken in
// the meantime it runs again: it may have blocked just before.
func (s *Scheduler) block(v *vcpu, ns uint64) {
	if v.woken {
		s.makeReady(v)
		return
	}
	v.state = blocked
	if now := s.machine.Now(); ns != 0 && ns < Never-now {
		v.deadline = now + ns
		s.sleepers.add(v)
		s.alarm.Store(s.sleepers.first())
		if s.sleepers[0] == v {
			s.wakeIdle() // which waits for a later time
		}
	}
}

// expire wakes those whose time has come.
func (s *Scheduler) expire() {
	if len(s.sleepers) == 0 {
		return
	}
	for now := s.machine.Now(); s.sleepers.first() <= now; {
		s.wake(s.sleepers[0])
	}
}

// sleepers are the blocked vCPUs with a deadline, the first one first.
type sleepers []*vcpu

func (q *sleepers) add(v *vcpu) {
	i, _ := slices.BinarySearchFunc(*q, v.deadline, func(v *vcpu, t uint64) int { return cmp.Compare(v.deadline, t) })
	*q = slices.Insert(*q, i, v)
}

func (q *sleepers) remove(v *vcpu) {
	v.deadline = Never
	i := slices.Index(*q, v)
	*q = slices.Delete(*q, i, i+1)
}

// first is the first deadline, or Never.
func (q sleepers) first() uint64 {
	if len(q) == 0 {
		return Never
	}
	return q[0].deadline
}
