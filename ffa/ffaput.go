package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// The results of FF-A calls in registers: x0 to x7 are all set, those that a result does not define to zero, and x8 to
// x17 only by results that have them (DEN0077A §12.1).

func putFFA(r *hypercall.Regs, fn hypercall.FuncID, x1, x2, x3 uint64) {
	r.SetX(0, uint64(fn))
	r.SetX(1, x1)
	r.SetX(2, x2)
	r.SetX(3, x3)
	for n := 4; n < 8; n++ {
		r.SetX(n, 0)
	}
}

// putFFAError has its code in w2, of which the upper half of x2 is no part.
func putFFAError(r *hypercall.Regs, code int64) {
	putFFA(r, ffaError, 0, uint64(uint32(code)), 0)
}

func putFFAStatus(r *hypercall.Regs, st status) {
	if st == success {
		putFFA(r, ffaSuccess, 0, 0, 0)
		return
	}
	putFFAError(r, ffaCodes[st])
}

// ffaVCPU packs the ids of a VM and its vCPU as w1 has them.
func (s *ffa) ffaVCPU(id hypercall.VCPUID) uint64 {
	return uint64(s.vms[id.VM].ffa.ID)<<16 | uint64(id.Index)
}

func (s *ffa) ffaPair(from, to uint16) uint64 {
	return uint64(s.vms[from].ffa.ID)<<16 | uint64(s.vms[to].ffa.ID)
}

// putRun implements abi. A client of FF-A knows no vCPU that serves its request and waits for an interrupt: to it that
// is a vCPU that yields.
func (s *ffa) putRun(r *hypercall.Regs, res runResult) {
	id := s.ffaVCPU(res.vcpu)
	if res.kind == runWFI && res.serves {
		res.kind = runYielded
	}
	switch res.kind {
	case runRefused:
		putFFAStatus(r, res.status)
	case runPreempted, runWakeUp:
		putFFA(r, ffaInterrupt, id, 0, 0)
	case runYielded:
		putFFA(r, ffaYield, id, uint64(uint32(res.ns)), res.ns>>32)
	case runMessageWait:
		putFFA(r, ffaMsgWait, id, res.ns, 0)
	case runWFI:
		putFFA(r, hafRunWFI, id, res.ns, 0)
	case runMessage:
		putFFA(r, ffaMsgSend, s.ffaPair(res.vcpu.VM, res.receiver), 0, uint64(res.size))
	case runAborted:
		putFFAError(r, ffaAborted)
	}
}

// putMessage implements abi.
func (s *ffa) putMessage(r *hypercall.Regs, m message) {
	putFFA(r, ffaMsgSend, s.ffaPair(m.sender, m.receiver), 0, uint64(m.size))
}

// putInterrupted implements abi.
func (*ffa) putInterrupted(r *hypercall.Regs) { putFFAStatus(r, interrupted) }
