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
	aborted                          // for good
)

// vcpu is a vCPU with what the core knows of it. Of the primary's vCPUs only irqs is used.
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
}

// leave gives the pCPU back to the primary vCPU that lent it, whose call is answered with res. It is
// the last thing done to v by its pCPU: the results of v's own call must be in its registers before
// the core is unlocked.
func (v *vcpu) leave(next runState, res runResult) hypercall.Outcome {
	runner, lender := v.runner, v.lender
	v.state, v.runner, v.lender = next, nil, nil
	if o := v.vm.observer; o != nil {
		observeLeave(o, v, runner, &res)
	}
	lender.putRun(&runner.Regs, res)
	return hypercall.Outcome{Action: hypercall.Leave}
}

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
	return v.leave(next, res)
}
