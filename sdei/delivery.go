package sdei

import "github.com/hfvmm/hfvmm/hypercall"

// Fields of PSTATE in the format of SPSR_EL1 (Arm DDI0487 C19.2.14).
const (
	pstateNZCV = 0xF << 28
	pstateDIT  = 1 << 24
	pstatePAN  = 1 << 22
	pstateSSBS = 1 << 12
	pstateDAIF = 0xF << 6
	pstateEL1h = 0b00101
)

// Fields of SCTLR_EL1 (Arm DDI0487 D23.2.140).
const (
	sctlrSPAN  = 1 << 23
	sctlrDSSBS = 1 << 44
)

// exceptionPSTATE is PSTATE after an exception is taken to EL1 from a PE with the given one: the rules of
// AArch64.TakeException (Arm DDI0487 J1.1.2) with every interrupt masked. Guests have no MTE and no
// FEAT_NMI, so TCO and ALLINT stay zero.
func exceptionPSTATE(interrupted, sctlr uint64) uint64 {
	p := interrupted&(pstateNZCV|pstateDIT|pstatePAN) | pstateDAIF | pstateEL1h
	if sctlr&sctlrSPAN == 0 {
		p |= pstatePAN
	}
	if sctlr&sctlrDSSBS != 0 {
		p |= pstateSSBS
	}
	return p
}

// Deliver interrupts v with the event that waits for it, if one does, and reports whether it did. What
// the vCPU did last must be finished: the result of its call in its registers, its access to a
// device completed.
func (d *Dispatcher) Deliver(v *hypercall.VCPU) bool {
	d.mu.Lock()
	p := &d.pes[v.ID.Index]
	p.alert.Store(false)
	e := d.next(p)
	if e != nil {
		d.dispatch(p, e)
		d.settle(p, int(v.ID.Index))
	}
	d.unlockAndKick(nil)
	return e != nil
}

// next returns the event that p takes now, or nil: critical before normal, low before high numbers.
func (d *Dispatcher) next(p *pe) (found *event) {
	for i := range d.events {
		if e := &d.events[i]; e.due(p) && (found == nil || e.critical && !found.critical) {
			found = e
		}
	}
	return found
}

// dispatch makes p enter the handler of e (DEN0054C §6.2). x4 to x17 keep what they were.
func (d *Dispatcher) dispatch(p *pe, e *event) {
	h := e.on(p)
	h.do(opDispatch)
	h.pending = false
	if e.shared {
		e.owner, e.offered = int(p.ID.Index), nobody
	}
	c := &p.ctx[e.priority()]
	c.by = e
	for n := range c.x {
		c.x[n] = p.Regs.X(n)
	}
	c.pc, c.pstate = d.machine.Get(p.VCPU, PC), d.machine.Get(p.VCPU, PSTATE)

	entry := h.entry
	if h.relative {
		entry += d.machine.Get(p.VCPU, VBAR)
	}
	p.Regs.SetX(0, uint64(e.number))
	p.Regs.SetX(1, h.arg)
	p.Regs.SetX(2, c.pc)
	p.Regs.SetX(3, c.pstate)
	// PSTATE first: a PE in AArch32 state would cut the PC.
	d.machine.Set(p.VCPU, PSTATE, exceptionPSTATE(c.pstate, d.machine.Get(p.VCPU, SCTLR)))
	d.machine.Set(p.VCPU, PC, entry)
}

// current returns the context of the handler that runs on p, the inner one of two, or nil.
func (p *pe) current() *context {
	for i := numPriorities - 1; i >= 0; i-- {
		if p.ctx[i].by != nil {
			return &p.ctx[i]
		}
	}
	return nil
}

// finish ends the handler of this priority on p, whose registers are restored by others.
func (d *Dispatcher) finish(p *pe, priority int) {
	e := p.ctx[priority].by
	p.ctx[priority].by = nil
	e.owner = nobody
	h := e.on(p)
	h.do(opComplete)
	if h.asserted {
		h.trigger()
	}
}

// complete ends the current handler of p and gives x0 to x17 back what they were.
func (d *Dispatcher) complete(p *pe) (c *context, ok bool) {
	if c = p.current(); c == nil {
		return nil, false
	}
	for n := range c.x {
		p.Regs.SetX(n, c.x[n])
	}
	d.finish(p, c.by.priority())
	return c, true
}

// eventComplete goes on where the event interrupted (DEN0054C §5.1.6). Nobody asks for the status.
func (d *Dispatcher) eventComplete(p *pe, _ args) result {
	c, ok := d.complete(p)
	if !ok {
		return denied
	}
	d.machine.Set(p.VCPU, PC, c.pc)
	d.machine.Set(p.VCPU, PSTATE, c.pstate)
	return noResult
}

// eventCompleteResume goes on at an address, as if an exception had brought the PE there from where the
// event interrupted it (DEN0054C §5.1.7).
func (d *Dispatcher) eventCompleteResume(p *pe, a args) result {
	if p.current() == nil {
		return denied
	}
	if a[0]%4 != 0 {
		return invalid
	}
	c, _ := d.complete(p)
	d.machine.Set(p.VCPU, ELR, c.pc)
	d.machine.Set(p.VCPU, SPSR, c.pstate)
	d.machine.Set(p.VCPU, PC, a[0])
	d.machine.Set(p.VCPU, PSTATE, exceptionPSTATE(c.pstate, d.machine.Get(p.VCPU, SCTLR)))
	return noResult
}

// eventContext reads a register as it was when the event came (DEN0054C §5.1.5).
func (d *Dispatcher) eventContext(p *pe, a args) result {
	c := p.current()
	switch {
	case a[0] >= hypercall.NumRegs:
		return invalid
	case c == nil:
		return denied
	}
	p.Regs.SetX(0, c.x[a[0]]) // of any value, even that of an error
	return noResult
}
