// Package lab gives arm64 hosts with KVM to machines that have none: it boots a Debian kernel for
// arm64 in QEMU, whose emulated CPUs have EL2, and runs one program there.
//
// Both ends are here. Run, on the host, packs the program and its files into an initramfs and
// boots it; Init, in the guest, is PID 1 and starts the program. A virtio-serial port
// joins them and carries the program's standard streams and exit code, byte for byte, so that
// nothing of the lab is to be seen in its output; the lab's kernel log is kept apart and shown only if the lab fails.
// Whoever stops a lab asks its program first, through a port of its own.
//
// The package knows nothing of what the program does: hfvmm and test binaries are run alike.
package lab
