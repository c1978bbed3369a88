package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// Interrupts are the interrupt controllers of VMs that have a GIC.
type Interrupts interface {
	// RaiseSGI makes the software-generated interrupt intid, 0 to 15, pending for a vCPU. The core is locked.
	RaiseSGI(id hypercall.VCPUID, intid uint32)
}

// origin is where a VM's notifications come from: each has a bitmap of its own (DEN0077A §10.2).
type origin uint8

// The origins.
const (
	fromSPs origin = iota
	fromVMs
	origins
)

// originOf is the bitmap in which the notifications of p stand.
func originOf(p *partition) origin {
	if p.ffa.Secure {
		return fromSPs
	}
	return fromVMs
}

const maxNotifications = 64 // of an origin

// framework notifications say that a message is in the RX buffer, by what sent it.
type framework uint8

// The framework notifications.
const (
	rxFullSPM framework = 1 << iota // a secure partition
	rxFullHyp                       // a VM
)

// binding says who may signal a notification.
type binding struct {
	bound   bool
	perVCPU bool
	sender  uint16 // VM
}

// notifications are what a VM can be notified of, and of what it was.
type notifications struct {
	bindings  [origins][maxNotifications]binding
	pending   [origins]uint64 // the global ones
	framework framework
	told      // of the global and framework ones
}

// told says who knows that there are pending notifications, and needs not be interrupted for those.
type told struct {
	npi       bool // the receiver was interrupted, and has not looked since
	scheduler bool // the primary has them in its list
	self      bool // the receiver has them in its own list
}

// vcpuNotifications are the pending ones of a vCPU.
type vcpuNotifications struct {
	pending [origins]uint64
	told
}

func (n *notifications) any() bool     { return n.pending != [origins]uint64{} || n.framework != 0 }
func (n *vcpuNotifications) any() bool { return n.pending != [origins]uint64{} }

// taken are the notifications of an origin that are bound.
func (n *notifications) taken(src origin) (mask uint64) {
	for i := range n.bindings[src] {
		if n.bindings[src][i].bound {
			mask |= 1 << i
		}
	}
	return mask
}

// boundTo are those that VM sender may signal.
func (n *notifications) boundTo(src origin, sender uint16) (global, perVCPU uint64) {
	for i, b := range n.bindings[src] {
		switch {
		case !b.bound || b.sender != sender:
		case b.perVCPU:
			perVCPU |= 1 << i
		default:
			global |= 1 << i
		}
	}
	return global, perVCPU
}

// set gives the notifications of a bitmap the binding b.
func (n *notifications) set(src origin, bitmap uint64, b binding) {
	for i := range n.bindings[src] {
		if bitmap>>i&1 != 0 {
			n.bindings[src][i] = b
		}
	}
}

// bind lets VM sender signal notifications to p.
func (c *Core) bind(p, sender *partition, bitmap uint64, perVCPU bool) status {
	n, src := &p.notifications, originOf(sender)
	if bitmap&(n.taken(src)|p.pendingOf(src)) != 0 {
		return denied
	}
	n.set(src, bitmap, binding{true, perVCPU, sender.index})
	return success
}

// unbind undoes bind, for notifications that are not pending.
func (c *Core) unbind(p, sender *partition, bitmap uint64) status {
	n, src := &p.notifications, originOf(sender)
	global, perVCPU := n.boundTo(src, sender.index)
	if bitmap&^(global|perVCPU) != 0 || bitmap&p.pendingOf(src) != 0 {
		return denied
	}
	n.set(src, bitmap, binding{})
	return success
}

// pendingOf is what is pending for p or any of its vCPUs.
func (p *partition) pendingOf(src origin) uint64 {
	pending := p.notifications.pending[src]
	for i := range p.vcpus {
		pending |= p.vcpus[i].notified.pending[src]
	}
	return pending
}

// signal makes notifications of v's VM pending for p, which bound them, or for a vCPU of p.
func (c *Core) signal(v *vcpu, p *partition, bitmap uint64, perVCPU bool, index uint64, delayed bool) status {
	n, src := &p.notifications, originOf(v.vm)
	global, each := n.boundTo(src, v.vm.index)
	if !perVCPU {
		if bitmap&^global != 0 {
			return denied
		}
		n.pending[src] |= bitmap
		c.announce(v, p, p.anyVCPU(v), &n.told, delayed)
		return success
	}
	target := p.find(index)
	switch {
	case target == nil:
		return invalid
	case bitmap&^each != 0:
		return denied
	}
	target.notified.pending[src] |= bitmap
	c.announce(v, p, target, &target.notified.told, delayed)
	return success
}

// rxFull notifies p of a message of v's VM in its RX buffer.
func (c *Core) rxFull(v *vcpu, p *partition, delayed bool) {
	n := &p.notifications
	n.framework |= frameworkOf[originOf(v.vm)]
	c.announce(v, p, p.anyVCPU(v), &n.told, delayed)
}

var frameworkOf = [origins]framework{fromSPs: rxFullSPM, fromVMs: rxFullHyp}

// anyVCPU chooses who is interrupted for p, for which v signals: a vCPU that is on.
func (p *partition) anyVCPU(v *vcpu) *vcpu {
	if p.index == primary {
		return v.runner
	}
	for i := range p.vcpus {
		if p.vcpus[i].state != off {
			return &p.vcpus[i]
		}
	}
	return &p.vcpus[0]
}

// announce interrupts the receiver, unless it was and has not looked since, and whoever schedules it. v signals.
func (c *Core) announce(v *vcpu, p *partition, target *vcpu, t *told, delayed bool) {
	t.scheduler, t.self = false, false
	if intid := p.ffa.ownInterrupt(); intid != 0 && !t.npi {
		t.npi = true
		if p.ffa.GIC {
			c.raiseSGI(target, intid)
		} else {
			target.irqs.raise(uint(intid))
		}
	}
	if p.index != primary {
		c.scheduleReceiver(v, delayed)
	}
}

// ownInterrupt is the interrupt by which a VM learns of its own notifications: the one that says so, or else the one
// that also tells a scheduler.
func (e *endpoint) ownInterrupt() uint32 {
	if e.NPI != 0 {
		return e.NPI
	}
	return e.SRI
}

// scheduleReceiver tells the primary by the schedule receiver interrupt to look for whom notifications are pending,
// at once, or when v's pCPU is given back.
func (c *Core) scheduleReceiver(v *vcpu, delayed bool) {
	at := v
	if v.runner != nil {
		at = v.runner
	}
	if delayed && at != v {
		at.sriDelayed = true
		return
	}
	if intid := c.vms[primary].ffa.SRI; intid != 0 && !c.sri {
		c.sri = true
		c.raiseSGI(at, intid)
	}
}

// sriOfReturn raises the interrupt that was delayed until the primary's vCPU v had its pCPU back.
func (c *Core) sriOfReturn(v *vcpu) {
	if v.sriDelayed {
		v.sriDelayed = false
		c.scheduleReceiver(v, false)
	}
}

func (c *Core) raiseSGI(v *vcpu, intid uint32) {
	if c.interrupts != nil {
		c.interrupts.RaiseSGI(v.ID, intid)
	}
}

// collect returns p's notifications of the origins of flags, and takes them, for vCPU v of p.
func (p *partition) collect(v *vcpu, flags uint64) (bitmaps [origins]uint64, fw framework) {
	n := &p.notifications
	for src := range origins {
		if flags>>src&1 != 0 {
			bitmaps[src] = n.pending[src] | v.notified.pending[src]
			n.pending[src], v.notified.pending[src] = 0, 0
		}
	}
	fw = n.framework & framework(flags>>origins)
	n.framework &^= fw
	n.told, v.notified.told = told{}, told{}
	return bitmaps, fw
}
