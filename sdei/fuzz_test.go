package sdei

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Whatever guests call with whatever arguments, and whatever happens meanwhile: nothing panics, every
// result is one of the interface's, states stay in the state machine, and contexts belong to what runs.
func FuzzCalls(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 0, 0, 0, 2, 0, 0, 0, 12, 0, 0, 0, 15, 0, 0, 0, 64, 0, 0, 0, 5, 0, 0})
	f.Add([]byte{1, 13, 9, 1, 1, 1, 8, 0, 1, 2, 8, 0, 1, 12, 0, 0, 0, 65, 40, 1, 1, 64, 0, 0, 1, 6, 16, 0})
	numbers := []uint64{0, evPrivate, evPrivateCritical, evShared, evSharedCritical, 1, uint64(privateSlotEvents), uint64(privateSlotEvents) + 1,
		uint64(sharedSlotEvents), ppi, ppi2, spi, activeSPI, ^uint64(0)}
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRig(t, 2)
		for ; len(script) >= 4; script = script[4:] {
			pe, fn, a, b := int(script[0]&1), script[1], script[2], script[3]
			n := numbers[int(a)%len(numbers)]
			switch {
			case fn < 60:
				id := Version + hypercall.FuncID(fn%rangeSize)
				args := []uint64{n, uint64(b), uint64(b) << 3, uint64(b & 7), uint64(b >> 6)}
				got := r.call(pe, id, args...)
				if got < 0 && id != EventContext && id != EventComplete && id != EventCompleteResume {
					switch got {
					case notSupported, invalid, denied, pending, outOfResource:
					default:
						t.Fatalf("%#x returned %d", uint32(id), got)
					}
				}
			case fn < 100:
				r.deliver(pe)
			case fn < 120:
				r.Interrupt(uint32(n), pe, b&1 != 0)
			case fn < 140:
				_ = r.Raise(uint32(n), pe)
			case fn == 255:
				r.Off(&r.guests[pe].VCPU)
			}
			r.check()
		}
	})
}

// check fails unless the dispatcher's state is one that can be.
func (r *rig) check() {
	r.t.Helper()
	runs := map[*handler]int{}
	for i := range r.pes {
		p := &r.pes[i]
		for priority := range p.ctx {
			if e := p.ctx[priority].by; e != nil {
				runs[e.on(p)]++
				if e.priority() != priority || e.on(p).state&running == 0 || e.shared && e.owner != i {
					r.t.Fatalf("PE %d: event %#x in context %d with state %03b", i, e.number, priority, e.on(p).state)
				}
			}
		}
	}
	for i := range r.events {
		e := &r.events[i]
		for j := range e.at {
			h := &e.at[j]
			want := 0
			if h.state&running != 0 {
				want = 1
			}
			if !h.state.exists() || runs[h] != want || h.pending && h.state&registered == 0 {
				r.t.Fatalf("event %#x: state %03b, pending %v, runs %d times", e.number, h.state, h.pending, runs[h])
			}
		}
	}
}
