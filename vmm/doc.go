// Package vmm is the machine: memory map, boot, vCPU threads, scheduling and lifecycle. It joins the
// pure services (hypercall, ffa, sdei, pvsched) and the device models to KVM, and but for
// the command that prints what a host can do it is the only package that may know both sides.
package vmm
