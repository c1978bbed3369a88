package lab

import (
	"os"
	"path/filepath"

	"github.com/hfvmm/hfvmm/kvmarm"
)

// holdKVM makes a VM that does nothing and returns what ends it. Linux patches its own code when a host's first VM
// appears and when its last one goes, and the same for VMs without an interrupt controller that have run. An emulated CPU
// that executes that code meanwhile has been seen to run the old one on, which costs VMs their lives (EIO). So this
// happens here, with one CPU on line, and not again before the end.
func holdKVM() (release func()) {
	defer withOneCPU()()
	system, err := kvmarm.Open("/dev/kvm")
	if err != nil { // the job will say so, if it needs KVM
		return func() {}
	}
	release = func() { system.Close() }
	vm, err := system.CreateVM(0)
	if err != nil {
		return release
	}
	release = func() { vm.Close(); system.Close() }
	vcpu, err := vm.CreateVCPU(0)
	if err != nil || vcpu.Init() != nil {
		return release
	}
	vcpu.SetImmediateExit(true)
	_ = vcpu.Run() // EINTR
	return func() { vcpu.Close(); vm.Close(); system.Close() }
}

// withOneCPU takes all CPUs but the first off line, where that can be done, and returns what brings them back.
func withOneCPU() (back func()) {
	cpus, _ := filepath.Glob("/sys/devices/system/cpu/cpu[1-9]*/online")
	for _, cpu := range cpus {
		_ = os.WriteFile(cpu, []byte("0"), 0)
	}
	return func() {
		for _, cpu := range cpus {
			_ = os.WriteFile(cpu, []byte("1"), 0)
		}
	}
}
