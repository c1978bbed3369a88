package pvsched

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Memory is the memory of the VM.
type Memory interface {
	// Word is the aligned word of RAM at ipa if the VM owns the StateSize bytes there and nothing else
	// of hfvmm writes them, such as a mailbox; otherwise nil.
	Word(ipa uint64) *atomic.Uint32
}

// Kicker ends the sleep of a vCPU.
type Kicker interface {
	// Kick ends the WFI in which vCPU index of the VM is, or which it is about to begin. v calls; its
	// registers hold the result already. The outcome is what becomes of v.
	Kick(v *hypercall.VCPU, index int) hypercall.Outcome
}

// Service serves one VM. Its methods may be called from several threads.
//
// The flag of a vCPU is truthful as far as hfvmm itself decides who runs: it is 1 from the vCPU's last
// instruction until hfvmm schedules it in again. What the scheduler of the host does with the thread
// is not in it.
type Service struct {
	memory Memory
	kicker Kicker
	states []state // by vCPU index
	mu     sync.Mutex
}

// state is the shared state of a vCPU.
type state struct {
	used atomic.Bool // word is not nil; a hint for those who do not hold the lock

	// Guarded by Service.mu.
	word *atomic.Uint32
	ipa  uint64
	by   int // the pCPU that last scheduled the vCPU in, or anyPCPU
}

// anyPCPU is what a vCPU runs on that has just registered its state.
const anyPCPU = -1

// New returns the service of a VM with so many vCPUs.
func New(vcpus int, memory Memory, kicker Kicker) (*Service, error) {
	if vcpus < 1 || memory == nil || kicker == nil {
		return nil, errors.New("pvsched: a VM needs a vCPU, memory and somebody who kicks its vCPUs")
	}
	return &Service{memory: memory, kicker: kicker, states: make([]state, vcpus)}, nil
}

// Ranges implements hypercall.Service.
func (*Service) Ranges() []hypercall.Range {
	return []hypercall.Range{{First: Features, Count: rangeSize}}
}

// Call implements hypercall.Service. Both conduits serve.
func (s *Service) Call(v *hypercall.VCPU, fn hypercall.FuncID, _ hypercall.Conduit) hypercall.Outcome {
	x0 := notSupported
	kick := -1
	switch fn {
	case Features:
		if f := hypercall.FuncID(v.Regs.W(1)); f >= Features && f <= KickCPU {
			x0 = success
		}
	case IPAInit:
		x0 = s.register(int(v.ID.Index), v.Regs.X(1))
	case IPARelease:
		s.Drop(v)
		x0 = success
	case KickCPU:
		if n := v.Regs.W(1); uint64(n) < uint64(len(s.states)) {
			x0, kick = success, int(n)
		}
	}
	v.Regs.SetX(0, x0)
	for n := 1; n <= 3; n++ {
		v.Regs.SetX(n, 0)
	}
	if kick < 0 || kick == int(v.ID.Index) {
		return hypercall.Outcome{}
	}
	return s.kicker.Kick(v, kick)
}

// register makes the word at ipa the flag of vCPU index, which runs, in place of the one it had.
func (s *Service) register(index int, ipa uint64) uint64 {
	if ipa%StateSize != 0 {
		return invalidParameter
	}
	word := s.memory.Word(ipa)
	if word == nil {
		return invalidParameter
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.states {
		if st := &s.states[i]; i != index && st.word != nil && st.ipa == ipa {
			return invalidParameter
		}
	}
	st := &s.states[index]
	st.word, st.ipa, st.by = word, ipa, anyPCPU
	st.used.Store(true)
	word.Store(running)
	return success
}

// Drop forgets the state of v, which is never written again. For a vCPU that is switched off, reset or
// aborted.
func (s *Service) Drop(v *hypercall.VCPU) {
	st := &s.states[v.ID.Index]
	if !st.used.Load() {
		return
	}
	s.mu.Lock()
	st.word = nil
	st.used.Store(false)
	s.mu.Unlock()
}

// Enter tells that the pCPU is about to run v.
func (s *Service) Enter(v *hypercall.VCPU, pcpu int) {
	st := &s.states[v.ID.Index]
	if !st.used.Load() {
		return
	}
	s.mu.Lock()
	if st.word != nil {
		st.by = pcpu
		st.word.Store(running)
	}
	s.mu.Unlock()
}

// Leave tells that the pCPU does not run v any more. It may come after another pCPU's Enter, and then
// says nothing new.
func (s *Service) Leave(v *hypercall.VCPU, pcpu int) {
	st := &s.states[v.ID.Index]
	if !st.used.Load() {
		return
	}
	s.mu.Lock()
	if st.word != nil && (st.by == pcpu || st.by == anyPCPU) {
		st.word.Store(preempted)
	}
	s.mu.Unlock()
}
