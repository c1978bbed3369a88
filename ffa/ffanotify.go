package ffa

import (
	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// The calls of FF-A that notify (DEN0077A §16).

// Flags of FFA_NOTIFICATION_BIND and SET, in w2.
const (
	notifyPerVCPU  = 1 << 0
	notifyDelayed  = 1 << 1 // SET: the schedule receiver interrupt waits until the caller gives its pCPU back
	notifyVCPUAt   = 16     // SET: of a vCPU's own
	notifyAllFlags = 1<<4 - 1
)

// notifiable reports whether p can receive notifications.
func (p *partition) notifiable() bool {
	return !p.ffa.NoNotifications && (!p.ffa.asked || p.version >= v11)
}

// sender finds who is to signal the notifications in a call of v about its own, in w1.
func (s *ffa) sender(v *vcpu, a ffaArgs) (sender *partition, st status) {
	from, to := a.pair()
	sender = s.endpoint(uint16(from))
	switch {
	case to != uint64(v.vm.ffa.ID), sender == nil, sender == v.vm, a.uint64(3) == 0:
		return nil, invalid
	case !v.vm.notifiable():
		return nil, notSupported
	}
	return sender, success
}

func (s *ffa) notificationBind(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	sender, st := s.sender(v, a)
	if st == success && a[2]&^notifyPerVCPU != 0 {
		st = invalid
	}
	if st == success {
		st = s.bind(v.vm, sender, a.uint64(3), a[2]&notifyPerVCPU != 0)
	}
	putFFAStatus(&v.Regs, st)
	return hypercall.Outcome{}
}

func (s *ffa) notificationUnbind(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	sender, st := s.sender(v, a)
	if st == success {
		st = s.unbind(v.vm, sender, a.uint64(3))
	}
	putFFAStatus(&v.Regs, st)
	return hypercall.Outcome{}
}

func (s *ffa) notificationSet(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	from, to := a.pair()
	p, flags, index := s.endpoint(uint16(to)), a[2]&(1<<notifyVCPUAt-1), a[2]>>notifyVCPUAt
	perVCPU := flags&notifyPerVCPU != 0
	st := success
	switch {
	case from != uint64(v.vm.ffa.ID), p == nil, p == v.vm, a.uint64(3) == 0,
		flags&^(notifyPerVCPU|notifyDelayed) != 0, !perVCPU && index != 0:
		st = invalid
	case !p.notifiable() || p.aborting:
		st = denied
	default:
		st = s.signal(v, p, a.uint64(3), perVCPU, index, flags&notifyDelayed != 0)
	}
	putFFAStatus(&v.Regs, st)
	return hypercall.Outcome{}
}

// notificationGet hands out the caller's notifications: those of a vCPU and the global ones.
func (s *ffa) notificationGet(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	index, id := a.pair()
	target := v.vm.find(index)
	if id != uint64(v.vm.ffa.ID) || target == nil || a[2]&^notifyAllFlags != 0 {
		putFFAStatus(&v.Regs, invalid)
		return hypercall.Outcome{}
	}
	bitmaps, fw := v.vm.collect(target, a[2])
	putFFA(&v.Regs, ffaSuccess, 0, uint64(uint32(bitmaps[fromSPs])), bitmaps[fromSPs]>>32)
	v.Regs.SetX(4, uint64(uint32(bitmaps[fromVMs])))
	v.Regs.SetX(5, bitmaps[fromVMs]>>32)
	v.Regs.SetX(6, uint64(fw&rxFullSPM))
	v.Regs.SetX(7, uint64(fw&rxFullHyp)>>1)
	return hypercall.Outcome{}
}

// notificationInfoGet tells a scheduler for whom notifications are pending, once: the primary of every secondary, and
// a VM of itself if it learns of its own only so.
func (s *ffa) notificationInfoGet(v *vcpu, fn hypercall.FuncID, _ ffaArgs) hypercall.Outcome {
	list := wire.NotificationList{Wide: fn&hypercall.SMC64 != 0}
	if v.vm.index == primary {
		s.sri = false
	}
	for i := range s.vms {
		p := &s.vms[i]
		self := p == v.vm
		if p.aborting || self && (p.ffa.NPI != 0 || p.ffa.SRI == 0) || !self && v.vm.index != primary {
			continue
		}
		if !p.list(&list, self) {
			break
		}
	}
	if list.Empty() {
		putFFAError(&v.Regs, ffaNoData)
		return hypercall.Outcome{}
	}
	v.Regs.SetX(0, uint64(ffaSuccess|fn&hypercall.SMC64))
	v.Regs.SetX(1, 0)
	for i, x := range list.Regs() {
		v.Regs.SetX(2+i, x)
	}
	return hypercall.Outcome{}
}

// list adds what is pending for p and not yet told, and is false where that has no room.
func (p *partition) list(l *wire.NotificationList, self bool) bool {
	if n := &p.notifications; n.any() {
		if known := n.told.to(self); !*known {
			if !l.Global(p.ffa.ID) {
				return false
			}
			*known = true
		}
	}
	for i := range p.vcpus {
		n := &p.vcpus[i].notified
		if !n.any() {
			continue
		}
		if known := n.told.to(self); !*known {
			if !l.VCPU(p.ffa.ID, uint16(i)) {
				return false
			}
			*known = true
		}
	}
	return true
}

// to is whether the receiver itself, or the primary, was told.
func (t *told) to(self bool) *bool {
	if self {
		return &t.self
	}
	return &t.scheduler
}
