package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// The results of the interface of January 2019: everything is packed into x0.

func janStatus(st status) uint64 {
	switch st {
	case success:
		return 0
	case serveWaiters:
		return 1
	}
	return failed
}

func janVM(vm uint16, ok bool) uint64 {
	if !ok {
		return failed
	}
	return uint64(vm)
}

// packRun encodes a run result. The interface has no word for a VM that aborted, nor for any reason not to
// run a vCPU: such a vCPU waits for an interrupt.
func packRun(res runResult) uint64 {
	switch res.kind {
	case runPreempted:
		return janPreempted
	case runYielded:
		return janYield
	case runMessageWait, runWFI:
		if res.ns != 0 {
			return janSleep | min(res.ns, janSleepMax)<<8
		}
	case runMessage:
		switch {
		case res.receiver == primary:
			return janMessage | uint64(res.size)<<32
		case res.taker == nil:
			return packWakeUp(res.receiver, janNoVCPU)
		}
		return packWakeUp(res.receiver, res.taker.ID.Index)
	case runWaiters:
		return janNotifyWaiters
	case runWakeUp:
		return packWakeUp(res.vcpu.VM, res.vcpu.Index)
	}
	return janWaitForInterrupt
}

func packWakeUp(vm, index uint16) uint64 {
	return janWakeUp | uint64(index)<<16 | uint64(vm)<<32
}

// packMessage has the sender in [31:0] and the size in [63:32].
func packMessage(m message) uint64 { return uint64(m.sender) | uint64(m.size)<<32 }

// putRun implements abi.
func (*hf) putRun(r *hypercall.Regs, res runResult) { r.SetX(0, packRun(res)) }

// putMessage implements abi.
func (*hf) putMessage(r *hypercall.Regs, m message) { r.SetX(0, packMessage(m)) }

// putInterrupted implements abi.
func (*hf) putInterrupted(r *hypercall.Regs) { r.SetX(0, janNoVM) }
