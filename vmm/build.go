package vmm

import (
	"fmt"

	"github.com/hfvmm/hfvmm/devices"
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// build makes the machine, ready to run: every check that can fail comes before the first KVM_RUN.
func build(cfg Config) (_ *Machine, err error) {
	spans, err := plan(&cfg)
	if err != nil {
		return nil, err
	}
	m := &Machine{cfg: cfg, log: cfg.Log, stopped: make(chan struct{})}
	m.brake.init()
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	if m.ram, err = newRAM(cfg.Memory); err != nil {
		return nil, err
	}
	boots := make([]hypercall.Boot, len(spans))
	if !cfg.Builtin() {
		if boots[0], err = m.loadPrimary(spans[0]); err != nil {
			return nil, err
		}
	}
	for i := range cfg.Secondaries {
		if boots[1+i], err = m.loadSecondary(i, spans[1+i]); err != nil {
			return nil, err
		}
	}
	if m.system, err = kvmarm.Open("/dev/kvm"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKVM, err)
	}
	if m.breakpoints, err = m.system.Capability(kvmarm.CapGuestDebugHWBPs); err != nil {
		return nil, err
	}
	if cfg.SMCCC == SMCCC12 && m.breakpoints <= versionBreakpoint {
		m.log.Warn("this host has no hardware breakpoint for SMCCC 1.2, so VMs see its own version", "breakpoints", m.breakpoints)
	}
	if err := m.createVMs(spans); err != nil {
		return nil, err
	}
	if err := m.connect(); err != nil {
		return nil, err
	}
	for i, v := range m.vms {
		v.vcpus[0].Reset(boots[i])
	}
	if m.builtin != nil {
		return m, m.builtin.start()
	}
	return m, nil
}

// createVMs makes the VMs, their vCPUs, and the primary's interrupt controller, which must come last.
func (m *Machine) createVMs(spans []span) (err error) {
	if m.cfg.Builtin() {
		m.newBuiltin(spans[0], m.cfg.CPUs)
	} else if _, err = m.newVM("primary", spans[0], m.cfg.CPUs); err != nil {
		return err
	}
	for i, s := range m.cfg.Secondaries {
		v, err := m.newVM(s.Name, spans[1+i], s.VCPUs)
		if err != nil {
			return err
		}
		if s.GIC {
			if err := v.addBoard(); err != nil {
				return fmt.Errorf("VM %q: %w", s.Name, err)
			}
		}
	}
	if err := m.limitIDRegs(); err != nil {
		return err
	}
	if m.builtin == nil {
		m.vms[0].gic, err = m.vms[0].kvm.CreateVGICv3(gicDistBase, gicRedistBase, m.cfg.CPUs, numIRQs)
	}
	return err
}

// connect joins services, devices and pCPUs to the VMs.
func (m *Machine) connect() error {
	log := hypercall.NewDebugLog(len(m.vms), func(vm int, line []byte) { m.cfg.DebugLog(m.vms[vm].name, line) })
	if err := m.newCore(log); err != nil {
		return err
	}
	if err := m.setRegions(); err != nil {
		return err
	}
	m.flags = flagPages{m: m, flags: map[uint64]int{}}
	m.followHost()
	for _, v := range m.vms {
		m.sgis.vcpus = append(m.sgis.vcpus, make(sgiPEs, len(v.vcpus)))
		services, err := v.newServices(log)
		if err != nil {
			return err
		}
		if err := v.setTable(services...); err != nil {
			return err
		}
	}
	if m.builtin == nil {
		if err := m.addDevices(); err != nil {
			return err
		}
	}
	for _, c := range m.vms[0].vcpus {
		p, err := newPCPU(m, c)
		if err != nil {
			return err
		}
		m.pcpus = append(m.pcpus, p)
	}
	m.powered.Store(int32(len(m.pcpus)))
	return nil
}

// addDevices gives the primary its devices.
func (m *Machine) addDevices() error {
	m.out = devices.NewOutput(m.cfg.ConsoleOut)
	m.uart = devices.NewPL011(m.out, m.spi(uartSPI))
	if err := m.bus.Add(uartBase, deviceSize, m.uart); err != nil {
		return err
	}
	m.rtc = devices.NewPL031(devices.HostClock{}, m.spi(rtcSPI))
	return m.bus.Add(rtcBase, deviceSize, m.rtc)
}
