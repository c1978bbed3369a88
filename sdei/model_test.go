package sdei

import (
	"slices"

	"github.com/hfvmm/hfvmm/hypercall"
)

// model is what the specification says of a VM, as plain facts: no table of states, no alerts, no kicks.
type model struct {
	pes    []modelPE
	events []modelEvent
}

// modelEvent is an event: one of the machine's, or one of a slot, which exists while an interrupt is bound to it.
type modelEvent struct {
	number           uint64
	shared, critical bool
	slot             bool
	intid            uint64         // 0: none is bound
	at               []modelHandler // by PE, or one
	toPE             bool
	target           int
}

// modelHandler is what a client registered.
type modelHandler struct {
	registered, enabled, running, pending bool
	level                                 bool // of the bound interrupt
	entry, arg                            uint64
	relative                              bool
}

// modelPE is what it says of a PE: the contexts that handlers interrupted, the outer before the inner.
type modelPE struct {
	masked bool
	stack  []modelContext
}

type modelContext struct {
	by         *modelEvent
	x          [hypercall.NumRegs]uint64
	pc, pstate uint64
}

func newModel(pes int) *model {
	m := &model{pes: make([]modelPE, pes), events: []modelEvent{
		{number: 0}, {number: evPrivateCritical, critical: true}, {number: evShared, shared: true},
		{number: evSharedCritical, shared: true, critical: true}, {number: evPrivate},
		{number: 0x4000_0100, slot: true}, {number: 0x4000_0101, slot: true},
		{number: 0x4000_0200, slot: true, shared: true}, {number: 0x4000_0201, slot: true, shared: true},
		{number: 0x4000_0202, slot: true, shared: true}, {number: 0x4000_0203, slot: true, shared: true},
	}}
	for i := range m.pes {
		m.pes[i].masked = true
	}
	for i := range m.events {
		n := pes
		if m.events[i].shared {
			n = 1
		}
		m.events[i].at = make([]modelHandler, n)
	}
	return m
}

// find returns an event that exists, or nil.
//
//go:norace
func (m *model) find(number uint64) *modelEvent {
	for i := range m.events {
		if e := &m.events[i]; e.number == number && (!e.slot || e.intid != 0) {
			return e
		}
	}
	return nil
}

// bound returns the event of an interrupt, or nil.
//
//go:norace
func (m *model) bound(intid uint64) *modelEvent {
	for i := range m.events {
		if e := &m.events[i]; e.intid == intid && intid != 0 {
			return e
		}
	}
	return nil
}

//go:norace
func (e *modelEvent) on(pe int) *modelHandler {
	if e.shared {
		pe = 0
	}
	return &e.at[pe]
}

// due reports whether e may be dispatched on pe.
//
//go:norace
func (m *model) due(e *modelEvent, pe int) bool {
	h, p := e.on(pe), &m.pes[pe]
	if !h.pending || !h.registered || !h.enabled || h.running || p.masked {
		return false
	}
	for i := range p.stack {
		if p.stack[i].by.critical || !e.critical {
			return false
		}
	}
	return !e.shared || !e.toPE || e.target == pe
}

// forget is the handler after it is unregistered: the level of its interrupt is no part of it.
func (h *modelHandler) forget() { *h = modelHandler{level: h.level} }

func (h *modelHandler) unregister() result {
	switch {
	case h.running:
		h.registered, h.enabled, h.pending = false, false, false
		return pending
	case !h.registered:
		return denied
	}
	h.forget()
	return success
}

func (h *modelHandler) raise() {
	if h.registered {
		h.pending = true
	}
}

// finish ends the inner handler of pe.
func (m *model) finish(pe int) modelContext {
	p := &m.pes[pe]
	c := p.stack[len(p.stack)-1]
	p.stack = p.stack[:len(p.stack)-1]
	h := c.by.on(pe)
	if h.running = false; !h.registered {
		h.forget()
	}
	if h.level {
		h.raise()
	}
	return c
}

// route says whether a routing is one, and if so sets it.
func (m *model) route(e *modelEvent, mode, affinity uint64, set bool) bool {
	switch {
	case mode > 1 || mode == 1 && affinity >= uint64(len(m.pes)):
		return false
	case set:
		e.toPE, e.target = mode == 1, int(affinity)
	}
	return true
}

func (m *model) register(pe int, e *modelEvent, entry, arg, flags, affinity uint64) result {
	if e == nil || flags > 3 || entry%4 != 0 || e.shared && !m.route(e, flags&1, affinity, false) {
		return invalid
	}
	h := e.on(pe)
	if h.registered || h.running {
		return denied
	}
	*h = modelHandler{registered: true, level: h.level, entry: entry, arg: arg, relative: flags&2 != 0}
	m.route(e, flags&1, affinity, e.shared)
	if h.level {
		h.raise()
	}
	return success
}

// info is EVENT_GET_INFO: what exists of the event, and of shared ones where it goes.
func (m *model) info(e *modelEvent, what uint64) result {
	switch {
	case e == nil || what > 4:
		return invalid
	case what == 0:
		return flag(e.shared)
	case what == 1:
		return flag(e.number != 0)
	case what == 2:
		return flag(e.critical)
	case !e.shared:
		return invalid
	case !e.at[0].registered:
		return denied
	case what == 3:
		return flag(e.toPE)
	case !e.toPE:
		return invalid
	}
	return result(e.target)
}

func (m *model) setRouting(e *modelEvent, mode, affinity uint64) result {
	if e == nil || !e.shared || !m.route(e, mode, affinity, false) {
		return invalid
	}
	if h := &e.at[0]; !h.registered || h.enabled || h.running {
		return denied
	}
	m.route(e, mode, affinity, true)
	return success
}

// release frees the slot of an event that nobody uses.
func (e *modelEvent) release() result {
	if slices.ContainsFunc(e.at, func(h modelHandler) bool { return h.registered || h.running }) {
		return denied
	}
	e.intid = 0
	clear(e.at)
	return success
}

// bind checks what INTERRUPT_BIND returned: any slot of the right kind that was free will do.
func (m *model) bind(intid uint64, got result) (ok bool) {
	if e := m.bound(intid); e != nil {
		return got == result(e.number)
	}
	shared, full := intid >= 32, true
	for i := range m.events {
		e := &m.events[i]
		if !e.slot || e.intid != 0 || e.shared != shared {
			continue
		}
		full = false
		if got == result(e.number) && intid != activeSPI && bindable(intid) {
			e.intid = intid
			return true
		}
	}
	switch {
	case intid < 16 || intid >= 1020:
		return got == invalid
	case full:
		return got == outOfResource
	case intid == activeSPI:
		return got == denied
	}
	return got == invalid && !bindable(intid)
}

// bindable are the interrupts that the rig lets be bound.
func bindable(intid uint64) bool { return intid >= 20 && intid < 32 || intid >= 40 && intid < 60 }

// reset unregisters the private events of pe, or the shared ones, whose slots it frees, and those of private
// interrupts that nobody uses.
func (m *model) reset(pe int, shared bool) result {
	res := success
	for i := range m.events {
		e := &m.events[i]
		if e.shared == shared && e.on(pe).unregister() == pending {
			res = denied
		}
	}
	if !shared || res == denied {
		return res
	}
	for i := range m.events {
		if e := &m.events[i]; e.intid != 0 && e.release() != success {
			res = denied
		}
	}
	return res
}

// level is the level of a bound interrupt changing.
func (m *model) level(intid uint64, pe int, high bool) {
	e := m.bound(intid)
	if e == nil {
		return
	}
	h := e.on(pe)
	if high && !h.level {
		h.raise()
	}
	h.level = high
}

func (m *model) off(pe int) {
	for len(m.pes[pe].stack) > 0 {
		m.finish(pe)
	}
	m.pes[pe].masked = true
	for i := range m.events {
		if e := &m.events[i]; !e.shared {
			e.on(pe).forget()
		}
	}
}

// exceptionState is PSTATE after an exception from there to EL1: NZCV, DIT and PAN stay, PAN is set unless SPAN is,
// SSBS is as SCTLR says, interrupts are masked.
func exceptionState(from, sctlr uint64) uint64 {
	p := from&0xF000_0000 | from&(1<<24) | from&(1<<22) | 0x3C5
	if sctlr>>23&1 == 0 {
		p |= 1 << 22
	}
	if sctlr>>44&1 == 1 {
		p |= 1 << 12
	}
	return p
}
