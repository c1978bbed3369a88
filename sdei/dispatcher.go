package sdei

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Dispatcher delivers the events of a VM. Its methods may be called from several threads; those that take
// a vCPU by the thread that owns it.
type Dispatcher struct {
	machine    Machine
	interrupts Interrupts
	indexed    bool

	mu     sync.Mutex
	events []event
	pes    []pe
	kicks  kicks // to be sent when the dispatcher is unlocked
}

// event is an event with its handlers.
type event struct {
	number           uint32
	shared, critical bool
	at               []handler // by PE; a shared event has one

	slot, bound bool   // it is a slot for an interrupt; one is bound
	intid       uint32 // bound: which

	// Of a shared event:
	toPE    bool // it goes to PE target, else to any
	target  int
	owner   int // running: the PE that runs it
	offered int // pending: the PE that was alerted for it, or nobody
}

// handler is what a client registered for an event, on one PE if the event is private.
type handler struct {
	state      state
	pending    bool
	asserted   bool // level of the interrupt that is bound to the event
	relative   bool // entry is an offset from VBAR_EL1
	entry, arg uint64
}

// nobody is no PE.
const nobody = -1

// Priorities, as EVENT_GET_INFO has them.
const (
	normal = iota
	critical
	numPriorities
)

// pe is a vCPU as the dispatcher sees it.
type pe struct {
	*hypercall.VCPU
	masked bool
	ctx    [numPriorities]context
	alert  atomic.Bool // it must call Deliver before it runs
}

// context is what a handler interrupted.
type context struct {
	by         *event // the event whose handler runs, or nil
	x          [hypercall.NumRegs]uint64
	pc, pstate uint64
}

// New returns the dispatcher of a VM in which no handler is registered and every PE is masked. It refuses a Config
// with 0 or more than MaxVCPUs vCPUs, with numbers that are none or there twice, or without Machine.
func New(cfg Config) (*Dispatcher, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("sdei: %w", err)
	}
	d := &Dispatcher{machine: cfg.Machine, interrupts: cfg.Interrupts, indexed: cfg.Indexed, pes: make([]pe, len(cfg.VCPUs))}
	for i, v := range cfg.VCPUs {
		d.pes[i].VCPU, d.pes[i].masked = v, true
	}
	d.add(event{number: SoftwareSignaled})
	for _, e := range cfg.Events {
		d.add(event{number: e.Number, shared: e.Shared, critical: e.Critical})
	}
	if d.interrupts != nil {
		for i := range PrivateSlots {
			d.add(event{number: privateSlotEvents + uint32(i), slot: true})
		}
		for i := range SharedSlots {
			d.add(event{number: sharedSlotEvents + uint32(i), slot: true, shared: true})
		}
	}
	return d, nil
}

func (d *Dispatcher) add(e event) {
	e.owner, e.offered = nobody, nobody
	if e.shared {
		e.at = make([]handler, 1)
	} else {
		e.at = make([]handler, len(d.pes))
	}
	d.events = append(d.events, e)
}

// find returns the event with this number, or nil. A slot without an interrupt is no event.
func (d *Dispatcher) find(number uint32) *event {
	for i := range d.events {
		if e := &d.events[i]; e.number == number && (!e.slot || e.bound) {
			return e
		}
	}
	return nil
}

// on returns the event's handler on p.
func (e *event) on(p *pe) *handler {
	if e.shared {
		return &e.at[0]
	}
	return &e.at[p.ID.Index]
}

func (e *event) priority() int {
	if e.critical {
		return critical
	}
	return normal
}

// do applies op to h, unless the state machine refuses.
func (h *handler) do(op operation) result {
	s := steps[h.state][op]
	h.state = s.next
	if s.next&registered == 0 {
		h.pending = false // nobody wants it any more
	}
	return s.result
}

// trigger makes the event pending where somebody wants it. What is not registered, or not for much
// longer, misses it.
func (h *handler) trigger() {
	if h.state&registered != 0 {
		h.pending = true
	}
}

// takes reports whether p can be interrupted by an event of this priority now.
func (p *pe) takes(priority int) bool {
	if p.masked || p.ctx[critical].by != nil {
		return false
	}
	return priority == critical || p.ctx[normal].by == nil
}

// due reports whether e is to be dispatched on p now.
func (e *event) due(p *pe) bool {
	h := e.on(p)
	if !h.pending || h.state != registered|enabled || !p.takes(e.priority()) {
		return false
	}
	return !e.shared || !e.toPE || e.target == int(p.ID.Index)
}

// kicks is a set of PEs that are to be kicked.
type kicks [MaxVCPUs / 64]uint64

func (k *kicks) add(index int) { k[index/64] |= 1 << (index % 64) }

// alert has p call Deliver before it goes on. caller is where that happens anyway.
func (d *Dispatcher) alert(p *pe, caller int) {
	if !p.alert.Swap(true) && int(p.ID.Index) != caller {
		d.kicks.add(int(p.ID.Index))
	}
}

// settle alerts p if it has something private to take, and a PE for each shared event. It follows every
// change: of p, or of shared events. caller is the PE whose thread this is, or nobody.
func (d *Dispatcher) settle(p *pe, caller int) {
	for i := range d.events {
		switch e := &d.events[i]; {
		case e.shared:
			d.offer(e, caller)
		case e.due(p):
			d.alert(p, caller)
		}
	}
}

// offer alerts one PE for a shared event that is pending: the one that already was if it still can take
// it, else the caller, else the first that can.
func (d *Dispatcher) offer(e *event, caller int) {
	if h := &e.at[0]; !h.pending || h.state != registered|enabled {
		e.offered = nobody
		return
	}
	if e.toPE {
		if p := &d.pes[e.target]; e.due(p) {
			d.alert(p, caller)
		}
		return
	}
	if e.offered != nobody && e.due(&d.pes[e.offered]) {
		return
	}
	e.offered = nobody
	if caller != nobody && e.due(&d.pes[caller]) {
		e.offered = caller
	} else {
		for i := range d.pes {
			if e.due(&d.pes[i]) {
				e.offered = i
				break
			}
		}
	}
	if e.offered != nobody {
		d.alert(&d.pes[e.offered], caller)
	}
}

// unlockAndKick unlocks the dispatcher and does what alert asked for. After the first kick that moves v
// elsewhere the others are sent without it.
func (d *Dispatcher) unlockAndKick(v *hypercall.VCPU) (out hypercall.Outcome) {
	k := d.kicks
	d.kicks = kicks{}
	d.mu.Unlock()
	for i, word := range k {
		for ; word != 0; word &= word - 1 {
			index := 64*i + bits.TrailingZeros64(word)
			if v == nil || out.Action != hypercall.Return {
				d.machine.Kick(nil, index)
			} else {
				out = d.machine.Kick(v, index)
			}
		}
	}
	return out
}

// Waiting reports whether v must call Deliver before it runs on. It takes no lock.
func (d *Dispatcher) Waiting(v *hypercall.VCPU) bool { return d.pes[v.ID.Index].alert.Load() }

// Raise triggers an event of Config.Events, a private one on vCPU index.
func (d *Dispatcher) Raise(number uint32, index int) error {
	if index < 0 || index >= len(d.pes) {
		return fmt.Errorf("sdei: there is no vCPU %d", index)
	}
	d.mu.Lock()
	e := d.find(number)
	if e == nil || e.slot {
		d.mu.Unlock()
		return fmt.Errorf("sdei: event %#x cannot be raised", number)
	}
	p := &d.pes[index]
	e.on(p).trigger()
	d.settle(p, nobody)
	d.unlockAndKick(nil)
	return nil
}

// Interrupt tells the level of a bound interrupt. It is triggered by the rise, and again when its
// handler completes and the level is still high. That of a PPI is the one of vCPU index. Interrupts
// that are not bound are ignored.
func (d *Dispatcher) Interrupt(intid uint32, index int, high bool) {
	d.mu.Lock()
	if e := d.bound(intid); e != nil {
		p := &d.pes[index]
		h := e.on(p)
		if high && !h.asserted {
			h.trigger()
			d.settle(p, nobody)
		}
		h.asserted = high
	}
	d.unlockAndKick(nil)
}

// Off tells that v is switched off. That completes its handlers (DEN0054C §6.5), masks it and
// unregisters its private events: it is as after a reset.
func (d *Dispatcher) Off(v *hypercall.VCPU) {
	d.mu.Lock()
	p := &d.pes[v.ID.Index]
	for i := range p.ctx {
		if e := p.ctx[i].by; e != nil {
			d.finish(p, i)
		}
	}
	p.masked = true
	for i := range d.events {
		if e := &d.events[i]; !e.shared {
			h := e.on(p)
			*h = handler{asserted: h.asserted}
		}
	}
	d.settle(p, nobody)
	p.alert.Store(false)
	d.unlockAndKick(nil)
}
