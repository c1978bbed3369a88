package ffa

import (
	"encoding/binary"

	"github.com/hfvmm/hfvmm/hypercall"
)

// The calls of SPCI itself.

func (s *spci) version(v *vcpu, _ spciArgs) hypercall.Outcome {
	put(&v.Regs, spciSuccess)
	v.Regs.SetX(2, spciVersion09)
	return hypercall.Outcome{}
}

// features knows what Hafnium of that day knew, and denies what it served beside that.
func (s *spci) features(v *vcpu, a spciArgs) hypercall.Outcome {
	switch hypercall.FuncID(a[1]) {
	case spciError, spciSuccess, spciIDGet, spciYield, spciVersion, spciFeatures, spciMsgSend, spciMsgPoll, spciMsgWait:
		putStatus(&v.Regs, success)
	default:
		putStatus(&v.Regs, notSupported)
	}
	return hypercall.Outcome{}
}

func (s *spci) rxRelease(v *vcpu, _ spciArgs) hypercall.Outcome {
	st, out := s.release(v)
	putStatus(&v.Regs, st)
	return out
}

func (s *spci) rxtxMap(v *vcpu, a spciArgs) hypercall.Outcome {
	if uint32(a[3]) != 1 {
		putStatus(&v.Regs, invalid)
		return hypercall.Outcome{}
	}
	st, out := s.configure(v, a[1], a[2])
	putStatus(&v.Regs, st)
	return out
}

// partitionInfoGet knows no UUID but the nil one, which asks for all partitions.
func (s *spci) partitionInfoGet(v *vcpu, a spciArgs) hypercall.Outcome {
	if uint32(a[1]|a[2]|a[3]|a[4]) != 0 {
		putStatus(&v.Regs, invalid)
		return hypercall.Outcome{}
	}
	rx, st := s.fill(v)
	putStatus(&v.Regs, st)
	if st != success {
		return hypercall.Outcome{}
	}
	for i := range s.vms {
		p := &s.vms[i]
		e := rx[i*spciInfoSize:]
		binary.LittleEndian.PutUint16(e, uint16(spciID(p.index)))
		binary.LittleEndian.PutUint16(e[2:], uint16(s.vcpuCount(p)))
		binary.LittleEndian.PutUint32(e[4:], 0) // properties
	}
	v.Regs.SetX(2, uint64(len(s.vms)))
	return hypercall.Outcome{}
}

func (s *spci) idGet(v *vcpu, _ spciArgs) hypercall.Outcome {
	put(&v.Regs, spciSuccess)
	v.Regs.SetX(2, spciID(v.vm.index))
	return hypercall.Outcome{}
}

func (s *spci) msgPoll(v *vcpu, _ spciArgs) hypercall.Outcome { return s.receiving(v, false) }
func (s *spci) msgWait(v *vcpu, _ spciArgs) hypercall.Outcome { return s.receiving(v, true) }

func (s *spci) receiving(v *vcpu, block bool) hypercall.Outcome {
	m, st, out := s.receive(v, block, s)
	switch {
	case out.Action == hypercall.Leave: // answered when v runs again
	case st == success:
		s.putMessage(&v.Regs, m)
	default:
		putStatus(&v.Regs, st)
	}
	return out
}

func (s *spci) yielding(v *vcpu, _ spciArgs) hypercall.Outcome {
	putStatus(&v.Regs, success)
	return s.yield(v)
}

func (s *spci) running(v *vcpu, a spciArgs) hypercall.Outcome {
	vm, index := a.pair()
	res, out := s.run(v, s.vm(vm), index, s)
	if out.Action != hypercall.Enter {
		s.putRun(&v.Regs, res)
	}
	return out
}

func (s *spci) msgSend(v *vcpu, a spciArgs) hypercall.Outcome {
	from, to := a.pair()
	size, attributes := uint64(uint32(a[3])), uint32(a[4])
	st, out := invalid, hypercall.Outcome{}
	switch {
	case from != spciID(v.vm.index):
	case attributes&spciMemory != 0:
		st, out = s.sendMemory(v, s.vm(to), size, attributes&spciNotify != 0)
	default:
		st, _, out = s.send(v, s.vm(to), size, attributes&spciNotify != 0)
	}
	putStatus(&v.Regs, st)
	return out
}
