package kvmarm

import "fmt"

// IRQKind says which sort of interrupt line SetIRQLine drives.
type IRQKind uint32

const (
	// IRQCPU is the IRQ or FIQ input of a vCPU, for a VM without a vGIC. The number is [LineIRQ] or
	// [LineFIQ].
	IRQCPU IRQKind = 0
	// IRQSPI is a shared interrupt. The number is an INTID from 32 up, the vCPU is ignored.
	IRQSPI IRQKind = 1
	// IRQPPI is a private interrupt of a vCPU. The number is an INTID of 16 to 31.
	IRQPPI IRQKind = 2
)

// The numbers of IRQCPU.
const (
	LineIRQ = 0
	LineFIQ = 1
)

// SetIRQLine drives an interrupt line high or low (KVM API §4.25). A line that the guest configured as
// edge-triggered fires on each rise. A running vCPU takes notice at once. vcpu is an index: the order
// of creation, which is also the id if ids count from 0.
func (vm *VM) SetIRQLine(kind IRQKind, vcpu int, number uint32, level bool) error {
	line := irqLevel{irq: uint32(kind)<<24 | uint32(vcpu)>>8<<28 | uint32(vcpu)&0xff<<16 | number&0xffff}
	if level {
		line.level = 1
	}
	if _, errno := ioctlStruct(vm.fd, reqIRQLine, &line); errno != 0 {
		return &Error{
			Call:  reqIRQLine.String(),
			What:  fmt.Sprintf("line %d of kind %d, vCPU %d", number, kind, vcpu),
			Errno: errno,
		}
	}
	return nil
}
