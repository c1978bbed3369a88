// Package vmm is the machine: memory map, boot, vCPU threads, scheduling and lifecycle. It joins the
// pure services (hypercall, ffa, sdei, pvsched) and the device models to KVM, and is the only
// package that may know both sides.
package vmm
