package pvsched

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Memory is the memory of the VM.
type Memory interface {
	// Take returns the aligned word of RAM at ipa if the VM owns the StateSize bytes there and nothing else
	// of hfvmm writes them, such as a mailbox; otherwise nil. They are the VM's, at that address, until each Take of
	// them has had its Release.
	Take(ipa uint64) *atomic.Uint32
	// Release undoes a Take. Nobody writes the word any more.
	Release(ipa uint64)
}

// Kicker ends the sleep of a vCPU.
type Kicker interface {
	// Kick ends the WFI in which vCPU index of the VM is, or which it is about to begin. v calls; its
	// registers hold the result already. The outcome is what becomes of v.
	Kick(v *hypercall.VCPU, index int) hypercall.Outcome
}

// Tracker keeps the flag of what a pCPU runs while the host takes the pCPU away and gives it back.
type Tracker interface {
	// Handle returns the pCPU that runs v and what stands for the flag at ipa, never 0. v has just
	// registered it.
	Handle(v *hypercall.VCPU, ipa uint64) (pcpu int, handle uint32)
	// Track makes the flag of that handle, or none for 0, the one that the pCPU keeps from now on. Where another
	// thread than the pCPU's calls it, the pCPU may write once more to the one that it kept before.
	Track(pcpu int, handle uint32)
}

// Config describes the VM.
type Config struct {
	VCPUs  int // 1 or more
	Memory Memory
	Kicker Kicker
	// Tracker is nil where the host does not tell what it does.
	Tracker Tracker
	// Untruthful says that a vCPU that is scheduled in may yet not run, without its flag telling. FEATURES
	// then says that there are no flags.
	Untruthful bool
}

// Service serves one VM. Its methods may be called from several threads.
//
// The flag of a vCPU is 1 from its last instruction until hfvmm schedules it in again. What the scheduler
// of the host does with it meanwhile is in it where there is a Tracker.
type Service struct {
	Config
	states []state // by vCPU index
	mu     sync.Mutex
}

// state is the shared state of a vCPU.
type state struct {
	used atomic.Bool // word is not nil; a hint for those who do not hold the lock

	// Guarded by Service.mu.
	flag
	by     int    // the pCPU that last scheduled the vCPU in, or one of the below
	handle uint32 // of word
}

// flag is a word that was taken, or nil, and where it is.
type flag struct {
	word *atomic.Uint32
	ipa  uint64
}

const (
	anyPCPU = -1 // the vCPU runs, and has just registered its state
	noPCPU  = -2 // it does not run
)

// New returns the service of a VM.
func New(cfg Config) (*Service, error) {
	if cfg.VCPUs < 1 || cfg.Memory == nil || cfg.Kicker == nil {
		return nil, errors.New("pvsched: a VM needs a vCPU, memory and somebody who kicks its vCPUs")
	}
	return &Service{Config: cfg, states: make([]state, cfg.VCPUs)}, nil
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
		if s.serves(hypercall.FuncID(v.Regs.W(1))) {
			x0 = success
		}
	case IPAInit:
		x0 = s.register(v, v.Regs.X(1))
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
	return s.Kicker.Kick(v, kick)
}

// serves reports whether a guest may rely on a function. All of them answer in any case.
func (s *Service) serves(fn hypercall.FuncID) bool {
	if s.Untruthful && (fn == IPAInit || fn == IPARelease) {
		return false
	}
	return fn >= Features && fn <= KickCPU
}

// register makes the word at ipa the flag of v, which runs, in place of the one it had.
func (s *Service) register(v *hypercall.VCPU, ipa uint64) uint64 {
	if ipa%StateSize != 0 {
		return invalidParameter
	}
	word := s.Memory.Take(ipa)
	if word == nil {
		return invalidParameter
	}
	unused, x0 := s.exchange(v, flag{word, ipa})
	if unused.word != nil {
		s.Memory.Release(unused.ipa)
	}
	return x0
}

// exchange gives v, which runs, a flag, unless it is another vCPU's. It returns the one that is not used then,
// and what the call returns.
func (s *Service) exchange(v *hypercall.VCPU, f flag) (unused flag, x0 uint64) {
	index := int(v.ID.Index)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.states {
		if st := &s.states[i]; i != index && st.word != nil && st.ipa == f.ipa {
			return f, invalidParameter
		}
	}
	st := &s.states[index]
	unused, st.flag, st.by = st.flag, f, anyPCPU
	st.used.Store(true)
	if s.Tracker != nil {
		st.by, st.handle = s.Tracker.Handle(v, f.ipa)
		s.Tracker.Track(st.by, st.handle)
	}
	f.word.Store(running)
	return unused, success
}

// Drop forgets the state of v, which is never written again. For a vCPU that is switched off, reset or
// aborted.
func (s *Service) Drop(v *hypercall.VCPU) {
	st := &s.states[v.ID.Index]
	if !st.used.Load() {
		return
	}
	s.mu.Lock()
	unused := st.flag
	st.flag = flag{}
	if s.Tracker != nil && unused.word != nil && st.by >= 0 {
		s.Tracker.Track(st.by, 0)
	}
	st.used.Store(false)
	s.mu.Unlock()
	if unused.word != nil {
		s.Memory.Release(unused.ipa)
	}
}

// Enter tells that the pCPU is about to run v.
func (s *Service) Enter(v *hypercall.VCPU, pcpu int) {
	st := &s.states[v.ID.Index]
	if !st.used.Load() {
		return
	}
	s.mu.Lock()
	if st.word != nil {
		if s.Tracker != nil {
			if st.by >= 0 && st.by != pcpu { // whose Leave is late
				s.Tracker.Track(st.by, 0)
			}
			s.Tracker.Track(pcpu, st.handle)
		}
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
		st.by = noPCPU
		st.word.Store(preempted)
		if s.Tracker != nil {
			// The host may have taken the pCPU away and given it back just before this.
			s.Tracker.Track(pcpu, 0)
			st.word.Store(preempted)
		}
	}
	s.mu.Unlock()
}
