// Package kvmarm is a typed binding of the KVM API of Linux on arm64 (Documentation/virt/kvm/api.rst,
// cited as "KVM API"). It knows ioctls and nothing above them: no machine, no devices, no hypercall
// semantics.
//
// The package builds everywhere. Only linux/arm64 has the real system calls; elsewhere [Open] returns
// [ErrUnsupported], so that no other value of this package can come to be.
//
// # Ownership
//
// A [VCPU] belongs to one goroutine at a time, which is best locked to its thread: up to Linux 6.12 a
// vCPU that changes threads costs an RCU grace period. [VCPU.SetImmediateExit] may be called by
// anyone. The methods of [System], [VM] and [VGIC] may be called by anyone. Nothing may be used after
// its Close.
//
// # Pointers
//
// Goroutine stacks move, and the kernel does not know. Therefore:
//
//   - All unsafe code is in files named *_unsafe*.go.
//   - A pointer becomes a uintptr only inside the argument list of unix.Syscall, where the compiler
//     keeps it in place. No function takes an address as a uintptr.
//   - An address that is stored inside a structure for the kernel points to memory outside of Go's
//     heap: guest RAM, or the scratch page that each VM and each vCPU owns.
//
// A test of this package holds the repository to it.
//
// # The path from exit to re-entry
//
// [VCPU.Run], [VCPU.Get], [VCPU.Set], the accessors of an exit, [VM.SetIRQLine] and [Stats.Blocking]
// do not allocate unless they fail; the EINTR and EAGAIN of Run do not allocate either.
package kvmarm
