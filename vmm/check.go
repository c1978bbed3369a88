package vmm

import (
	"fmt"
	"time"

	"github.com/hfvmm/hfvmm/duty"
)

// Check says what is done about a primary that breaks the rules of schedulers.
type Check uint8

// The checks.
const (
	CheckOff    Check = iota // nobody looks
	CheckWarn                // each breach is logged
	CheckStrict              // and the machine ends with the first of a rule that leaves no choice
)

// Checks are all checks, in the order of their values.
var Checks = [...]Check{CheckOff, CheckWarn, CheckStrict}

func (c Check) String() string { return [...]string{"off", "warn", "strict"}[c] }

// inspector holds the primary to the duties of a scheduler. It is called with the core locked, and at
// last when every thread has ended.
type inspector struct {
	m       *Machine
	checker *duty.Checker
	started time.Time
	logged  map[string]*repeats // breaches, by rule
	strict  bool
	ended   bool // every thread has
}

// newInspector returns nil if nothing is to be checked.
func newInspector(m *Machine) *inspector {
	if m.cfg.Check == CheckOff {
		return nil
	}
	i := &inspector{m: m, started: time.Now(), logged: map[string]*repeats{}, strict: m.cfg.Check == CheckStrict}
	cfg := duty.Config{Aborts: m.cfg.ABI != HF, Report: i.report}
	for _, v := range m.vms {
		cfg.VCPUs = append(cfg.VCPUs, len(v.vcpus))
	}
	i.checker = duty.New(cfg)
	return i
}

func (i *inspector) now() uint64 { return uint64(time.Since(i.started)) }

// Observe implements ffa.Observer.
func (i *inspector) Observe(e duty.Event) {
	e.Time = i.now()
	i.checker.Observe(e)
}

// report logs a breach.
func (i *inspector) report(b duty.Breach) {
	name := i.m.vms[b.VCPU.VM].name
	who := fmt.Sprintf("VM %s", name)
	attrs := []any{"rule", b.ID, "level", string(b.Level), "vm", name}
	if !b.WholeVM {
		who = fmt.Sprintf("vCPU %d of %s", b.VCPU.Index, who)
		attrs = append(attrs, "vcpu", b.VCPU.Index)
	}
	attrs = append(attrs, "returned", b.Returned.String(), "scheduler", b.Breach, "at", time.Duration(b.Time))
	if i.logged[b.ID] == nil {
		i.logged[b.ID] = &repeats{}
	}
	i.logged[b.ID].warn(i.m.log, "a rule of schedulers was broken", attrs...)
	if i.strict && b.Level.Binding() {
		err := fmt.Errorf("%s: when %s had returned %v, the scheduler %s", b.ID, who, b.Returned, b.Rule.Breach)
		if i.m.end(Misscheduled, err); i.ended && i.m.ending == PoweredOff {
			i.m.ending, i.m.err = Misscheduled, err
		}
	}
}

// close decides what is left and hands over what was counted.
func (i *inspector) close() {
	if i == nil {
		return
	}
	i.ended = true
	i.checker.End(i.now())
	if i.m.cfg.Duties != nil {
		i.m.cfg.Duties(i.checker.Tallies())
	}
}
