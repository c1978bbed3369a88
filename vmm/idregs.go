package vmm

import (
	"fmt"

	"github.com/hfvmm/hfvmm/kvmarm"
)

// IDRegs says what the ID registers of the processor tell VMs.
type IDRegs uint8

// The choices.
const (
	HostIDRegs    IDRegs = iota // what KVM says of the host
	HafniumIDRegs               // no more than code written for Hafnium in 2019 takes
)

// AllIDRegs are all choices, in the order of their values.
var AllIDRegs = [...]IDRegs{HostIDRegs, HafniumIDRegs}

func (r IDRegs) String() string { return [...]string{"host", "hafnium"}[r] }

// regMMFR0 is ID_AA64MMFR0_EL1.
var regMMFR0 = kvmarm.SysReg(3, 0, 0, 7, 0)

// Fields of ID_AA64MMFR0_EL1 (Arm DDI0487 D24.2): the size of physical addresses, and 4 KiB granules, which
// are there (0), there with addresses of 52 bits (1), or not there (15). Code of 2019 refuses to start
// unless the first is at most 5 and the second 0.
const (
	paRange       = 0xf
	paRangeMax    = 5 // 48 bits
	tgran4        = 0xf << 28
	tgran4Missing = 0xf << 28
)

// mmfr0OfHafnium is what HafniumIDRegs makes of a host's ID_AA64MMFR0_EL1.
func mmfr0OfHafnium(host uint64) (uint64, error) {
	if host&tgran4 == tgran4Missing {
		return 0, fmt.Errorf("%w: the processor of this host has no pages of 4 KiB, which --id-regs hafnium promises", ErrNoKVM)
	}
	return host&^(paRange|tgran4) | min(host&paRange, paRangeMax), nil
}

// limitIDRegs limits the ID registers of every VM, if they are to be.
func (m *Machine) limitIDRegs() error {
	if m.cfg.IDRegs != HafniumIDRegs {
		return nil
	}
	for _, v := range m.vms {
		if v.kvm == nil { // built in
			continue
		}
		if err := v.limitMMFR0(mmfr0OfHafnium); err != nil {
			return err
		}
	}
	return nil
}

// limitMMFR0 changes ID_AA64MMFR0_EL1 for all vCPUs of the VM, which has not run.
func (v *vm) limitMMFR0(limit func(host uint64) (uint64, error)) error {
	c := v.vcpus[0].kvm
	host, err := c.Get(regMMFR0)
	if err != nil {
		return err
	}
	want, err := limit(host)
	if err != nil || want == host {
		return err
	}
	if err := c.Set(regMMFR0, want); err != nil {
		return fmt.Errorf("%w: the kernel of this host does not let ID_AA64MMFR0_EL1 be %v instead of %v: %w; run Linux 6.7 or later, or leave --id-regs at host",
			ErrNoKVM, hex(want), hex(host), err)
	}
	return nil
}
