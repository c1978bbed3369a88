package vmm

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/pvsched"
	"github.com/hfvmm/hfvmm/sdei"
)

// vm is one virtual machine: the primary (index 0) or a secondary.
type vm struct {
	m     *Machine
	index int
	name  string
	ram   span
	kvm   *kvmarm.VM   // nil for the built-in primary
	gic   *kvmarm.VGIC // nil if the VM has none
	board *board       // nil but of secondaries that boot as a primary does
	vcpus []*vcpu
	table *hypercall.Table
	dead  atomic.Bool      // it aborted: none of its vCPUs stays in guest code
	sched *pvsched.Service // nil if the VM has no PV_SCHED
	sdei  *sdei.Dispatcher // nil if it has no SDEI
}

// newVM makes a VM with its RAM mapped and its vCPUs created. The SMCCC filter follows in
// setTable, once the services that need the vCPUs exist.
func (m *Machine) newVM(name string, ram span, vcpus int) (*vm, error) {
	v := &vm{m: m, index: len(m.vms), name: name, ram: ram}
	var err error
	if v.kvm, err = m.system.CreateVM(0); err != nil {
		return nil, err
	}
	m.vms = append(m.vms, v) // from here on close takes care of it
	if err := v.kvm.SetSlot(0, ram.base, m.ram.Slice(ram.base, ram.size), 0); err != nil {
		return nil, err
	}
	// One time base for all VMs and for hfvmm itself: guests read the host's counter.
	if err := v.kvm.SetCounterOffset(0); err != nil {
		return nil, err
	}
	if err := v.kvm.EnableCap(kvmarm.CapARMNISVToUser); err != nil {
		return nil, err
	}
	for i := range vcpus {
		c := &vcpu{vm: v}
		c.ID = hypercall.VCPUID{VM: uint16(v.index), Index: uint16(i)}
		c.Regs = hypercall.NewRegs(c)
		if c.kvm, err = v.kvm.CreateVCPU(i); err != nil {
			return nil, fmt.Errorf("VM %q: %w", name, err)
		}
		v.vcpus = append(v.vcpus, c)
		if err := c.kvm.Init(kvmarm.FeaturePSCI02); err != nil {
			return nil, fmt.Errorf("VM %q: %w", name, err)
		}
		if v.index == 0 {
			continue
		}
		if c.stats, err = c.kvm.Stats(); err != nil {
			return nil, fmt.Errorf("VM %q: %w", name, err)
		}
	}
	return v, nil
}

// setTable gives the VM its hypercall services and makes KVM forward its calls.
func (v *vm) setTable(services ...hypercall.Service) error {
	t, err := hypercall.NewTable(services...)
	if err != nil {
		return err
	}
	v.table = t
	if v.kvm == nil { // built in
		return nil
	}
	calls := forwarded(v.index == 0)
	if err := checkForwarded(calls, t.Ranges()); err != nil {
		return err
	}
	for _, r := range calls {
		if err := v.kvm.FilterSMCCC(uint32(r.First), r.Count); err != nil {
			return err
		}
	}
	return nil
}

// serviceVCPUs returns the vCPUs as services know them.
func (v *vm) serviceVCPUs() []*hypercall.VCPU {
	cs := make([]*hypercall.VCPU, len(v.vcpus))
	for i, c := range v.vcpus {
		cs[i] = &c.VCPU
	}
	return cs
}

func (v *vm) close() error {
	if v.kvm == nil { // built in
		return nil
	}
	var errs []error
	if v.gic != nil {
		errs = append(errs, v.gic.Close())
	}
	for _, c := range v.vcpus {
		if c.stats != nil {
			errs = append(errs, c.stats.Close())
		}
		errs = append(errs, c.kvm.Close())
	}
	return errors.Join(append(errs, v.kvm.Close())...)
}
