package hypercall

// VCPUID names a virtual CPU of the machine: VM 0 is the primary, 1, 2, … are the secondaries in the
// order in which they were listed. Interfaces such as SPCI give VMs other numbers; those stay inside
// the package that serves the interface.
type VCPUID struct {
	VM, Index uint16
}

// VCPU is a virtual CPU as services see it: an identity and a register file. Whoever runs the vCPU
// owns it; a service may touch the vCPU that called and one that nobody runs.
type VCPU struct {
	ID   VCPUID
	Regs Regs

	boot    Boot
	booting bool
}

// Boot is the state a vCPU starts from: PC, x0 and what else is not zero, and otherwise what PSCI demands (DEN0022
// §6.4): EL1h, DAIF masked, MMU off.
type Boot struct {
	Entry, X0 uint64
	Rest      [4]uint64 // x1 to x4
}

// Reset makes the vCPU start afresh from b the next time it is run.
func (v *VCPU) Reset(b Boot) { v.boot, v.booting = b, true }

// TakeBoot returns the state to start from, once after each Reset.
func (v *VCPU) TakeBoot() (b Boot, ok bool) {
	ok, v.booting = v.booting, false
	return v.boot, ok
}
