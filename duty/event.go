package duty

import "github.com/hfvmm/hfvmm/hypercall"

// Result is how a run of a vCPU ended.
type Result uint8

// The results. Entered stands for none yet.
const (
	Entered          Result = iota
	Refused                 // the vCPU is off or its VM is dead
	Busy                    // it runs on another pCPU
	Interrupted             // it still has work to do
	Yielded                 // so it has, but others may come first
	MessageWait             // it waits, for Event.NS at most
	WaitForInterrupt        // so it does
	Message                 // it sent a message to VM Event.Other.VM
	Waiters                 // its VM's mailbox became writable, and others wait for that
	WakeUp                  // vCPU Event.Other must be run
	Aborted                 // its VM is dead
)

func (r Result) String() string {
	return [...]string{"nothing", "ERROR INVALID_PARAMETERS", "ERROR BUSY", "INTERRUPT", "YIELD", "MSG_WAIT",
		"WAIT_FOR_INTERRUPT", "MSG_SEND", "RX_RELEASE", "WAKE_UP", "ERROR ABORTED"}[r]
}

// Kind says what happened.
type Kind uint8

// The kinds of events.
const (
	Ran      Kind = iota // primary vCPU By asked to run VCPU. Result says what came of it
	Left                 // VCPU, which By ran, gives the pCPU back with Result
	Sent                 // By sent a message to VM Other.VM
	Injected             // By raised INTID in VCPU
	Freed                // By was told that the primary's own mailbox became writable, and others wait for that
	Drained              // By asked for a VM that waits for the mailbox of VCPU.VM: Other.VM, if there is one (Found)
)

// Event is something that the primary did or was told.
type Event struct {
	Time   uint64 // ns, of a clock that never goes back
	Kind   Kind
	By     hypercall.VCPUID
	VCPU   hypercall.VCPUID
	Other  hypercall.VCPUID
	Result Result
	NS     uint64 // MessageWait, WaitForInterrupt: until the timer fires, 0 = there is none
	INTID  uint64
	Found  bool
}
