package ffa

import (
	"fmt"

	"github.com/hfvmm/hfvmm/ffa/wire"
)

// Endpoint is what a partition is under FF-A. The zero value is a VM that may do everything and of whose protocols
// nothing is known.
type Endpoint struct {
	Secure   bool         // it is a secure partition to others: bit 15 of its id is set
	ID       uint16       // or 0: its place among the partitions says
	Version  wire.Version // which it speaks until it negotiates another, or 0: 1.0
	Services []Service    // its protocols; none: one with the nil UUID and all methods

	// INTIDs of the notification pending and the schedule receiver interrupt, or 0 for none. With a GIC they are SGIs, 1 to
	// 15, else virtual interrupts, 1 to 63.
	NPI, SRI uint32
	GIC      bool // it has a GIC, to which Interrupts raise SGIs; else virtual interrupts

	NoNotifications bool // it receives none

	// What it is told of: each VM, before the primary starts; VMs that die; pCPUs that are switched off (DEN0077A §18.2,
	// §18.3).
	WantsCreated, WantsDestroyed, WantsCPUOff bool

	ManagedExit bool // it is asked to give the CPU back before that is taken while it serves a request
	Undisturbed bool // interrupts of the primary wait until it gives the CPU back
}

// Service is a protocol of a partition.
type Service struct {
	UUID    wire.UUID
	Methods uint32 // of the properties in package wire: how messages reach it and which it sends
}

// AllMethods are the ways of exchanging messages that a partition has unless it chooses.
const AllMethods = wire.ReceivesDirect | wire.SendsDirect | wire.Indirect | wire.ReceivesDirect2 | wire.SendsDirect2

// Features of the virtual interrupts that partitions without a GIC have: INTIDs of Hafnium.
const (
	ManagedExitIRQ = 4
	NPIIRQ         = 5
)

// endpoint is what the core keeps of a partition under FF-A.
type endpoint struct {
	Endpoint
	methods uint32 // of all its services together

	versionLocked bool // it made a call other than VERSION
	asked         bool // it called VERSION
}

// IDAt is the id of the partition, which has this place among all.
func (e *Endpoint) IDAt(index uint16) uint16 {
	switch {
	case e.ID != 0:
		return e.ID
	case e.Secure:
		return ffaSecure | index
	}
	return index + 1
}

// newEndpoint completes e for the partition at a place.
func newEndpoint(e Endpoint, index uint16) endpoint {
	if e.Version == 0 {
		e.Version = wire.Version10
	}
	e.ID = e.IDAt(index)
	if len(e.Services) == 0 {
		e.Services = []Service{{Methods: AllMethods}}
	}
	if index == primary { // which nobody schedules
		for i := range e.Services {
			e.Services[i].Methods &^= wire.ReceivesDirect | wire.ReceivesDirect2
		}
	}
	ep := endpoint{Endpoint: e}
	for _, s := range e.Services {
		ep.methods |= s.Methods
	}
	return ep
}

// endpoint finds a partition by its FF-A id, or returns nil. 0 is hfvmm itself, as it is Hafnium's.
func (c *Core) endpoint(id uint16) *partition {
	for i := range c.vms {
		if p := &c.vms[i]; p.ffa.ID == id {
			return p
		}
	}
	return nil
}

// checkEndpoints reports what is wrong with the ids of the partitions.
func checkEndpoints(vms []partition) error {
	for i := range vms {
		p := &vms[i]
		if p.ffa.Secure != (p.ffa.ID&ffaSecure != 0) || p.ffa.ID == ffaSPMC {
			return fmt.Errorf("partition %d has the FF-A id %#x; a secure partition has one from %#x, a VM one below", i, p.ffa.ID, ffaSPMC+1)
		}
		for j := range i {
			if vms[j].ffa.ID == p.ffa.ID {
				return fmt.Errorf("partitions %d and %d both have the FF-A id %#x; give them different ones", j, i, p.ffa.ID)
			}
		}
	}
	return nil
}
