package main

import (
	"errors"
	"fmt"

	"github.com/hfvmm/hfvmm/kvmarm"
)

const kvmDevice = "/dev/kvm"

// kvmFeature is something of KVM that hfvmm asks for.
type kvmFeature struct {
	name   string
	what   func(*kvmarm.System, *kvmarm.VM) (string, error) // what there is, or why there is not
	remedy string
	needed bool
}

const newKernel = "run Linux 6.4 or later"

// kvmFeatures are looked for on a VM of their own that runs nothing.
var kvmFeatures = []kvmFeature{
	{"SMCCC filter", hasFilter, newKernel, true},
	{"counter offset", hasCap(kvmarm.CapCounterOffset), newKernel, true},
	{"vCPU statistics", hasCap(kvmarm.CapBinaryStatsFD), newKernel, true},
	{"faults without syndrome (NISV)", hasCap(kvmarm.CapARMNISVToUser), newKernel, true},
	{"read-only memory", hasCap(kvmarm.CapReadonlyMem), newKernel, true},
	{"timer levels (user IRQ)", hasCap(kvmarm.CapARMUserIRQ), newKernel, true},
	{"vGICv3", hasVGICv3, "run on a host whose interrupt controller is a GICv3 or later", true},
	{"IPA size", ipaSize, newKernel, false},
	{"hardware breakpoints", count(kvmarm.CapGuestDebugHWBPs), "run on a host that has them; without, WFI of secondaries is noticed late and --smccc-version=1.2 has no effect", false},
	{"writable ID registers", hasCap(kvmarm.CapRegMaskRanges), "run Linux 6.7 or later; without, --id-regs=hafnium works only where the processor is old enough", false},
}

func hasFilter(_ *kvmarm.System, vm *kvmarm.VM) (string, error) {
	if !vm.HasSMCCCFilter() {
		return "", errMissing
	}
	return "yes", nil
}

func hasCap(c kvmarm.Cap) func(*kvmarm.System, *kvmarm.VM) (string, error) {
	n := count(c)
	return func(k *kvmarm.System, vm *kvmarm.VM) (string, error) {
		_, err := n(k, vm)
		return "yes", err
	}
}

func count(c kvmarm.Cap) func(*kvmarm.System, *kvmarm.VM) (string, error) {
	return func(k *kvmarm.System, _ *kvmarm.VM) (string, error) {
		n, err := k.Capability(c)
		if err == nil && n == 0 {
			err = errMissing
		}
		return fmt.Sprint(n), err
	}
}

func ipaSize(k *kvmarm.System, _ *kvmarm.VM) (string, error) {
	n, err := k.Capability(kvmarm.CapARMVMIPASize)
	if n == 0 {
		n = 40 // what KVM had before it could say
	}
	return fmt.Sprintf("%d bits", n), err
}

// hasVGICv3 makes an interrupt controller for one vCPU, at addresses that nothing else has.
func hasVGICv3(_ *kvmarm.System, vm *kvmarm.VM) (string, error) {
	v, err := vm.CreateVCPU(0)
	if err != nil {
		return "", err
	}
	defer v.Close()
	g, err := vm.CreateVGICv3(0, kvmarm.VGICDistSize, 1, 64)
	if err != nil {
		return "", err
	}
	return "yes", g.Close()
}

var errMissing = errors.New("missing")

// found is what was found out about a feature.
type found struct {
	kvmFeature
	value string
	err   error
}

// probeKVM looks at this host's KVM. The error says why there is none at all.
func probeKVM() ([]found, error) {
	k, err := kvmarm.Open(kvmDevice)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	vm, err := k.CreateVM(0)
	if err != nil {
		return nil, fmt.Errorf("%s makes no VM: %w; `dmesg | grep -i kvm` may say why", kvmDevice, err)
	}
	defer vm.Close()
	var all []found
	for _, f := range kvmFeatures {
		value, err := f.what(k, vm)
		all = append(all, found{f, value, err})
	}
	return all, nil
}

// usableKVM says why this host's KVM cannot be used, if it cannot.
func usableKVM(features []found) error {
	for _, f := range features {
		if f.err != nil && f.needed {
			return fmt.Errorf("KVM of this host cannot be used: %s: %w; %s", f.name, f.err, f.remedy)
		}
	}
	return nil
}
