package sdei

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/hfvmm/hfvmm/hypercall"
)

// modelEvent is what the specification says of one handler, as plain facts.
type modelEvent struct {
	registered, enabled, running, pending bool
	toPE                                  bool
	target                                int
}

// modelPE is what it says of a PE: what runs on it, the interrupted before the interrupting.
type modelPE struct {
	masked bool
	stack  []uint64
}

// model is written from the text, with no table and no slots.
type model struct {
	pes    []modelPE
	events map[uint64][]modelEvent // by PE, or one
}

var (
	modelEvents   = []uint64{0, evPrivate, evPrivateCritical, evShared, evSharedCritical}
	modelShared   = map[uint64]bool{evShared: true, evSharedCritical: true}
	modelCritical = map[uint64]bool{evPrivateCritical: true, evSharedCritical: true}
)

func newModel(pes int) *model {
	m := &model{pes: make([]modelPE, pes), events: map[uint64][]modelEvent{}}
	for i := range m.pes {
		m.pes[i].masked = true
	}
	for _, n := range modelEvents {
		m.events[n] = make([]modelEvent, pes)
	}
	return m
}

func (m *model) at(n uint64, pe int) *modelEvent {
	if modelShared[n] {
		pe = 0
	}
	if es, ok := m.events[n]; ok {
		return &es[pe]
	}
	return nil
}

// due reports whether n may be dispatched on pe.
func (m *model) due(n uint64, pe int) bool {
	e, p := m.at(n, pe), &m.pes[pe]
	if !e.pending || !e.registered || !e.enabled || e.running || p.masked {
		return false
	}
	for _, running := range p.stack {
		if modelCritical[running] || !modelCritical[n] {
			return false
		}
	}
	return !modelShared[n] || !e.toPE || e.target == pe
}

func (m *model) unregister(e *modelEvent) result {
	switch {
	case e.running:
		e.registered, e.enabled, e.pending = false, false, false
		return pending
	case !e.registered:
		return denied
	}
	*e = modelEvent{}
	return success
}

func (m *model) finish(pe int) {
	p := &m.pes[pe]
	n := p.stack[len(p.stack)-1]
	p.stack = p.stack[:len(p.stack)-1]
	e := m.at(n, pe)
	e.running = false
	if !e.registered {
		*e = modelEvent{}
	}
}

// call is what a call of pe returns; ok is false if it returns nothing.
func (m *model) call(pe int, fn hypercall.FuncID, n, arg uint64) (want result, ok bool) {
	e, p := m.at(n, pe), &m.pes[pe]
	unknown := e == nil
	switch fn {
	case EventRegister:
		switch {
		case unknown, modelShared[n] && arg != 0 && arg-1 >= uint64(len(m.pes)):
			return invalid, true
		case e.registered || e.running:
			return denied, true
		}
		*e = modelEvent{registered: true, toPE: arg != 0, target: int(arg) - 1}
		return success, true
	case EventEnable, EventDisable:
		if unknown {
			return invalid, true
		}
		if !e.registered {
			return denied, true
		}
		e.enabled = fn == EventEnable
		return success, true
	case EventUnregister:
		if unknown {
			return invalid, true
		}
		return m.unregister(e), true
	case EventStatus:
		if unknown {
			return invalid, true
		}
		s := result(0)
		for i, bit := range []bool{e.registered, e.enabled, e.running} {
			if bit {
				s |= 1 << i
			}
		}
		return s, true
	case PEMask:
		was := p.masked
		p.masked = true
		return flag(!was), true
	case PEUnmask:
		p.masked = false
		return success, true
	case EventComplete:
		if len(p.stack) == 0 {
			return denied, true
		}
		m.finish(pe)
		return 0, false
	case EventCompleteResume:
		switch {
		case len(p.stack) == 0:
			return denied, true
		case arg&3 != 0:
			return invalid, true
		}
		m.finish(pe)
		return 0, false
	case EventSignal:
		if n != 0 || arg >= uint64(len(m.pes)) {
			return invalid, true
		}
		m.raise(0, int(arg))
		return success, true
	case PrivateReset, SharedReset:
		want := success
		for _, n := range modelEvents {
			if modelShared[n] == (fn == SharedReset) && m.unregister(m.at(n, pe)) == pending {
				want = denied
			}
		}
		return want, true
	}
	panic("a call that the model does not know")
}

func (m *model) raise(n uint64, pe int) {
	if e := m.at(n, pe); e.registered {
		e.pending = true
	}
}

func (m *model) off(pe int) {
	for len(m.pes[pe].stack) > 0 {
		m.finish(pe)
	}
	m.pes[pe].masked = true
	for _, n := range modelEvents {
		if !modelShared[n] {
			*m.at(n, pe) = modelEvent{}
		}
	}
}

// Calls, events and deliveries in any order on several PEs answer and dispatch as the model says, every
// handler goes back to what it interrupted, and nothing that is due is forgotten.
func TestDispatcherIsTheModel(t *testing.T) {
	const pes = 3
	calls := []hypercall.FuncID{
		EventRegister, EventRegister, EventEnable, EventEnable, EventDisable, EventUnregister, EventStatus, PEMask, PEUnmask, PEUnmask,
		EventComplete, EventComplete, EventComplete, EventCompleteResume, EventCompleteResume, EventSignal, EventSignal, EventSignal,
		EventRegister, EventEnable, EventStatus, PEMask, PEUnmask, PEUnmask, PEUnmask, PrivateReset, SharedReset,
	}
	numbers := append([]uint64{0, evShared, 1}, modelEvents...)
	rapid.Check(t, func(rt *rapid.T) {
		r, m := newRig(t, pes), newModel(pes)
		depth := make([][]uint64, pes) // the PCs that handlers interrupted
		for pe := range pes {          // as a client begins, so that events are taken at all
			for _, n := range modelEvents {
				if modelShared[n] && pe != 0 {
					continue
				}
				r.enable(pe, n)
				m.call(pe, EventRegister, n, 0)
				m.call(pe, EventEnable, n, 0)
				m.call(pe, PEUnmask, 0, 0)
			}
			r.want(success, pe, PEUnmask)
		}
		actions := map[string]func(*rapid.T){
			"call": func(rt *rapid.T) {
				pe, fn := rapid.IntRange(0, pes-1).Draw(rt, "pe"), rapid.SampledFrom(calls).Draw(rt, "call")
				n, arg := rapid.SampledFrom(numbers).Draw(rt, "event"), rapid.Uint64Range(0, pes).Draw(rt, "arg")
				args := []uint64{n, arg}
				switch fn {
				case EventRegister:
					args = []uint64{n, handlerOf(n), argumentOf(n), flag64(arg != 0), arg - 1}
				case EventCompleteResume:
					arg *= 2
					args = []uint64{arg}
				}
				g := r.guests[pe]
				want, returns := m.call(pe, fn, n, arg)
				got := r.call(pe, fn, args...)
				if returns {
					if got != want {
						rt.Fatalf("PE %d: %#x%#x returned %d, the model %d", pe, uint32(fn), args, got, want)
					}
					return
				}
				top := len(depth[pe]) - 1
				back := depth[pe][top]
				if fn == EventCompleteResume {
					if g.reg[ELR] != back {
						rt.Fatalf("PE %d: ELR is %#x, the event interrupted %#x", pe, g.reg[ELR], back)
					}
					back = arg
				}
				if depth[pe] = depth[pe][:top]; g.reg[PC] != back {
					rt.Fatalf("PE %d goes on at %#x, not %#x", pe, g.reg[PC], back)
				}
			},
			"raise": func(rt *rapid.T) {
				n, pe := rapid.SampledFrom(modelEvents).Draw(rt, "event"), rapid.IntRange(0, pes-1).Draw(rt, "pe")
				m.raise(n, pe)
				if err := r.Raise(uint32(n), pe); err != nil {
					rt.Fatal(err)
				}
			},
			"off": func(rt *rapid.T) {
				if rapid.IntRange(0, 7).Draw(rt, "really") != 0 {
					return
				}
				pe := rapid.IntRange(0, pes-1).Draw(rt, "pe")
				m.off(pe)
				depth[pe] = nil
				r.Off(&r.guests[pe].VCPU)
			},
			"run": func(rt *rapid.T) {
				pe := rapid.IntRange(0, pes-1).Draw(rt, "pe")
				g := r.guests[pe]
				g.reg[PC] += 4 // the guest ran
				pc := g.reg[PC]
				n, ok := r.deliver(pe)
				if !ok {
					return
				}
				if m.at(n, pe) == nil || !m.due(n, pe) {
					rt.Fatalf("PE %d takes event %#x, which is not due", pe, n)
				}
				for _, other := range modelEvents {
					if modelCritical[other] && !modelCritical[n] && m.due(other, pe) {
						rt.Fatalf("PE %d takes event %#x before %#x", pe, n, other)
					}
				}
				e := m.at(n, pe)
				e.pending, e.running = false, true
				m.pes[pe].stack = append(m.pes[pe].stack, n)
				depth[pe] = append(depth[pe], pc)
				if g.x[2] != pc || g.reg[PC] != handlerOf(n) || g.x[1] != argumentOf(n) {
					rt.Fatalf("PE %d enters event %#x at %#x from %#x, argument %#x", pe, n, g.reg[PC], g.x[2], g.x[1])
				}
			},
			"": func(rt *rapid.T) {
				for _, n := range modelEvents {
					var due, alerted bool
					for pe := range pes {
						if !m.due(n, pe) {
							continue
						}
						due = true
						waits := r.Waiting(&r.guests[pe].VCPU)
						alerted = alerted || waits
						if !modelShared[n] && !waits {
							rt.Fatalf("event %#x is due on PE %d, which does not know", n, pe)
						}
					}
					if due && !alerted {
						rt.Fatalf("event %#x is due and no PE knows", n)
					}
				}
			},
		}
		actions["raise again"], actions["run again"], actions["run on"] = actions["raise"], actions["run"], actions["run"]
		rt.Repeat(actions)
	})
}

func flag64(b bool) uint64 { return uint64(flag(b)) }
