package vmm

import (
	"github.com/hfvmm/hfvmm/ffa"
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/sdei"
)

// What answers the calls of VMs: the core, which all of them share, and the services of each.

// newCore makes the core, which knows every VM.
func (m *Machine) newCore(log *hypercall.DebugLog) (err error) {
	parts := make([]ffa.Partition, len(m.vms))
	for i, v := range m.vms {
		parts[i] = ffa.Partition{Name: v.name, VCPUs: v.serviceVCPUs(), RAM: ffa.Span{Base: v.ram.base, Size: v.ram.size}, Endpoint: m.endpoint(v)}
	}
	cfg := ffa.Config{
		Partitions:   parts,
		Memory:       m.ram,
		Stage2:       newStage2(m),
		Timer:        timers{m},
		Interrupts:   m,
		Console:      log,
		NewHandle:    newHandle,
		PrimaryVCPUs: m.cfg.ReportedCPUs,
		Strict:       m.cfg.Strict,
		Version:      m.cfg.FFA,
	}
	if m.inspector = newInspector(m); m.inspector != nil {
		cfg.Observer = m.inspector
	}
	m.core, err = ffa.New(cfg)
	return err
}

// newServices makes what v may call.
func (v *vm) newServices(log *hypercall.DebugLog) ([]hypercall.Service, error) {
	m := v.m
	partitions := [...]func() hypercall.Service{SPCI: m.core.SPCI, HF: m.core.HF, FFA: m.core.FFA}[m.cfg.ABI]()
	if v.kvm == nil { // the built-in primary calls nothing else
		return []hypercall.Service{partitions}, nil
	}
	psci, err := v.newPSCI()
	if err != nil {
		return nil, err
	}
	services := []hypercall.Service{psci, partitions, log}
	if m.cfg.PVSched.serves(v.index) {
		if v.sched, err = newSched(v); err != nil {
			return nil, err
		}
		services = append(services, v.sched)
	}
	if m.cfg.SDEI.serves(v.index) {
		if v.sdei, err = v.newSDEI(); err != nil {
			return nil, err
		}
		services = append(services, v.sdei)
	}
	if v.index == 0 && m.cfg.Watchdog != 0 {
		services = append(services, m.addWatchdog(v))
	}
	if v.sched != nil || v.sdei != nil {
		services[0] = power{psci, v}
	}
	return services, nil
}

// newPSCI makes v's PSCI. The CPUs of the primary are on or off by themselves; those of secondaries run as the core says.
func (v *vm) newPSCI() (psci hypercall.Service, err error) {
	psci = v.m.core.PSCI()
	if v.index == 0 {
		if psci, err = hypercall.NewPSCI(v.serviceVCPUs()); err != nil {
			return nil, err
		}
	}
	if v.m.cfg.SMCCC == SMCCC12 {
		psci = smccc12{psci, v}
	}
	return psci, nil
}

// newSDEI makes v's SDEI. Interrupts can be bound to events of the primary alone: it has the machine's GIC.
func (v *vm) newSDEI() (*sdei.Dispatcher, error) {
	cfg := sdei.Config{VCPUs: v.serviceVCPUs(), Machine: sdeiHost{v}, Events: sdeiEvents, Indexed: v.gic == nil}
	if v.index == 0 {
		cfg.Interrupts = spis{v.m}
	}
	return sdei.New(cfg)
}
