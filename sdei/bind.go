package sdei

// bound returns the event of a bound interrupt, or nil.
func (d *Dispatcher) bound(intid uint32) *event {
	for i := range d.events {
		if e := &d.events[i]; e.bound && e.intid == intid {
			return e
		}
	}
	return nil
}

// interruptBind gives an interrupt an event (DEN0054C §5.1.14): a PPI a private one, an SPI a shared one.
func (d *Dispatcher) interruptBind(_ *pe, a args) result {
	intid := uint32(a[0])
	if d.interrupts == nil || intid < firstPPI || intid >= endSPI {
		return invalid
	}
	if e := d.bound(intid); e != nil {
		return result(e.number)
	}
	e := d.freeSlot(intid >= firstSPI)
	if e == nil {
		return outOfResource
	}
	switch d.interrupts.Bind(intid) {
	case NotBindable:
		return invalid
	case InUse:
		return denied
	}
	e.bound, e.intid = true, intid
	return result(e.number)
}

func (d *Dispatcher) freeSlot(shared bool) *event {
	for i := range d.events {
		if e := &d.events[i]; e.slot && !e.bound && e.shared == shared {
			return e
		}
	}
	return nil
}

// interruptRelease is DEN0054C §5.1.15.
func (d *Dispatcher) interruptRelease(_ *pe, a args) result {
	e := d.find(uint32(a[0]))
	if e == nil || !e.bound {
		return invalid
	}
	return d.release(e)
}

// release frees the slot of a bound interrupt if no PE has a handler for it.
func (d *Dispatcher) release(e *event) result {
	for i := range e.at {
		if r := e.at[i].do(opRelease); r != success {
			return r
		}
	}
	e.bound = false
	clear(e.at)
	d.interrupts.Release(e.intid)
	return success
}
