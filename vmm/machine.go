package vmm

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/hfvmm/hfvmm/devices"
	"github.com/hfvmm/hfvmm/ffa"
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// Machine is a built machine. Locks, outermost first: the built-in scheduler's, a device's, that of PV_SCHED's pages,
// the ffa core's, PSCI's, SDEI's, an interrupt line's, that of SGIs, the brake's; none is held across KVM_RUN, and
// none is taken while a later one is held.
type Machine struct {
	cfg    Config
	log    *slog.Logger
	system *kvmarm.System
	ram    *ram
	vms    []*vm // 0 is the primary
	lines  [numIRQs - firstSPI]line
	pcpus  []*pcpu
	brake  brake
	sgis   sgis
	pause  pause
	core   *ffa.Core

	flags     flagPages  // of PV_SCHED
	host      *hostSched // nil unless PV_SCHED follows the host's scheduler
	watchdog  *watchdog  // nil unless the primary has one
	inspector *inspector // nil unless the scheduler is checked
	builtin   *builtin   // the primary, if none is booted

	bus  devices.Bus
	uart *devices.PL011
	rtc  *devices.PL031
	out  *devices.Output

	breakpoints int // hardware breakpoints that the host lends to each vCPU

	powered atomic.Int32 // vCPUs of the primary that are on
	strays  repeats      // of the primary, to addresses where nothing is

	endOnce sync.Once
	ending  Ending
	err     error
	stopped chan struct{} // closed when ending and err are set
}

// vcpu returns the vCPU of an id that a service gave.
func (m *Machine) vcpu(id hypercall.VCPUID) *vcpu { return m.vms[id.VM].vcpus[id.Index] }

// end fixes how the machine ended, once, and stops every thread.
func (m *Machine) end(e Ending, err error) {
	m.endOnce.Do(func() {
		m.ending, m.err = e, err
		close(m.stopped)
		for _, p := range m.pcpus {
			p.request(reqStop)
		}
		m.brake.end()
	})
}

// stop ends the machine as the primary asked.
func (m *Machine) stop(r hypercall.StopReason) {
	if r == hypercall.Reset {
		m.end(WasReset, nil)
		return
	}
	m.end(PoweredOff, nil)
}

// crash ends the machine because the primary cannot go on.
func (m *Machine) crash(v *vcpu, err error) {
	m.end(Crashed, fmt.Errorf("%v at pc %v: %w", v, hex(v.get(kvmarm.RegPC)), err))
}

// poweredOff counts a vCPU of the primary off; with the last one the machine ends.
func (m *Machine) poweredOff() {
	if m.powered.Add(-1) == 0 {
		m.end(Crashed, errAllOff)
	}
}

func (m *Machine) poweredOn() { m.powered.Add(1) }

// close frees what the machine holds. Every thread must have ended.
func (m *Machine) close() error {
	var errs []error
	if m.rtc != nil {
		m.rtc.Close()
	}
	for _, p := range m.pcpus {
		if p.watch.home != nil {
			errs = append(errs, p.watch.home.Close())
		}
	}
	errs = append(errs, m.host.close())
	for _, v := range m.vms {
		errs = append(errs, v.close())
	}
	if m.ram != nil {
		errs = append(errs, m.ram.close())
	}
	if m.system != nil {
		errs = append(errs, m.system.Close())
	}
	return errors.Join(errs...)
}
