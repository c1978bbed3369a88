package ffa

import (
	"errors"
	"fmt"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// Limits of a machine.
const (
	MaxPartitions = 64  // VMs, the primary included
	MaxVCPUs      = 512 // of one VM, as many as KVM gives with a GICv3
)

// PageSize is the size and alignment, in bytes, of everything in memory that the interfaces speak of.
const PageSize = 4096

// MaxBuffer is the size, in bytes, of the largest RX or TX buffer.
const MaxBuffer = 16 * PageSize

// Span is a range of memory. IPA and PA are the same in every VM.
type Span struct {
	Base, Size uint64 // bytes
}

func (s Span) String() string { return fmt.Sprintf("%#x+%#x", s.Base, s.Size) }

// Partition describes a VM.
type Partition struct {
	Name  string
	VCPUs []*hypercall.VCPU // at index i the vCPU with ID.Index i; ID.VM is the VM's place in the Config
	RAM   Span              // what it owns alone at first, with full access; whole pages

	Endpoint // what it is under FF-A
}

// SecondaryBoot is the state in which vCPU 0 of a secondary starts under SPCI and FF-A: at the first byte of its memory,
// whose size in bytes is in x0.
func SecondaryBoot(ram Span) hypercall.Boot { return hypercall.Boot{Entry: ram.Base, X0: ram.Size} }

// Memory is the RAM of the machine.
type Memory interface {
	// Slice is a direct view of size bytes of RAM from ipa, or nil where that is not RAM.
	Slice(ipa, size uint64) []byte
}

// Timer is the virtual timer (CNTV) of the vCPUs of secondaries. The core asks for vCPUs that do not
// run or that have just stopped on the calling thread.
type Timer interface {
	// Remaining is the time in ns until the timer fires, 0 if it did. armed is ENABLE && !IMASK.
	Remaining(id hypercall.VCPUID) (ns uint64, armed bool)
	// Mask sets IMASK, so that the timer is no longer armed.
	Mask(id hypercall.VCPUID)
}

// Console takes what partitions print with FFA_CONSOLE_LOG.
type Console interface {
	// Print takes characters of VM vm, which are good until it returns.
	Print(vm int, chars []byte)
}

// Config describes a machine's partitions.
type Config struct {
	Partitions []Partition // the first is the primary
	Memory     Memory
	Timer      Timer
	Stage2     Stage2 // in which every partition has full access to its RAM

	// PrimaryVCPUs is how many vCPUs the primary is told that it has, or 0 for the truth. Scheduler
	// code of the SPCI era wants to hear 8.
	PrimaryVCPUs int

	Observer Observer // or nil

	// NewHandle gives out the handles of FF-A's memory transactions: numbers that guests cannot guess.
	// Without it no memory can be sent.
	NewHandle func() uint64
	// Strict refuses, of FF-A's memory transactions, what Hafnium refuses but other implementations accept.
	Strict bool
	// Of FF-A:
	Version wire.Version // that is offered, or 0: 1.2
	Console Console      // or nil: what partitions print is lost
	// Interrupts of VMs with a GIC, or nil: none learns of notifications by an interrupt.
	Interrupts Interrupts
}

func (cfg *Config) check() error {
	n := len(cfg.Partitions)
	if n == 0 || n > MaxPartitions {
		return fmt.Errorf("%d VMs, want 1 to %d with the primary", n, MaxPartitions)
	}
	if cfg.Memory == nil || cfg.Timer == nil || cfg.Stage2 == nil {
		return errors.New("no memory, no timer or no stage 2 given")
	}
	if cfg.PrimaryVCPUs < 0 || cfg.PrimaryVCPUs > MaxVCPUs {
		return fmt.Errorf("%d vCPUs of the primary to report, want 0 to %d", cfg.PrimaryVCPUs, MaxVCPUs)
	}
	for i := range cfg.Partitions {
		p := &cfg.Partitions[i]
		if err := p.check(uint16(i)); err != nil {
			return fmt.Errorf("VM %q: %w", p.Name, err)
		}
		for j := range i {
			if q := &cfg.Partitions[j]; p.RAM.Base < q.RAM.Base+q.RAM.Size && q.RAM.Base < p.RAM.Base+p.RAM.Size {
				return fmt.Errorf("VMs %q and %q both own memory of %v and %v", q.Name, p.Name, q.RAM, p.RAM)
			}
		}
	}
	return nil
}

func (p *Partition) check(vm uint16) error {
	if n := len(p.VCPUs); n == 0 || n > MaxVCPUs {
		return fmt.Errorf("%d vCPUs, want 1 to %d", n, MaxVCPUs)
	}
	for i, v := range p.VCPUs {
		if want := (hypercall.VCPUID{VM: vm, Index: uint16(i)}); v.ID != want {
			return fmt.Errorf("vCPU %v stands at place %v", v.ID, want)
		}
	}
	if r := p.RAM; r.Base%PageSize != 0 || r.Size%PageSize != 0 || r.Size == 0 || r.Base+r.Size < r.Base {
		return fmt.Errorf("memory %v is not a range of whole pages of %d bytes", r, PageSize)
	}
	return nil
}
