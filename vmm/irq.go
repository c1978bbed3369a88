package vmm

import "github.com/hfvmm/hfvmm/kvmarm"

// spi is the line of a device to the primary's GIC.
type spi struct {
	m     *Machine
	intid uint32
}

// spi returns the line of the n-th shared peripheral interrupt.
func (m *Machine) spi(n uint32) spi { return spi{m, 32 + n} }

// SetLevel implements devices.IRQLine. A rising line takes lent pCPUs back: which of the primary's
// vCPUs the GIC routes it to, only the kernel knows.
func (s spi) SetLevel(high bool) {
	if err := s.m.vms[0].kvm.SetIRQLine(kvmarm.IRQSPI, 0, s.intid, high); err != nil {
		s.m.log.Error("cannot raise an interrupt", "intid", s.intid, "error", err)
		return
	}
	if high {
		for _, p := range s.m.pcpus {
			p.request(reqPreempt)
		}
	}
}
