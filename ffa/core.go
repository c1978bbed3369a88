package ffa

import (
	"fmt"
	"sync"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// Core is the partition manager of a machine. Every exported method may be called from several
// threads, each for the vCPU that it owns.
type Core struct {
	memory       Memory
	timer        Timer
	stage2       Stage2
	primaryVCPUs int // as reported
	observer     Observer
	strict       bool
	newHandle    func() uint64
	console      Console
	offered      wire.Version // of FF-A
	interrupts   Interrupts

	mu  sync.Mutex // guards everything below, and the registers of vCPUs that nobody runs
	vms []partition

	pages   holdings
	spans   []Span             // of the transfer that is made
	changes []Mapping          // for it
	message [MaxBuffer]byte    // out of reach of guests, while it is read
	regions map[uint64]*region // of FF-A, by handle
	sri     bool               // the primary was told to look for notifications, and has not
}

// maxSpans is how many ranges one transfer may have: a page has room for no more constituents of 16 bytes.
const maxSpans = PageSize / 16

// primary is the place of the primary VM among the partitions.
const primary = 0

// partition is a VM: its vCPUs and what they share.
type partition struct {
	index uint16
	vcpus []vcpu
	box   mailbox
	ffa   endpoint
	core  *Core

	notifications notifications

	aborting bool // one of its vCPUs aborted; none of them runs guest code again

	untold    int     // vCPUs with that set
	receivers []*vcpu // blocked until a message is handed to them: see await

	version         wire.Version // of FF-A, negotiated
	entry           uint64       // where vCPUs other than the first start, or 0
	regions, ranges int          // that it is the sender of

	toldVMs int    // of how many VMs it was told that they were created
	gone    uint64 // bit i: it is to be told that VM i is dead
	repeats uint8  // of the last message about a VM
}

// New returns the partition manager of a machine whose primary runs. vCPU 0 of every secondary is
// ready to be run, with the boot state that the caller gives it; the others wait for CPU_ON.
func New(cfg Config) (*Core, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("ffa: %w", err)
	}
	c := &Core{
		memory:       cfg.Memory,
		timer:        cfg.Timer,
		stage2:       cfg.Stage2,
		primaryVCPUs: cfg.PrimaryVCPUs,
		observer:     cfg.Observer,
		strict:       cfg.Strict,
		newHandle:    cfg.NewHandle,
		regions:      map[uint64]*region{},
		console:      cfg.Console,
		offered:      cfg.Version,
		interrupts:   cfg.Interrupts,
		vms:          make([]partition, len(cfg.Partitions)),
		pages:        newHoldings(cfg.Partitions),
		spans:        make([]Span, 0, maxSpans),
		changes:      make([]Mapping, 0, 2*maxSpans),
	}
	if c.offered == 0 {
		c.offered = wire.Version12
	}
	if c.primaryVCPUs == 0 {
		c.primaryVCPUs = len(cfg.Partitions[primary].VCPUs)
	}
	for i := range cfg.Partitions {
		p, vm := &cfg.Partitions[i], &c.vms[i]
		vm.index, vm.core, vm.vcpus = uint16(i), c, make([]vcpu, len(p.VCPUs))
		vm.receivers = make([]*vcpu, 0, len(p.VCPUs))
		vm.ffa = newEndpoint(p.Endpoint, uint16(i))
		vm.version = min(vm.ffa.Version, c.offered)
		for j, v := range p.VCPUs {
			vm.vcpus[j] = vcpu{VCPU: v, vm: vm, state: off}
		}
		if i == primary {
			continue
		}
		vm.vcpus[0].state = ready
	}
	if err := checkEndpoints(c.vms); err != nil {
		return nil, fmt.Errorf("ffa: %w", err)
	}
	return c, nil
}

// find returns VM index, or nil.
func (c *Core) find(index int) *partition {
	if index < 0 || index >= len(c.vms) {
		return nil
	}
	return &c.vms[index]
}

// find returns vCPU index of the VM, or nil.
func (p *partition) find(index uint64) *vcpu {
	if index >= uint64(len(p.vcpus)) {
		return nil
	}
	return &p.vcpus[index]
}

// caller returns the core's side of a vCPU that makes a call or has just stopped.
func (c *Core) caller(v *hypercall.VCPU) *vcpu {
	u := &c.vms[v.ID.VM].vcpus[v.ID.Index]
	if u.vm.index != primary && u.state != running {
		panic(fmt.Sprintf("ffa: a call of vCPU %v, which nobody runs", v.ID))
	}
	return u
}

// vcpuCount is how many vCPUs the primary is told that VM p has.
func (c *Core) vcpuCount(p *partition) int {
	if p.index == primary {
		return c.primaryVCPUs
	}
	return len(p.vcpus)
}
