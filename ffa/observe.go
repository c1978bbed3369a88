package ffa

import (
	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/hypercall"
)

// Observer is told what the primary does as a scheduler and what it is told. It is called with the core
// locked, so one event at a time, and must not call the core. The time of an event is its own to fill in.
type Observer interface {
	Observe(e duty.Event)
}

// observedResults is what an observer is told of each kind of run result.
var observedResults = [...]duty.Result{
	runRefused:     duty.Refused,
	runPreempted:   duty.Interrupted,
	runYielded:     duty.Yielded,
	runMessageWait: duty.MessageWait,
	runWFI:         duty.WaitForInterrupt,
	runMessage:     duty.Message,
	runWaiters:     duty.Waiters,
	runWakeUp:      duty.WakeUp,
	runAborted:     duty.Aborted,
	runAnswered:    duty.MessageWait,
}

// run serves the primary's call to run a vCPU of a secondary.
func (c *Core) run(v *vcpu, p *partition, index uint64, lender abi) (runResult, hypercall.Outcome) {
	res, out := c.lend(v, p, index, lender)
	if c.observer != nil && v.vm.index == primary && p != nil && p.index != primary && p.find(index) != nil {
		e := duty.Event{Kind: duty.Ran, By: v.ID, VCPU: hypercall.VCPUID{VM: p.index, Index: uint16(index)}, Other: res.vcpu, NS: res.ns}
		switch {
		case out.Action == hypercall.Enter:
		case res.status == busy:
			e.Result = duty.Busy
		default:
			e.Result = observedResults[res.kind]
		}
		c.observer.Observe(e)
	}
	return res, out
}

// observeLeave tells of v, which runner ran, that its run ended with res.
func observeLeave(o Observer, v, runner *vcpu, res *runResult) {
	e := duty.Event{Kind: duty.Left, By: runner.ID, VCPU: v.ID, Result: observedResults[res.kind], NS: res.ns}
	switch res.kind {
	case runWakeUp:
		e.Other = res.vcpu
	case runMessage:
		e.Other.VM = res.receiver
	}
	o.Observe(e)
}
