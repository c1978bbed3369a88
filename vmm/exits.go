package vmm

import (
	"errors"
	"syscall"

	"github.com/hfvmm/hfvmm/devices"
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// exit serves the end of a KVM_RUN of v. ok is false when the machine cannot go on.
func (p *pcpu) exit(v *vcpu, err error) (out hypercall.Outcome, ok bool) {
	v.unfinished = false
	if err == syscall.EINTR || err == syscall.EAGAIN {
		return p.interrupted(v), true
	}
	if err != nil {
		return p.broken(v, err)
	}
	switch v.kvm.Exit() {
	case kvmarm.ExitHypercall:
		fn, flags := v.kvm.Hypercall()
		conduit := hypercall.HVC
		if flags&kvmarm.HypercallSMC != 0 {
			conduit = hypercall.SMC
		}
		if v == p.home && hypercall.FuncID(fn) == hypercall.PSCICPUOff {
			return p.powerOff()
		}
		return v.vm.table.Dispatch(&v.VCPU, hypercall.FuncID(fn), conduit), true
	case kvmarm.ExitMMIO:
		if v == p.home {
			v.unfinished = true
			return out, p.mmio(v)
		}
		if b := v.vm.board; b != nil && v.onBus(&b.bus) {
			v.unfinished = true
			return out, true
		}
		a := v.kvm.MMIO()
		return p.abort(v, a.Addr, access(a.Write)), true
	case kvmarm.ExitARMNISV:
		iss, ipa := v.kvm.NISV()
		if v == p.home {
			v.unfinished = true
			return out, p.externalAbort(v)
		}
		return p.abort(v, ipa, access(iss&issWnR != 0)), true
	case kvmarm.ExitSystemEvent: // home was suspended and has an interrupt
		v.suspended = false
		if err := v.kvm.SetMPState(kvmarm.MPRunnable); err != nil {
			return p.broken(v, err)
		}
		return out, true
	case kvmarm.ExitDebug:
		return p.trapped(v), true
	case kvmarm.ExitIntr:
		return p.interrupted(v), true
	default:
		return p.broken(v, v.kvm.Failure())
	}
}

// issWnR tells a write from a read in the syndrome of a data abort (Arm DDI0487, ESR_EL1).
const issWnR = 1 << 6

// interrupted serves a KVM_RUN that ended without an exit: a kick, the Go runtime, the timer of
// a secondary, or the watcher that saw its WFI. Timer and requests are served before the next KVM_RUN.
func (p *pcpu) interrupted(v *vcpu) hypercall.Outcome {
	v.kvm.SetImmediateExit(false)
	if v != p.home && !v.timerFired && p.idleRun.Load() == p.runs.Load() {
		if out, aborted := p.externallyAborted(v); aborted {
			return out
		}
		if v.vm.gic == nil { // else the kernel must see whether its WFI has to wait
			v.breakAtLast(wfiBreakpoint)
		}
		return p.waitForInterrupt(v)
	}
	return hypercall.Outcome{}
}

// onBus serves v's access to a device of bus and reports whether there is one.
func (v *vcpu) onBus(bus *devices.Bus) bool {
	a := v.kvm.MMIO()
	if a.Write {
		return bus.Write(a.Addr, a.Len, a.Data)
	}
	x, ok := bus.Read(a.Addr, a.Len)
	if ok {
		v.kvm.SetMMIOData(x)
	}
	return ok
}

// mmio serves an access of the primary to a device. What is no device answers with an external
// abort, as on a machine where nothing claims the address.
func (p *pcpu) mmio(v *vcpu) bool {
	if v.onBus(&p.m.bus) {
		return true
	}
	a := v.kvm.MMIO()
	p.m.strays.warn(p.m.log, "the primary touched an address where nothing is", "vcpu", v.ID.Index, "address", hex(a.Addr), "access", access(a.Write))
	return p.externalAbort(v)
}

func (p *pcpu) externalAbort(v *vcpu) bool {
	events, err := v.kvm.Events()
	if err == nil {
		events.ExtAbortPending = true
		err = v.kvm.SetEvents(events)
	}
	if err != nil {
		p.m.crash(v, err)
		return false
	}
	return true
}

// broken handles a vCPU that KVM cannot run any more: the end of the machine for the primary, of its
// VM for a secondary.
func (p *pcpu) broken(v *vcpu, err error) (hypercall.Outcome, bool) {
	if v == p.home {
		p.m.crash(v, err)
		return hypercall.Outcome{}, false
	}
	p.m.log.Error("secondary aborted", "vm", v.vm.name, "vcpu", v.ID.Index, "pc", hex(v.get(kvmarm.RegPC)), "error", err)
	return p.m.core.Abort(&v.VCPU), true
}

// errAllOff is the crash of a primary that nothing can wake.
var errAllOff = errors.New("the primary switched its last vCPU off")
