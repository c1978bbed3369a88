// Package hypercall models the SMC Calling Convention (Arm DEN0028) as hfvmm serves it: function
// identifiers, the register file of a caller, the table of services, and PSCI.
//
// A service is a function of (calling vCPU, registers) to an [Outcome]. The outcome is the only way
// in which control moves between vCPUs; a service never runs, wakes or kicks anything itself.
//
// The package is pure: no KVM, no operating system, no goroutines, no clock. It imports nothing but
// the standard library, so every service built on it runs and is tested on any machine.
package hypercall
