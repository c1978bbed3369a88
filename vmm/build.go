package vmm

import (
	"fmt"

	"github.com/hfvmm/hfvmm/devices"
	"github.com/hfvmm/hfvmm/ffa"
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/sdei"
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

// plan checks the numbers of cfg and divides RAM: span 0 is the primary's, i the i-th secondary's.
func plan(cfg *Config) ([]span, error) {
	if cfg.CPUs < 1 || cfg.CPUs > maxCPUs {
		return nil, fmt.Errorf("%w: %d CPUs; give the primary 1 to %d", ErrUsage, cfg.CPUs, maxCPUs)
	}
	if cfg.ReportedCPUs < 0 || cfg.ReportedCPUs > ffa.MaxVCPUs {
		return nil, fmt.Errorf("%w: %d CPUs to report to the primary; report 1 to %d", ErrUsage, cfg.ReportedCPUs, ffa.MaxVCPUs)
	}
	if cfg.Slice < minSlice {
		return nil, fmt.Errorf("%w: a slice of %v is over before a secondary has run; give it %v or more", ErrUsage, cfg.Slice, minSlice)
	}
	if cfg.Builtin() && len(cfg.Secondaries) == 0 {
		return nil, fmt.Errorf("%w: neither a primary nor a secondary; give one", ErrUsage)
	}
	if cfg.Builtin() && builtinABIs[cfg.ABI] == nil {
		return nil, fmt.Errorf("%w: the built-in scheduler does not speak %v; give a primary that does, or choose --abi %v or %v", ErrUsage, cfg.ABI, SPCI, HF)
	}
	if cfg.Watchdog != 0 && (cfg.Builtin() || !cfg.SDEI.serves(0)) {
		return nil, fmt.Errorf("%w: the watchdog raises an SDEI event, and the primary has no SDEI; add --sdei primary", ErrUsage)
	}
	if n := len(cfg.Secondaries); n >= ffa.MaxPartitions {
		return nil, fmt.Errorf("%w: %d secondaries; give at most %d", ErrUsage, n, ffa.MaxPartitions-1)
	}
	for _, s := range cfg.Secondaries {
		if s.VCPUs < 1 || s.VCPUs > maxSecondaryVCPUs {
			return nil, fmt.Errorf("%w: secondary %s has %d vCPUs; give it 1 to %d", ErrUsage, s.Name, s.VCPUs, maxSecondaryVCPUs)
		}
	}
	for _, s := range cfg.Secondaries {
		if s.GIC && cfg.ABI != FFA {
			return nil, fmt.Errorf("%w: secondary %s has a GIC, and only FF-A knows such VMs; choose --abi ffa", ErrUsage, s.Name)
		}
		if s.GIC && s.VCPUs > maxCPUs {
			return nil, fmt.Errorf("%w: secondary %s has %d vCPUs and its GIC serves %d; give it no more", ErrUsage, s.Name, s.VCPUs, maxCPUs)
		}
	}
	if err := checkPartitions(cfg); err != nil {
		return nil, err
	}
	if cfg.ABI == FFA && cfg.Check != CheckOff {
		return nil, fmt.Errorf("%w: the duties of a scheduler are checked under the interfaces of 2019 alone; leave --check-scheduler off with --abi ffa", ErrUsage)
	}
	return carve(cfg.Memory, cfg.Secondaries)
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
	parts := make([]ffa.Partition, len(m.vms))
	for i, v := range m.vms {
		m.sgis.vcpus = append(m.sgis.vcpus, make(sgiPEs, len(v.vcpus)))
		parts[i] = ffa.Partition{Name: v.name, VCPUs: v.serviceVCPUs(), RAM: ffa.Span{Base: v.ram.base, Size: v.ram.size}, Endpoint: m.endpoint(v)}
	}
	m.inspector = newInspector(m)
	cfg := ffa.Config{Partitions: parts, Memory: m.ram, Timer: timers{m}, Stage2: newStage2(m), PrimaryVCPUs: m.cfg.ReportedCPUs, NewHandle: newHandle, Strict: m.cfg.Strict}
	if m.inspector != nil {
		cfg.Observer = m.inspector
	}
	log := hypercall.NewDebugLog(len(m.vms), func(vm int, line []byte) { m.cfg.DebugLog(m.vms[vm].name, line) })
	cfg.Console, cfg.Interrupts, cfg.Version = log, m, m.cfg.FFA
	var err error
	if m.core, err = ffa.New(cfg); err != nil {
		return err
	}
	if err := m.setRegions(); err != nil {
		return err
	}
	partitions := [...]func() hypercall.Service{SPCI: m.core.SPCI, HF: m.core.HF, FFA: m.core.FFA}[m.cfg.ABI]()
	m.flags = flagPages{m: m, flags: map[uint64]int{}}
	m.followHost()
	for i, v := range m.vms {
		psci := m.core.PSCI()
		if i == 0 {
			if psci, err = hypercall.NewPSCI(v.serviceVCPUs()); err != nil {
				return err
			}
		}
		if m.cfg.SMCCC == SMCCC12 {
			psci = smccc12{psci, v}
		}
		services := []hypercall.Service{psci, partitions, log}
		if v.kvm == nil { // the built-in primary calls nothing else
			if err := v.setTable(partitions); err != nil {
				return err
			}
			continue
		}
		if m.cfg.PVSched.serves(i) {
			if v.sched, err = newSched(v); err != nil {
				return err
			}
			services = append(services, v.sched)
		}
		if m.cfg.SDEI.serves(i) {
			cfg := sdei.Config{VCPUs: v.serviceVCPUs(), Machine: sdeiHost{v}, Events: sdeiEvents, Indexed: v.gic == nil}
			if i == 0 {
				cfg.Interrupts = spis{m}
			}
			if v.sdei, err = sdei.New(cfg); err != nil {
				return err
			}
			services = append(services, v.sdei)
			if i == 0 && m.cfg.Watchdog != 0 {
				services = append(services, m.addWatchdog(v))
			}
		}
		if v.sched != nil || v.sdei != nil {
			services[0] = power{psci, v}
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
