package sdei

import (
	"errors"
	"fmt"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Register is a register of a vCPU beside x0 to x17.
type Register uint8

// The registers.
const (
	PC     Register = iota
	PSTATE          // in the format of SPSR_EL1
	ELR             // ELR_EL1
	SPSR            // SPSR_EL1
	SCTLR           // SCTLR_EL1
	VBAR            // VBAR_EL1
)

// Machine is what the dispatcher knows of the vCPUs.
type Machine interface {
	// Get and Set access a register of a vCPU that the calling thread owns.
	Get(v *hypercall.VCPU, r Register) uint64
	Set(v *hypercall.VCPU, r Register, x uint64)
	// Kick makes vCPU index, if it is on, stop and call Deliver before it goes on. v is the vCPU whose
	// call caused that, its registers hold the result; the outcome is what becomes of it. If v is nil
	// the outcome is ignored.
	Kick(v *hypercall.VCPU, index int) hypercall.Outcome
}

// Interrupts is what the dispatcher knows of the interrupt controller.
type Interrupts interface {
	// Bind takes an interrupt, a PPI or an SPI, away from the guest's interrupt controller, so that its
	// level is told to Dispatcher.Interrupt instead. It is called with the dispatcher locked.
	Bind(intid uint32) Binding
	// Release gives a bound interrupt back, disabled.
	Release(intid uint32)
}

// Binding is the answer to Interrupts.Bind.
type Binding uint8

// The answers.
const (
	Bound       Binding = iota
	NotBindable         // no such interrupt, or not one that can be taken away
	InUse               // it is enabled, pending or active
)

// Event is an event that the machine raises.
type Event struct {
	Number   uint32 // as VendorEvents; not that of a slot
	Shared   bool   // one handler for the VM, not one on each PE
	Critical bool   // interrupts handlers of normal priority
}

// Config describes a VM. Event 0, software signalled, is always there: private, of normal priority.
type Config struct {
	VCPUs      []*hypercall.VCPU // at index i the vCPU with ID.Index i
	Machine    Machine
	Interrupts Interrupts // nil if none can be bound; there are no slots then
	Events     []Event

	// Indexed vCPUs have their index as their affinity; others have what [hypercall.Affinity] says.
	Indexed bool
}

// MaxVCPUs is how many vCPUs a VM may have.
const MaxVCPUs = 512

func (cfg *Config) check() error {
	if n := len(cfg.VCPUs); n == 0 || n > MaxVCPUs {
		return fmt.Errorf("%d vCPUs, want 1 to %d", n, MaxVCPUs)
	}
	for i, v := range cfg.VCPUs {
		if int(v.ID.Index) != i {
			return fmt.Errorf("vCPU %d stands at place %d", v.ID.Index, i)
		}
	}
	if cfg.Machine == nil {
		return errors.New("no machine given")
	}
	seen := map[uint32]bool{SoftwareSignaled: true}
	for i := range PrivateSlots {
		seen[privateSlotEvents+uint32(i)] = true
	}
	for i := range SharedSlots {
		seen[sharedSlotEvents+uint32(i)] = true
	}
	for _, e := range cfg.Events {
		if e.Number&eventReserved != 0 {
			return fmt.Errorf("%#x is no event number", e.Number)
		}
		if seen[e.Number] {
			return fmt.Errorf("event %#x is there twice", e.Number)
		}
		seen[e.Number] = true
	}
	return nil
}
