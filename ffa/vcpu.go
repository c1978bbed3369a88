package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// runState is where a secondary's vCPU stands between two runs.
type runState uint8

// The run states. Every one but running means that no pCPU owns the vCPU.
const (
	off              runState = iota // until CPU_ON
	ready                            // has work to do
	running                          // on the pCPU of vcpu.runner
	waitingMessage                   // blocked in a receiving call, which has no result yet
	waitingInterrupt                 // blocked in WFI or CPU_SUSPEND
	blocked                          // in a direct request that callee serves
	aborted                          // for good
)

// vcpu is a vCPU with what the core knows of it. The primary's vCPUs have no state: nobody runs them.
type vcpu struct {
	*hypercall.VCPU
	vm    *partition
	state runState
	irqs  virqs

	runner  *vcpu // running: the primary's vCPU whose pCPU it has
	lender  abi   // running: how the runner's call is answered
	waiting abi   // waitingMessage: how its own call is answered
	kicked  bool  // it does not block the next time
	untimed bool  // blocked with no timer armed, which only the vCPU itself could change
	untold  bool  // it woke, and the primary does not know: see Core.Wake

	// Direct requests of FF-A: see chain.go.
	model   runtimeModel
	caller  *vcpu // whose request it serves, or nil
	callee  *vcpu // that serves its request, or nil
	kind    requestKind
	queued  bool  // its request is in mail until it waits for one
	exiting uint8 // preemptions that its request has outlived since it was asked to end that
	mail    [hypercall.NumRegs]uint64

	// Framework messages: see framework.go and power.go.
	framework frameworkKind // that it serves, before any request
	about     uint16        // the VM that the message is about
	dying     bool          // its VM is dead, and it has the pCPU, or waits for it, until everybody knows
	unpowered bool          // off, with its pCPU
	telling   uint16        // of the primary: the next VM to tell that its pCPU goes off
	kept      bool          // of the primary: one did not agree

	line line

	notified   vcpuNotifications
	sriDelayed bool // of the primary: it is interrupted when it has its pCPU back
}

// stopped reports whether v has something to do or could have, and nobody runs it.
func (v *vcpu) stopped() bool {
	return !v.vm.aborting && (v.state == ready || v.state == waitingInterrupt)
}

// begin switches v on, which is off: it is ready to start at b.
func (v *vcpu) begin(b hypercall.Boot) {
	v.state, v.model, v.waiting, v.unpowered = ready, theInitialModel, nil, false
	v.Reset(b)
}

// leave gives the pCPU back to the primary vCPU that lent it, whose call is answered with res. It is
// the last thing done to v by its pCPU: the results of v's own call must be in its registers before
// the core is unlocked.
func (v *vcpu) leave(next runState, res runResult) hypercall.Outcome {
	runner, lender := v.runner, v.lender
	v.state, v.runner, v.lender = next, nil, nil
	if blocks := res.kind == runWFI || res.kind == runMessageWait; blocks && v.vm.untold > 0 && !v.serves() {
		if u := v.vm.tell(); u != nil {
			res = runResult{kind: runWakeUp, vcpu: u.ID}
		}
	}
	if res.vcpu == v.ID { // the primary knows the head of the chain alone
		res.vcpu, res.serves = v.head().ID, v.serves()
	}
	if o := v.vm.core.observer; o != nil {
		observeLeave(o, v, runner, &res)
	}
	lender.putRun(&runner.Regs, res)
	v.vm.core.sriOfReturn(runner)
	return hypercall.Outcome{Action: hypercall.Leave}
}

// idleLimit is the longest, in ns, that a vCPU with a GIC is said to have nothing to do: nobody tells the core of
// interrupts that its devices and its siblings raise.
const idleLimit = 10e6

// block leaves until something happens that lets v run again. The primary learns when v's timer will
// fire; if it has fired already, v was only preempted.
func (c *Core) block(v *vcpu, next runState, kind runKind) hypercall.Outcome {
	res := runResult{kind: kind, vcpu: v.ID}
	ns, armed := c.timer.Remaining(v.ID)
	if armed {
		if res.ns = ns; ns == 0 {
			res.kind = runPreempted
		}
	}
	v.untimed = !armed
	if v.vm.ffa.GIC && kind == runWFI && res.kind == runWFI && (!armed || ns > idleLimit) {
		res.ns = idleLimit
	}
	return v.leave(next, res)
}
