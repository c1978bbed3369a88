package vmm

import (
	"fmt"

	"github.com/hfvmm/hfvmm/ffa"
)

// stage2 implements ffa.Stage2 with memslots: what a VM may write has a slot, what it may only read a
// read-only one, and what it may not touch has none. KVM cannot withhold execution.
type stage2 struct {
	m      *Machine
	tables []slotTable // by VM
	touch  []bool      // by VM: it has changes in the Remap that is going on

	refusals []repeats // by VM
}

// newStage2 returns the stage 2 of VMs that have their RAM in slot 0.
func newStage2(m *Machine) *stage2 {
	n := len(m.vms)
	s := &stage2{m: m, tables: make([]slotTable, n), touch: make([]bool, n), refusals: make([]repeats, n)}
	for i, v := range m.vms {
		s.tables[i] = newSlotTable(v.kvm, m.ram, v.ram)
	}
	return s
}

// Park implements ffa.Stage2.
func (s *stage2) Park() { s.m.park() }

// Resume implements ffa.Stage2.
func (s *stage2) Resume() { s.m.resume() }

// refused logs why a VM cannot have its memory as the core wants it, and returns that.
func (s *stage2) refused(vm int, err error) error {
	s.refusals[vm].warn(s.m.log, "memory cannot change hands", "vm", s.m.vms[vm].name, "error", err)
	return err
}

// Fits implements ffa.Stage2. It plans the changes of all VMs.
func (s *stage2) Fits(changes []ffa.Mapping) error {
	clear(s.touch)
	for _, c := range changes {
		if s.m.vms[c.VM].kvm == nil { // the built-in primary touches no memory but its mailbox
			continue
		}
		t := &s.tables[c.VM]
		if !s.touch[c.VM] {
			s.touch[c.VM] = true
			t.begin()
		}
		if err := t.change(span{c.Span.Base, c.Span.Size}, slotKindOf(c.Access)); err != nil {
			return s.refused(c.VM, err)
		}
	}
	for vm, touched := range s.touch {
		if !touched {
			continue
		}
		if err := s.tables[vm].check(); err != nil {
			return s.refused(vm, err)
		}
	}
	return nil
}

// Remap implements ffa.Stage2. If KVM refuses a slot, the VMs get back what they had; if it refuses that
// as well, the machine ends.
func (s *stage2) Remap(changes []ffa.Mapping) error {
	if err := s.Fits(changes); err != nil {
		return err
	}
	for vm, touched := range s.touch {
		if !touched {
			continue
		}
		if err := s.tables[vm].apply(); err != nil {
			s.restore(vm)
			return s.refused(vm, err)
		}
	}
	for vm, touched := range s.touch {
		if touched {
			s.tables[vm].commit()
		}
	}
	return nil
}

// restore undoes the changes of the VMs up to the one that failed.
func (s *stage2) restore(failed int) {
	for vm, touched := range s.touch[:failed+1] {
		if !touched {
			continue
		}
		if err := s.tables[vm].restore(); err != nil {
			s.m.end(Crashed, fmt.Errorf("VM %q lost its memory: %w", s.m.vms[vm].name, err))
		}
	}
}
