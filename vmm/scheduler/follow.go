package scheduler

import "fmt"

// follow does what the end of a run of v demands. What the document "Scheduler VM expectations" says under
// each result stands in the words of package duty, whose rules they are.
func (s *Scheduler) follow(c *cpu, v *vcpu, res result) {
	switch res.kind {
	case refused:
		s.refused(v, res)
		return
	case aborted:
		s.aborted(v)
		return
	case receives: // MSG_WAIT: not to be run before an injection, a message, a wake-up or its time
		v.receives = true
		s.block(v, res.ns)
		return
	case sleeps: // WAIT_FOR_INTERRUPT: the same, but for the message
		v.receives = false
		s.block(v, res.ns)
		return
	case sent: // MSG_SEND: run a vCPU of the receiver
		if res.vm == s.self {
			s.receive(c, v.vm, res)
		} else if to := s.vm(res.vm); to != nil {
			s.deliver(c, to)
		}
	case freed: // RX_RELEASE: notify all waiters
		s.notify(c, v.vm.id)
	case wakes: // WAKE_UP: wake it, or preempt and run it again
		if u := s.find(res.vm, res.index); u != nil {
			s.wake(u)
		}
	}
	// INTERRUPT, YIELD: run it again. All others: as usual.
	if s.policy == FIFO {
		c.current = v
	} else {
		s.makeReady(v)
	}
}

// refused serves a run that did not take place: the vCPU is off, or has nothing to wake it, or its VM is
// dead. It keeps what it waits for. Any other reason should not be, and is logged.
func (s *Scheduler) refused(v *vcpu, res result) {
	const invalid = -2
	if int32(res.code) != invalid {
		s.log(fmt.Sprintf("the run of %v returned %#x", v, res.code))
	}
	if v.vm.dead {
		v.state = dead
		return
	}
	s.block(v, 0)
}

// aborted serves ABORTED: the other vCPUs of the VM are woken, v never runs again.
func (s *Scheduler) aborted(v *vcpu) {
	v.state, v.vm.dead = dead, true
	for i := range v.vm.vcpus {
		s.wake(&v.vm.vcpus[i])
	}
}

// deliver makes a vCPU of a VM run that has got a message: one that waits for it, if there is one. Otherwise
// the VM is interrupted, as it may have chosen to be, and vCPU 0 looks after it unless another does.
func (s *Scheduler) deliver(c *cpu, to *vm) {
	for i := range to.vcpus {
		if v := &to.vcpus[i]; v.state == blocked && v.receives {
			s.wake(v)
			return
		}
	}
	seen := false
	for i := range to.vcpus {
		switch v := &to.vcpus[i]; v.state {
		case ready:
			seen = true
		case running: // each may have begun to wait, and the scheduler not know it yet
			v.woken, seen = true, true
		}
	}
	if s.abi.inject(c, to.id, 0, mailboxReadable) || !seen {
		s.wake(&to.vcpus[0])
	}
}

// notify tells all who wait for the mailbox of VM id that it is writable: the primary itself, and secondaries
// by an interrupt. It is the VM that waits, and not one of its vCPUs: each is told.
func (s *Scheduler) notify(c *cpu, id uint16) {
	for {
		waiter, ok := s.abi.waiter(c, id)
		if !ok {
			break
		}
		if m := s.vm(waiter); m != nil {
			for i := range m.vcpus {
				s.inject(c, &m.vcpus[i], mailboxWritable)
			}
		}
	}
	for {
		id, ok := s.abi.writable(c)
		if !ok {
			return
		}
		if id == s.vms[0].id {
			s.full, s.news = false, true
		}
	}
}

// inject raises an interrupt in v and lets it run if that changes anything for it.
func (s *Scheduler) inject(c *cpu, v *vcpu, intid uint64) {
	if s.abi.inject(c, v.vm.id, v.index, intid) {
		s.wake(v)
	}
}
