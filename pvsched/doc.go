// Package pvsched serves the paravirtual scheduling calls of openEuler's PV-sched ABI to one VM: a vCPU
// names a structure of its memory, and hfvmm keeps a word in it that says whether the vCPU is scheduled
// out. Code that waits for a lock can then tell whether the owner of the lock makes any progress.
//
// The package is pure: no KVM, no operating system, no goroutines, no clock. It is told when a vCPU is
// scheduled in and out, sees guest memory through [Memory] and ends the sleep of a vCPU through
// [Kicker].
package pvsched
