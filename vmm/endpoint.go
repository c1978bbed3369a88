package vmm

import (
	"github.com/hfvmm/hfvmm/ffa"
	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/vmm/boot"
)

// Notify says by which interrupts a secondary learns of FF-A's notifications.
type Notify uint8

// The ways. The primary has both interrupts, secondaries the first unless they choose.
const (
	NotifyAsUsual Notify = iota
	NotifyNPI            // that there are some for itself
	NotifySRI            // that there are some for a VM that it schedules
	NotifyBoth
	NotifyNone
)

// Notifies are all ways, in the order of their values.
var Notifies = [...]Notify{NotifyAsUsual, NotifyNPI, NotifySRI, NotifyBoth, NotifyNone}

func (n Notify) String() string { return [...]string{"usual", "npi", "sri", "both", "none"}[n] }

// The SGIs of VMs with a GIC. Linux has 0 to 7 for itself.
const (
	npiSGI = 8
	sriSGI = 9
)

// endpoint is what VM v is under FF-A.
func (m *Machine) endpoint(v *vm) ffa.Endpoint {
	e, how := ffa.Endpoint{GIC: v.gic != nil}, NotifyBoth
	if v.index != 0 {
		if how = m.cfg.Secondaries[v.index-1].Notify; how == NotifyAsUsual {
			how = NotifyNPI
		}
	}
	if npi := how == NotifyNPI || how == NotifyBoth; npi && e.GIC {
		e.NPI = npiSGI
	} else if npi && v.index != 0 {
		e.NPI = ffa.NPIIRQ
	}
	if (how == NotifySRI || how == NotifyBoth) && e.GIC {
		e.SRI = sriSGI
	}
	if v.index == 0 {
		return e
	}
	s := &m.cfg.Secondaries[v.index-1]
	id := s.identity()
	e.ID, e.Secure, e.Services = id.ID, id.Secure, s.services()
	if f := s.Manifest; f != nil {
		e.Version = wire.Version(f.Version)
		e.NoNotifications, e.ManagedExit = !f.Notifications, f.NSInterrupts == boot.NSInterruptManagedExit
		e.Undisturbed = f.NSInterrupts == boot.NSInterruptQueued
		e.WantsCreated, e.WantsDestroyed = f.VMMessages&boot.VMCreated != 0, f.VMMessages&boot.VMDestroyed != 0
		e.WantsCPUOff = f.PowerMessages&boot.PowerCPUOff != 0
	}
	return e
}

// identity is what decides the FF-A id of the secondary.
func (s *Secondary) identity() ffa.Endpoint {
	if f := s.Manifest; f != nil {
		return ffa.Endpoint{ID: f.ID, Secure: f.Secure}
	}
	return ffa.Endpoint{Secure: s.Secure}
}
