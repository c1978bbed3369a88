package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// status is how a call of the core went.
type status uint8

// The statuses. serveWaiters is a success, told to the primary alone: it must serve the waiters of its
// own mailbox.
const (
	success status = iota
	serveWaiters
	notSupported
	invalid
	busy
	interrupted
	denied
	retry
	noMemory
	isAborted
	noData
)

// runKind says why a vCPU that was to be run does not run, or no longer.
type runKind uint8

// The kinds of run results.
const (
	runRefused     runKind = iota // status says why; the vCPU never ran
	runPreempted                  // still has work to do
	runYielded                    // still has work to do, others may come first
	runMessageWait                // blocked until a message, an interrupt, or for ns
	runWFI                        // blocked until an interrupt, or for ns
	runMessage                    // sent a message from vcpu's VM to VM receiver
	runWaiters                    // vcpu's VM made its mailbox writable, others wait for that
	runWakeUp                     // vCPU vcpu, another one, must be run
	runAborted                    // vcpu's VM is dead
	runAnswered                   // responded to the direct request; the response is the result
)

// runResult answers the primary's call that runs a vCPU.
type runResult struct {
	kind     runKind
	status   status
	vcpu     hypercall.VCPUID // the vCPU of the call; for runWakeUp the one to wake
	receiver uint16           // runMessage: a VM
	taker    *hypercall.VCPU  // runMessage: the receiver's vCPU that took it as it was sent, or nil
	size     uint32           // runMessage: bytes, told only if the receiver is the primary
	memory   bool             // runMessage: told with the size
	serves   bool             // vcpu serves a direct request
	ns       uint64           // runMessageWait, runWFI: until the timer fires, 0 = there is none
}

func refused(s status) runResult { return runResult{kind: runRefused, status: s} }

// message is what a receiving call brings.
type message struct {
	sender, receiver uint16 // VMs
	size             uint32 // bytes in the receiver's RX page
	memory           bool   // it describes memory that changed hands
}

// abi is the half of a personality that answers calls of a vCPU long after they were made. Each
// method puts a result in the registers of a stopped vCPU.
type abi interface {
	putRun(r *hypercall.Regs, res runResult) // of a call to run a vCPU
	putMessage(r *hypercall.Regs, m message) // of a receiving call
	putInterrupted(r *hypercall.Regs)        // of a receiving call that an interrupt ended
}
