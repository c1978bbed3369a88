// Command hfvmm boots a primary VM that schedules secondary VMs, on KVM/arm64.
//
// The command only translates: flags become a vmm.Config, endings become exit codes. It may know
// every other package; none may know it.
package main
