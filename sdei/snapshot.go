package sdei

import (
	"errors"
	"fmt"

	"github.com/hfvmm/hfvmm/hypercall"
)

// State is all that a dispatcher knows of its clients: what has to move with a VM. It is plain data.
type State struct {
	PEs    []PEState     // by vCPU
	Shared []SharedState // shared events that are not unregistered
	Bound  []BoundState  // bound interrupts
}

// PEState is the state of one PE.
type PEState struct {
	Masked   bool
	Private  []HandlerState // private events that are not unregistered
	Normal   *ContextState  // what a handler of normal priority interrupted, or nil
	Critical *ContextState  // the same of critical priority
}

// HandlerState is what is registered for an event. While Running and not Registered, its unregistration
// waits for the handler.
type HandlerState struct {
	Event                                 uint32
	Registered, Enabled, Running, Pending bool
	Relative                              bool // Entry is an offset from VBAR_EL1
	Entry, Arg                            uint64
}

// SharedState is that of a shared event.
type SharedState struct {
	HandlerState
	ToPE   bool // it goes to PE Target, else to any
	Target int
}

// ContextState is the interrupted context of the handler of Event.
type ContextState struct {
	Event      uint32
	X          [hypercall.NumRegs]uint64
	PC, PSTATE uint64
}

// BoundState is an interrupt with the event that it is bound to.
type BoundState struct{ Event, INTID uint32 }

// Save returns the state. No vCPU of the VM may run meanwhile; the result of its last call must be in its
// registers and its last access to a device completed.
func (d *Dispatcher) Save() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := State{PEs: make([]PEState, len(d.pes))}
	for i := range d.pes {
		p := &d.pes[i]
		s.PEs[i] = PEState{Masked: p.masked, Normal: p.ctx[normal].save(), Critical: p.ctx[critical].save()}
	}
	for i := range d.events {
		e := &d.events[i]
		if e.bound {
			s.Bound = append(s.Bound, BoundState{e.number, e.intid})
		}
		for j := range e.at {
			switch h := e.at[j].save(e.number); {
			case h == HandlerState{Event: e.number}:
			case e.shared:
				s.Shared = append(s.Shared, SharedState{h, e.toPE, e.target})
			default:
				s.PEs[j].Private = append(s.PEs[j].Private, h)
			}
		}
	}
	return s
}

func (c *context) save() *ContextState {
	if c.by == nil {
		return nil
	}
	return &ContextState{c.by.number, c.x, c.pc, c.pstate}
}

func (h *handler) save(number uint32) HandlerState {
	if h.state == 0 {
		return HandlerState{Event: number}
	}
	return HandlerState{number, h.state&registered != 0, h.state&enabled != 0, h.state&running != 0, h.pending, h.relative, h.entry, h.arg}
}

// Restore gives the dispatcher the state of another one, of a VM with as many vCPUs and the same events, in
// place of its own. No vCPU of the VM may run meanwhile; their registers are for others to restore. A state
// that no sequence of calls leads to is refused with the reason, and nothing changes. The levels of
// interrupts that were not bound here before are not part of it: their devices tell them anew.
func (d *Dispatcher) Restore(s State) error {
	d.mu.Lock()
	if err := d.restore(s); err != nil {
		d.mu.Unlock()
		return fmt.Errorf("sdei: %w", err)
	}
	for i := range d.pes {
		d.settle(&d.pes[i], nobody)
	}
	d.unlockAndKick(nil)
	return nil
}

func (d *Dispatcher) restore(s State) error {
	if len(s.PEs) != len(d.pes) {
		return fmt.Errorf("the state is of %d vCPUs, the VM has %d", len(s.PEs), len(d.pes))
	}
	if len(s.Bound) > 0 && d.interrupts == nil {
		return errors.New("the state has bound interrupts, and here none can be bound")
	}
	// Everything is put together beside the dispatcher, and takes its place at the end.
	n := Dispatcher{machine: d.machine, interrupts: d.interrupts, pes: make([]pe, len(d.pes))}
	for _, e := range d.events {
		n.add(event{number: e.number, shared: e.shared, critical: e.critical, slot: e.slot})
	}
	for _, b := range s.Bound {
		if err := n.restoreBinding(b); err != nil {
			return err
		}
	}
	for i := range s.PEs {
		n.pes[i].VCPU, n.pes[i].masked = d.pes[i].VCPU, s.PEs[i].Masked
		for _, h := range s.PEs[i].Private {
			if err := n.restoreHandler(h, i); err != nil {
				return fmt.Errorf("vCPU %d: %w", i, err)
			}
		}
	}
	for _, h := range s.Shared {
		if err := n.restoreHandler(h.HandlerState, nobody); err != nil {
			return err
		}
		e := n.find(h.Event)
		if e.toPE, e.target = h.ToPE, h.Target; h.Target < 0 || h.Target >= len(n.pes) {
			return fmt.Errorf("event %#x goes to vCPU %d, which does not exist", h.Event, h.Target)
		}
	}
	runs := map[*handler]bool{}
	for i := range s.PEs {
		for priority, c := range [numPriorities]*ContextState{s.PEs[i].Normal, s.PEs[i].Critical} {
			if c == nil {
				continue
			}
			h, err := n.restoreContext(&n.pes[i], priority, c)
			if err != nil {
				return fmt.Errorf("vCPU %d: %w", i, err)
			}
			if runs[h] {
				return fmt.Errorf("event %#x has two interrupted contexts", c.Event)
			}
			runs[h] = true
		}
	}
	for i := range n.events {
		e := &n.events[i]
		for j := range e.at {
			if h := &e.at[j]; h.state&running != 0 && !runs[h] {
				return fmt.Errorf("event %#x runs without an interrupted context", e.number)
			}
		}
	}
	return d.become(&n, s.Bound)
}

func (d *Dispatcher) restoreBinding(b BoundState) error {
	for i := range d.events {
		e := &d.events[i]
		if !e.slot || e.number != b.Event || e.shared != (b.INTID >= firstSPI) {
			continue
		}
		if e.bound || d.bound(b.INTID) != nil {
			return fmt.Errorf("INTID %d or event %#x is bound twice", b.INTID, b.Event)
		}
		e.bound, e.intid = true, b.INTID
		return nil
	}
	return fmt.Errorf("event %#x is none for INTID %d", b.Event, b.INTID)
}

// restoreHandler restores the handler of an event, private on PE index, or shared if that is nobody.
func (d *Dispatcher) restoreHandler(h HandlerState, index int) error {
	e := d.find(h.Event)
	if e == nil || e.shared != (index == nobody) {
		return fmt.Errorf("event %#x does not exist here", h.Event)
	}
	to := &e.at[max(index, 0)]
	if to.state != 0 {
		return fmt.Errorf("event %#x is there twice", h.Event)
	}
	st := state(flag(h.Registered)*result(registered) | flag(h.Enabled)*result(enabled) | flag(h.Running)*result(running))
	switch {
	case !st.exists():
		return fmt.Errorf("event %#x is enabled but not registered", h.Event)
	case h.Pending && !h.Registered:
		return fmt.Errorf("event %#x is pending but not registered", h.Event)
	case h.Entry%4 != 0:
		return fmt.Errorf("event %#x has its handler at %#x, which is not aligned", h.Event, h.Entry)
	}
	*to = handler{state: st, pending: h.Pending, relative: h.Relative, entry: h.Entry, arg: h.Arg}
	return nil
}

// Modes that a client may be interrupted in: PSTATE.M of EL0, EL1 with either stack pointer, and EL0 in
// AArch32 state.
const (
	pstateMode  = 0x1F
	modeEL0     = 0b00000
	modeEL1t    = 0b00100
	modeEL1h    = 0b00101
	modeAArch32 = 0b10000
)

func (d *Dispatcher) restoreContext(p *pe, priority int, c *ContextState) (*handler, error) {
	e := d.find(c.Event)
	if e == nil || e.priority() != priority || e.on(p).state&running == 0 {
		return nil, fmt.Errorf("event %#x has an interrupted context but does not run with that priority", c.Event)
	}
	switch c.PSTATE & pstateMode {
	case modeEL0, modeEL1t, modeEL1h, modeAArch32:
	default:
		return nil, fmt.Errorf("event %#x interrupted PSTATE %#x, which no client can have", c.Event, c.PSTATE)
	}
	p.ctx[priority] = context{by: e, x: c.X, pc: c.PC, pstate: c.PSTATE}
	if e.shared {
		e.owner = int(p.ID.Index)
	}
	return e.on(p), nil
}

// become binds the interrupts of n, gives back those that only d had bound, and makes d what n is.
func (d *Dispatcher) become(n *Dispatcher, bound []BoundState) error {
	for i, b := range bound {
		if d.bound(b.INTID) != nil || d.interrupts.Bind(b.INTID) == Bound {
			continue
		}
		for _, done := range bound[:i] {
			if d.bound(done.INTID) == nil {
				d.interrupts.Release(done.INTID)
			}
		}
		return fmt.Errorf("INTID %d cannot be bound here", b.INTID)
	}
	for i := range d.events {
		old := &d.events[i]
		if !old.bound {
			continue
		}
		e := n.bound(old.intid)
		if e == nil {
			d.interrupts.Release(old.intid)
			continue
		}
		for j := range old.at { // private or shared as before, for that is a matter of the INTID
			e.at[j].asserted = old.at[j].asserted
		}
	}
	d.events = n.events
	for i := range d.pes {
		d.pes[i].masked, d.pes[i].ctx = n.pes[i].masked, n.pes[i].ctx
	}
	return nil
}
