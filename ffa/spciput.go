package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// The results of SPCI calls in registers. A result sets the registers that it defines and leaves the
// others as they were (DEN0028 §2.6), because each one set may cost a system call.

func put(r *hypercall.Regs, fn hypercall.FuncID) { r.SetX(0, uint64(fn)) }

func putError(r *hypercall.Regs, code int64) {
	put(r, spciError)
	r.SetX(2, uint64(code))
}

func putStatus(r *hypercall.Regs, s status) {
	switch s {
	case success:
		put(r, spciSuccess)
	case serveWaiters:
		put(r, spciRXRelease)
	default:
		putError(r, spciCodes[s])
	}
}

// putRun implements abi.
func (*spci) putRun(r *hypercall.Regs, res runResult) {
	switch res.kind {
	case runRefused:
		putStatus(r, res.status)
	case runPreempted:
		put(r, spciInterrupt)
		r.SetX(1, spciVCPU(res.vcpu))
	case runYielded:
		put(r, spciYield)
		r.SetX(1, spciVCPU(res.vcpu))
	case runMessageWait:
		put(r, spciMsgWait)
		r.SetX(1, spciVCPU(res.vcpu))
		r.SetX(2, res.ns)
	case runWFI:
		put(r, hfRunWFI)
		r.SetX(1, spciVCPU(res.vcpu))
		r.SetX(2, res.ns)
	case runMessage:
		put(r, spciMsgSend)
		r.SetX(1, spciPair(spciID(res.vcpu.VM), spciID(res.receiver)))
		r.SetX(3, uint64(res.size))
		if res.receiver == primary {
			r.SetX(4, spciAttributes(res.memory))
		}
	case runWaiters:
		put(r, spciRXRelease)
	case runWakeUp:
		put(r, hfRunWakeUp)
		r.SetX(1, spciVCPU(res.vcpu))
	case runAborted:
		putError(r, spciAborted)
	}
}

func spciAttributes(memory bool) uint64 {
	if memory {
		return spciMemory
	}
	return 0
}

// putMessage implements abi.
func (*spci) putMessage(r *hypercall.Regs, m message) {
	put(r, spciMsgSend)
	r.SetX(1, spciPair(spciID(m.sender), spciID(m.receiver)))
	r.SetX(3, uint64(m.size))
	r.SetX(4, spciAttributes(m.memory))
}

// putInterrupted implements abi.
func (*spci) putInterrupted(r *hypercall.Regs) { putStatus(r, interrupted) }
