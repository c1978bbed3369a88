// Package devices models the memory-mapped devices of the machine and the bus that they sit on: the
// PL011 UART and the PL031 real-time clock, as QEMU's virt machine has them.
//
// A device is a register file behind [Device], an interrupt line that it drives, and a host side
// such as [Output]. Guests are hostile: every offset, size and value is legal to send, and what the
// hardware does not define reads as zero or is ignored.
//
// The package knows no KVM, no machine and no file. It imports nothing but the standard library, so
// the models run and are tested on any computer.
package devices
