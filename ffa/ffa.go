package ffa

import (
	"math"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// ffa is the personality of FF-A 1.0 to 1.2 (DEN0077A): its virtual instance for VMs, and for partitions that
// speak with it as secure ones do. Every VM negotiates its own version.
type ffa struct{ *Core }

// FFA returns the service of FF-A. It serves the primary and the secondaries, by HVC and SMC.
func (c *Core) FFA() hypercall.Service { return &ffa{c} }

// Identifiers that belong to FF-A in each of the two conventions, and Hafnium's own.
const (
	ffaCount = 0xA0
	hafFirst = hypercall.FuncID(0xFF00)
	hafCount = 0x10
)

// Ranges implements hypercall.Service.
func (*ffa) Ranges() []hypercall.Range {
	return []hypercall.Range{
		{First: ffaError, Count: ffaCount},
		{First: ffaError | hypercall.SMC64, Count: ffaCount},
		{First: hafFirst, Count: hafCount},
	}
}

// ffaArgs are the registers of a call that it takes arguments from, by number, cut to 32 bits for SMC32.
type ffaArgs [8]uint64

// pair returns the two 16-bit numbers in w1.
func (a *ffaArgs) pair() (high, low uint64) {
	return uint64(uint32(a[1]) >> 16), uint64(uint16(a[1]))
}

// uint64 returns the number in w[n] and w[n+1].
func (a *ffaArgs) uint64(n int) uint64 { return uint64(uint32(a[n])) | a[n+1]<<32 }

// Call implements hypercall.Service.
func (s *ffa) Call(v *hypercall.VCPU, fn hypercall.FuncID, _ hypercall.Conduit) hypercall.Outcome {
	if fn < hafFirst+hafCount {
		return s.callHafnium(v, fn)
	}
	call := findFFA(fn)
	if call == nil {
		putFFAError(&v.Regs, ffaNotSupported)
		return hypercall.Outcome{}
	}
	var a ffaArgs
	for i := range len(call.args) {
		n := call.args[i] - '0'
		a[n] = v.Regs.X(int(n))
		if fn&hypercall.SMC64 == 0 {
			a[n] &= math.MaxUint32
		}
	}
	s.mu.Lock()
	u := s.caller(v)
	out := s.serve(u, call, fn, a)
	s.mu.Unlock()
	if fn&^hypercall.SMC64 == ffaConsoleLog && out.Action == hypercall.Return { // u is still this thread's
		s.print(u)
	}
	return out
}

// serve serves a call with the core locked.
func (s *ffa) serve(u *vcpu, call *ffaCall, fn hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	if u.vm.aborting {
		return s.die(u)
	}
	if !call.serves(u) {
		putFFAError(&u.Regs, ffaNotSupported)
		return hypercall.Outcome{}
	}
	if fn != ffaVersion {
		u.vm.ffa.versionLocked = u.vm.ffa.asked
	}
	if !runtimeModels[u.model].allows(call.moves) {
		putFFAStatus(&u.Regs, denied)
		return hypercall.Outcome{}
	}
	return call.serve(s, u, fn, a)
}

// forms are the conventions in which a function can be called.
type forms uint8

const (
	form32 forms = 1 << iota
	form64
	bothForms = form32 | form64
)

// callers are those who may make a call.
type callers uint8

const (
	thePrimary callers = 1 << iota
	secondaries
	securePartitions // secondaries too
	everyone         = thePrimary | secondaries | securePartitions
	notThePrimary    = secondaries | securePartitions
)

// callerClass is which of them a VM is.
func (p *partition) callerClass() callers {
	switch {
	case p.index == primary:
		return thePrimary
	case p.ffa.Secure:
		return securePartitions
	}
	return secondaries
}

// ffaCall is a row of the table of calls. serve runs with the core locked.
type ffaCall struct {
	forms   forms
	since   wire.Version
	until   wire.Version // the version that removed it, or 0
	who     callers
	moves   moves  // what it would do to the calling vCPU's run state
	args    string // the digits of the registers that it takes arguments from, x1 to x7
	feature uint32 // w2 of FFA_FEATURES
	serve   func(s *ffa, v *vcpu, fn hypercall.FuncID, a ffaArgs) hypercall.Outcome
}

// findFFA finds the row that serves fn, which is an identifier of FF-A, or nil.
func findFFA(fn hypercall.FuncID) *ffaCall {
	n := fn&^hypercall.SMC64 - ffaError
	if n >= ffaCount {
		return nil
	}
	form := form32
	if fn&hypercall.SMC64 != 0 {
		form = form64
	}
	if call := &ffaCalls[n]; call.serve != nil && call.forms&form != 0 {
		return call
	}
	return nil
}

// serves reports whether v's VM, which has a role and a version, may make the call.
func (call *ffaCall) serves(v *vcpu) bool {
	version := v.vm.version
	return call.who&v.vm.callerClass() != 0 && version >= call.since && (call.until == 0 || version < call.until)
}
