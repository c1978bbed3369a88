package scheduler

import "math"

// Regs are x0 to x4 of a call, and then of its result.
type Regs [5]uint64

// Never is a time that does not come.
const Never = math.MaxUint64

// Machine is what the program runs on. CPUs are numbered from 0.
type Machine interface {
	// Call makes the call in r as a CPU does with HVC, and puts its result there. A call that runs a vCPU
	// returns when that run has ended. It is false once the machine stops.
	Call(cpu int, r *Regs) bool
	// Preempt ends the run in which another CPU is, or else the next one that it begins, at once.
	Preempt(cpu int)
	// Wait stops the CPU until Wake, which may have come before, or until Now has reached a time. It
	// is false once the machine stops.
	Wait(cpu int, until uint64) bool
	// Wake ends the Wait of a CPU.
	Wake(cpu int)
	// Now is the time in ns, of a clock that never goes back.
	Now() uint64
}

// Console is where messages to the first secondary come from and where those to the primary go. It calls
// [Scheduler.Interrupt] when there is something new. Its methods do not wait.
type Console interface {
	// Line gives the next message, at most MaxMessage bytes, nil if there is none now. ended says that
	// there will be no more.
	Line() (line []byte, ended bool)
	// Answer takes a copy of a message. It refuses, and interrupts later, while there is no room.
	Answer(message []byte) (taken bool)
	// Flushed reports whether everything that was taken has left.
	Flushed() bool
}

// MaxMessage is the size in bytes of the largest message, and of the two pages of a mailbox.
const MaxMessage = 4096

// Mailbox is memory of the primary that it uses as its mailbox.
type Mailbox struct {
	TX, RX       []byte // MaxMessage bytes each
	TXIPA, RXIPA uint64
}
