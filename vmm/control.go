package vmm

import (
	"fmt"
	"strconv"

	"github.com/hfvmm/hfvmm/sdei"
	"github.com/hfvmm/hfvmm/vmm/api"
)

// Status implements api.Machine.
func (m *Machine) Status() api.Status {
	s := api.Status{State: api.Running}
	if m.pause.on.Load() {
		s.State = api.Paused
	}
	for _, v := range m.vms {
		s.VMs = append(s.VMs, api.VMStatus{
			Name: v.name, VCPUs: len(v.vcpus), Base: api.Hex(v.ram.base), Memory: v.ram.size,
			SDEI: v.sdei != nil, PVSched: v.sched != nil,
		})
	}
	for _, p := range m.pcpus {
		v := p.cur.Load()
		s.CPUs = append(s.CPUs, api.CPUStatus{VM: v.vm.name, VCPU: int(v.ID.Index), On: p.on.Load(), Runs: p.runs.Load()})
	}
	return s
}

// PowerOff implements api.Machine: the machine ends as if the primary had asked for SYSTEM_OFF.
func (m *Machine) PowerOff() { m.end(PoweredOff, nil) }

// RaiseEvent implements api.Machine.
func (m *Machine) RaiseEvent(vm string, vcpu int, number uint32) error {
	v, err := m.vmWithSDEI(vm)
	if err != nil {
		return err
	}
	if vcpu < 0 || vcpu >= len(v.vcpus) {
		return api.NotFound(fmt.Errorf("VM %q has %d vCPUs, and none with the number %d", v.name, len(v.vcpus), vcpu))
	}
	if err := v.sdei.Raise(number, vcpu); err != nil {
		return api.NotFound(fmt.Errorf("event %#x cannot be raised from outside; docs/abi.md lists those that can", number))
	}
	return nil
}

// SaveSDEI implements api.Machine.
func (m *Machine) SaveSDEI(vm string) (s sdei.State, err error) {
	v, err := m.vmWithSDEI(vm)
	if err != nil {
		return s, err
	}
	return s, m.paused(func() error {
		s = v.sdei.Save()
		return nil
	})
}

// RestoreSDEI implements api.Machine.
func (m *Machine) RestoreSDEI(vm string, s sdei.State) error {
	v, err := m.vmWithSDEI(vm)
	if err != nil {
		return err
	}
	return m.paused(func() error { return v.sdei.Restore(s) })
}

// vmWithSDEI finds a VM, by name or number, that has SDEI.
func (m *Machine) vmWithSDEI(vm string) (*vm, error) {
	v := m.findVM(vm)
	switch {
	case v == nil:
		return nil, api.NotFound(fmt.Errorf("there is no VM %q; give a name or number that `hfvmm status` shows", vm))
	case v.sdei == nil:
		return nil, api.Conflict(fmt.Errorf("VM %q has no SDEI; start the machine with --sdei primary or --sdei all", v.name))
	}
	return v, nil
}

func (m *Machine) findVM(name string) *vm {
	for _, v := range m.vms {
		if v.name == name {
			return v
		}
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(m.vms) {
		return m.vms[n]
	}
	return nil
}
