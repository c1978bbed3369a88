package scheduler

import "fmt"

// receive takes a message of a secondary. While the console has no room for it, it stays in the receive page,
// so that whoever sends next waits.
func (s *Scheduler) receive(c *cpu, from *vm, res result) {
	if res.memory {
		if !from.gave { // or it could fill the log
			from.gave = true
			s.log(fmt.Sprintf("VM %d sends memory, with which the scheduler does nothing", from.id))
		}
		s.release(c)
		return
	}
	s.holding, s.held = true, min(res.size, MaxMessage)
	s.answer(c)
}

// answer gives the console what is in the receive page, if it takes it now.
func (s *Scheduler) answer(c *cpu) {
	if s.console.Answer(s.box.RX[:s.held]) {
		s.holding = false
		s.release(c)
	}
}

// release empties the receive page and tells those who wait for that.
func (s *Scheduler) release(c *cpu) {
	if s.abi.release(c) {
		s.notify(c, s.self)
	}
}

// serveConsole does what the console has become ready for: it takes what is held, and has lines to send.
func (s *Scheduler) serveConsole(c *cpu) {
	for s.news && !c.stopped {
		s.news = false
		if s.holding {
			s.answer(c)
		}
		if s.line == nil && !s.ended {
			s.line, s.ended = s.console.Line()
		}
		if s.line != nil && !s.full {
			s.send(c)
		}
	}
}

// send sends the line to the first secondary, or waits until that takes it.
func (s *Scheduler) send(c *cpu) {
	to := &s.vms[0]
	sent, taker := s.abi.send(c, s.self, to.id, copy(s.box.TX, s.line))
	if !sent {
		s.full = true
		return
	}
	s.line, s.news = nil, true // there may be another
	if v := s.find(to.id, taker); v != nil {
		s.wake(v)
	} else {
		s.deliver(c, to)
	}
}
