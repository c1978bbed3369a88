package sdei

import (
	"math"

	"github.com/hfvmm/hfvmm/hypercall"
)

// args are the arguments of a call, from x1.
type args [5]uint64

// call is a row of the table of calls. serve runs with the dispatcher locked.
type call struct {
	words int // arguments of 32 bits, which come first; their upper halves are ignored
	args  int // all arguments
	serve func(d *Dispatcher, p *pe, a args) result
}

// calls is indexed by the function, from Version.
var calls = [numCalls]call{
	0:                             {0, 0, func(*Dispatcher, *pe, args) result { return VersionResult }},
	EventRegister - Version:       {1, 5, (*Dispatcher).eventRegister},
	EventEnable - Version:         {1, 1, apply(opEnable)},
	EventDisable - Version:        {1, 1, apply(opDisable)},
	EventContext - Version:        {1, 1, (*Dispatcher).eventContext},
	EventComplete - Version:       {1, 1, (*Dispatcher).eventComplete},
	EventCompleteResume - Version: {0, 1, (*Dispatcher).eventCompleteResume},
	EventUnregister - Version:     {1, 1, apply(opUnregister)},
	EventStatus - Version:         {1, 1, (*Dispatcher).eventStatus},
	EventGetInfo - Version:        {2, 2, (*Dispatcher).eventGetInfo},
	EventRoutingSet - Version:     {1, 3, (*Dispatcher).eventRoutingSet},
	PEMask - Version:              {0, 0, (*Dispatcher).peMask},
	PEUnmask - Version:            {0, 0, (*Dispatcher).peUnmask},
	InterruptBind - Version:       {1, 1, (*Dispatcher).interruptBind},
	InterruptRelease - Version:    {1, 1, (*Dispatcher).interruptRelease},
	EventSignal - Version:         {1, 2, (*Dispatcher).eventSignal},
	Features - Version:            {1, 1, (*Dispatcher).features},
	PrivateReset - Version:        {0, 0, (*Dispatcher).privateReset},
	SharedReset - Version:         {0, 0, (*Dispatcher).sharedReset},
}

// Ranges implements hypercall.Service.
func (*Dispatcher) Ranges() []hypercall.Range {
	return []hypercall.Range{{First: Version, Count: rangeSize}}
}

// Call implements hypercall.Service. Both conduits serve.
func (d *Dispatcher) Call(v *hypercall.VCPU, fn hypercall.FuncID, _ hypercall.Conduit) hypercall.Outcome {
	if int(fn-Version) >= numCalls {
		v.Regs.SetX(0, x0(notSupported))
		return hypercall.Outcome{}
	}
	row := &calls[fn-Version]
	var a args
	for i := range row.args {
		a[i] = v.Regs.X(1 + i)
		if i < row.words {
			a[i] &= math.MaxUint32
		}
	}
	d.mu.Lock()
	p := &d.pes[v.ID.Index]
	if res := row.serve(d, p, a); res != noResult {
		v.Regs.SetX(0, x0(res))
	}
	d.settle(p, int(v.ID.Index))
	return d.unlockAndKick(v)
}

// x0 is a result as it stands in x0.
func x0(r result) uint64 { return uint64(r) }

// apply is a call that is nothing but an operation on the caller's handler.
func apply(op operation) func(*Dispatcher, *pe, args) result {
	return func(d *Dispatcher, p *pe, a args) result {
		e := d.find(uint32(a[0]))
		if e == nil {
			return invalid
		}
		return e.on(p).do(op)
	}
}

// eventRegister is DEN0054C §5.1.2. Flags that only concern shared events are ignored for private ones.
func (d *Dispatcher) eventRegister(p *pe, a args) result {
	number, entry, arg, flags, affinity := a[0], a[1], a[2], a[3], a[4]
	e := d.find(uint32(number))
	if e == nil || flags&^flagsKnown != 0 || entry%4 != 0 {
		return invalid
	}
	toPE, target := false, 0
	if e.shared {
		var ok bool
		if toPE, target, ok = d.route(flags&flagRouteToPE, affinity); !ok {
			return invalid
		}
	}
	h := e.on(p)
	if r := h.do(opRegister); r != success {
		return r
	}
	h.entry, h.arg, h.relative = entry, arg, flags&flagRelative != 0
	e.toPE, e.target = toPE, target
	if h.asserted {
		h.trigger()
	}
	return success
}

// route reads a routing mode and an affinity (DEN0054C §4.4).
func (d *Dispatcher) route(mode, affinity uint64) (toPE bool, target int, ok bool) {
	switch mode {
	case routeAny:
		return false, 0, true
	case routeToPE:
		target, ok = d.pe(affinity)
		return true, target, ok
	}
	return false, 0, false
}

// affinityIgnored are fields of MPIDR_EL1 that name no PE, which clients pass on.
const affinityIgnored = 0xFF00_0000

// pe returns the PE with this affinity.
func (d *Dispatcher) pe(affinity uint64) (index int, ok bool) {
	if affinity&^(hypercall.AffinityMask|affinityIgnored) != 0 {
		return 0, false
	}
	if affinity &= hypercall.AffinityMask; d.indexed {
		return int(affinity), affinity < uint64(len(d.pes))
	}
	return hypercall.AffinityIndex(affinity, len(d.pes))
}

// affinity is the inverse of pe.
func (d *Dispatcher) affinity(index int) result {
	if d.indexed {
		return result(index)
	}
	return result(hypercall.Affinity(index))
}

// eventStatus is DEN0054C §5.1.9.
func (d *Dispatcher) eventStatus(p *pe, a args) result {
	e := d.find(uint32(a[0]))
	if e == nil {
		return invalid
	}
	return result(e.on(p).state)
}

// eventGetInfo is DEN0054C §5.1.10. Note that 0 says of an event that it can be signalled.
func (d *Dispatcher) eventGetInfo(_ *pe, a args) result {
	e := d.find(uint32(a[0]))
	if e == nil {
		return invalid
	}
	switch info := a[1]; {
	case info == infoType:
		return flag(e.shared)
	case info == infoSignaled:
		return flag(e.number != SoftwareSignaled)
	case info == infoPriority:
		return result(e.priority())
	case info > infoRoutingAffinity || !e.shared:
		return invalid
	case e.at[0].state&registered == 0:
		return denied
	case info == infoRoutingMode:
		return flag(e.toPE)
	case !e.toPE:
		return invalid
	}
	return d.affinity(e.target)
}

func flag(b bool) result {
	if b {
		return 1
	}
	return 0
}

// eventRoutingSet is DEN0054C §5.1.11.
func (d *Dispatcher) eventRoutingSet(_ *pe, a args) result {
	e := d.find(uint32(a[0]))
	if e == nil || !e.shared {
		return invalid
	}
	toPE, target, ok := d.route(a[1], a[2])
	if !ok {
		return invalid
	}
	if r := e.at[0].do(opRoutingSet); r != success {
		return r
	}
	e.toPE, e.target = toPE, target
	return success
}

// peMask returns 1 if this call masked the PE, 0 if it was masked (DEN0054C §5.1.12).
func (d *Dispatcher) peMask(p *pe, _ args) result {
	was := p.masked
	p.masked = true
	return flag(!was)
}

func (d *Dispatcher) peUnmask(p *pe, _ args) result {
	p.masked = false
	return success
}

// eventSignal is DEN0054C §5.1.16. Whether anybody takes the event is not told.
func (d *Dispatcher) eventSignal(p *pe, a args) result {
	index, ok := d.pe(a[1])
	if uint32(a[0]) != SoftwareSignaled || !ok {
		return invalid
	}
	target := &d.pes[index]
	d.find(SoftwareSignaled).on(target).trigger()
	d.settle(target, int(p.ID.Index))
	return success
}

// features is DEN0054C §5.1.17.
func (d *Dispatcher) features(_ *pe, a args) result {
	switch a[0] {
	case featureBindSlots:
		if d.interrupts == nil {
			return 0
		}
		return SharedSlots<<16 | PrivateSlots
	case featureRelativeMode:
		return 1
	}
	return invalid
}

// privateReset is DEN0054C §5.1.18: handlers that run are unregistered when they complete.
func (d *Dispatcher) privateReset(p *pe, _ args) result {
	res := success
	for i := range d.events {
		e := &d.events[i]
		if e.shared {
			continue
		}
		if e.on(p).do(opUnregister) == pending {
			res = denied
		}
	}
	return res
}

// sharedReset is DEN0054C §5.1.19. It unregisters every shared event first; while the handler of one runs, no interrupt is
// released. Then it releases all interrupts but those that some PE has a private handler for.
func (d *Dispatcher) sharedReset(*pe, args) result {
	res := success
	for i := range d.events {
		if e := &d.events[i]; e.shared && e.at[0].do(opUnregister) == pending {
			res = denied
		}
	}
	if res != success {
		return res
	}
	for i := range d.events {
		if e := &d.events[i]; e.bound && d.release(e) != success {
			res = denied
		}
	}
	return res
}
