package ffa

import (
	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// The calls of FF-A by which an endpoint finds out what there is, and sets up its buffers.

// negotiate settles on the smaller of the caller's version and that of the machine, which it returns. Once the caller
// has used its version it keeps it.
func (s *ffa) negotiate(p *partition, wants wire.Version) (wire.Version, bool) {
	if wants>>16 != s.offered>>16 { // bit 31 is among these and must be zero
		return 0, false
	}
	v := min(wants, s.offered)
	if p.ffa.versionLocked && v != p.version {
		return 0, false
	}
	p.version, p.ffa.asked = v, true
	return s.offered, true
}

func (s *ffa) version(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	own, ok := s.negotiate(v.vm, wire.Version(a[1]))
	x0 := uint64(own)
	if !ok {
		x0 = notSupported32
	}
	putFFA(&v.Regs, hypercall.FuncID(x0), 0, 0, 0)
	return hypercall.Outcome{}
}

// notSupported32 is -1 in w0.
const notSupported32 = 1<<32 - 1

// features says of a function whether the caller may call it, and of an interrupt which INTID it has.
func (s *ffa) features(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	id := hypercall.FuncID(a[1])
	if id < hypercall.FuncID(1<<31) {
		s.interruptFeature(v, uint32(id))
		return hypercall.Outcome{}
	}
	call := findFFA(id)
	switch {
	case id&^hypercall.SMC64 == ffaSuccess, id == ffaError, id == ffaInterrupt: // what calls return
		putFFAStatus(&v.Regs, success)
	case call == nil || !call.serves(v):
		putFFAStatus(&v.Regs, notSupported)
	case v.vm.version < v12 && call.feature>>16 != 0: // the field for the largest buffer is new
		putFFA(&v.Regs, ffaSuccess, 0, uint64(uint16(call.feature)), 0)
	default:
		putFFA(&v.Regs, ffaSuccess, 0, uint64(call.feature), 0)
	}
	return hypercall.Outcome{}
}

func (s *ffa) interruptFeature(v *vcpu, feature uint32) {
	intid, e := uint32(0), &v.vm.ffa
	switch feature {
	case featureNPI:
		intid = e.NPI
	case featureSRI:
		intid = e.SRI
	case featureME:
		if e.ManagedExit {
			intid = ManagedExitIRQ
		}
	}
	if intid == 0 || v.vm.version < v11 {
		putFFAStatus(&v.Regs, notSupported)
		return
	}
	putFFA(&v.Regs, ffaSuccess, 0, uint64(intid), 0)
}

func (s *ffa) idGet(v *vcpu, _ hypercall.FuncID, _ ffaArgs) hypercall.Outcome {
	putFFA(&v.Regs, ffaSuccess, 0, uint64(v.vm.ffa.ID), 0)
	return hypercall.Outcome{}
}

func (s *ffa) spmIDGet(v *vcpu, _ hypercall.FuncID, _ ffaArgs) hypercall.Outcome {
	putFFA(&v.Regs, ffaSuccess, 0, ffaSPMC, 0)
	return hypercall.Outcome{}
}

func (s *ffa) rxtxMap(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	putFFAStatus(&v.Regs, s.mapBuffers(v.vm, a[1], a[2], uint64(uint32(a[3]))))
	return hypercall.Outcome{}
}

// mapBuffers gives p its mailbox: buffers of so many pages each, in memory that it owns alone.
func (c *Core) mapBuffers(p *partition, tx, rx, pages uint64) status {
	if p.box.rx != nil {
		return denied
	}
	size := pages * PageSize
	if pages == 0 || pages > maxMailboxPages || tx%PageSize != 0 || rx%PageSize != 0 || tx < rx+size && rx < tx+size {
		return invalid
	}
	spans := [2]Span{{tx, size}, {rx, size}}
	for _, s := range spans {
		if a, ok := c.pages.claim(s); !ok || !a.exclusive(p.index) || a.own&Write == 0 {
			return invalid
		}
	}
	txPages, rxPages := c.memory.Slice(tx, size), c.memory.Slice(rx, size)
	if txPages == nil || rxPages == nil {
		return invalid
	}
	if st := c.protect(p, spans[1]); st != success {
		return st
	}
	p.box.tx, p.box.rx, p.box.spans, p.box.state = txPages, rxPages, spans, boxEmpty
	return success
}

func (s *ffa) rxtxUnmap(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	b, st := &v.vm.box, invalid
	if a[1] == 0 && b.rx != nil {
		st = s.unprotect(v.vm)
	}
	if st == success {
		b.tx, b.rx, b.spans, b.state, b.got = nil, nil, [2]Span{}, boxEmpty, message{}
		v.vm.notifications.framework = 0
	}
	putFFAStatus(&v.Regs, st)
	return hypercall.Outcome{}
}

// rxRelease empties the caller's RX buffer.
func (s *ffa) rxRelease(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	b, st := &v.vm.box, success
	switch {
	case a[1] != 0:
		st = invalid
	case b.state != boxRead || v.vm.notifications.framework != 0: // nothing there, or not noticed
		st = denied
	default:
		b.drop()
	}
	putFFAStatus(&v.Regs, st)
	return hypercall.Outcome{}
}

// callHafnium serves Hafnium's own calls, which return one number in x0: failed where there is no such call.
func (s *ffa) callHafnium(v *hypercall.VCPU, fn hypercall.FuncID) hypercall.Outcome {
	x0 := failed
	s.mu.Lock()
	u := s.caller(v)
	switch fn {
	case hafInterruptEnable:
		if u.irqs.enable(v.Regs.X(1), v.Regs.X(2) != 0) {
			x0 = 0
		}
	case hafInterruptGet:
		x0 = uint64(u.irqs.take())
	}
	s.mu.Unlock()
	v.Regs.SetX(0, x0)
	return hypercall.Outcome{}
}
