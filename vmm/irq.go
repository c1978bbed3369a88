package vmm

import (
	"sync"

	"github.com/hfvmm/hfvmm/kvmarm"
)

// firstSPI is the INTID of the first shared peripheral interrupt.
const firstSPI = 32

// spi is the line of a device to the primary's GIC, or to an SDEI event that the primary bound to it.
type spi struct {
	m     *Machine
	intid uint32
	*line
}

// line is the state of an SPI.
type line struct {
	used bool // a device has it

	mu    sync.Mutex
	high  bool
	bound bool // to an event
}

// spi gives a device the line of the n-th shared peripheral interrupt.
func (m *Machine) spi(n uint32) spi {
	m.lines[n].used = true
	return spi{m, firstSPI + n, &m.lines[n]}
}

// SetLevel implements devices.IRQLine.
func (s spi) SetLevel(high bool) {
	s.mu.Lock()
	s.high = high
	bound := s.bound
	if !bound {
		s.m.setSPI(s.intid, high)
	}
	s.mu.Unlock()
	if bound {
		s.m.vms[0].sdei.Interrupt(s.intid, 0, high)
	}
}

// setSPI sets a line of the GIC. A rising line takes lent pCPUs back: which of the primary's vCPUs the GIC
// routes it to, only the kernel knows.
func (m *Machine) setSPI(intid uint32, high bool) {
	if err := m.vms[0].kvm.SetIRQLine(kvmarm.IRQSPI, 0, intid, high); err != nil {
		m.log.Error("cannot raise an interrupt", "intid", intid, "error", err)
		return
	}
	if high {
		for _, p := range m.pcpus {
			p.request(reqPreempt)
		}
	}
}
