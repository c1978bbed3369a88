package sdei

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// move builds a fresh VM and restores into it what r is, its registers included.
func (r *rig) move() *rig {
	r.t.Helper()
	s := r.Save()
	fresh := newRig(r.t, len(r.guests))
	for i, g := range r.guests {
		fresh.guests[i].x, fresh.guests[i].reg = g.x, g.reg
	}
	if err := fresh.Restore(s); err != nil {
		r.t.Fatal(err)
	}
	if d := cmp.Diff(s, fresh.Save()); d != "" {
		r.t.Fatalf("the restored state is another one:\n%s", d)
	}
	return fresh
}

func TestVMGoesOnFromEveryStateInAnotherMachine(t *testing.T) {
	for _, n := range []uint64{0, evPrivateCritical, evShared, evSharedCritical, uint64(privateSlotEvents), uint64(sharedSlotEvents)} {
		for from, way := range waysInto {
			t.Run(fmt.Sprintf("event %#x in %03b", n, from), func(t *testing.T) {
				r := newRig(t, 2)
				r.want(result(privateSlotEvents), 0, InterruptBind, ppi)
				r.want(result(sharedSlotEvents), 0, InterruptBind, spi)
				way(r, 0, n)
				if from&registered != 0 {
					r.trigger(0, n)
				}
				r = r.move()
				r.want(result(from), 0, EventStatus, n)
				if from&running != 0 {
					pc := r.guests[0].reg[PC]
					r.call(0, EventComplete, 0)
					if r.guests[0].reg[PC] != pcStart || pc != handlerOf(n) {
						t.Errorf("from %#x back to %#x", pc, r.guests[0].reg[PC])
					}
				}
				switch from {
				case registered | enabled, registered | enabled | running:
					r.takes(0, n) // what was pending
				case registered, registered | running:
					r.quiet(0)
					r.want(success, 0, EventEnable, n)
					r.want(success, 0, PEUnmask)
					r.takes(0, n)
				default:
					r.quiet(0)
					r.enable(0, n)
					r.quiet(0)
				}
			})
		}
	}
}

func TestNestedHandlersAndAMaskedPEMoveAsWell(t *testing.T) {
	r := newRig(t, 2)
	r.enable(0, evSharedCritical)
	r.run(0)
	r.raise(evSharedCritical, 0)
	r.takes(0, evSharedCritical)
	r.enable(1, 0)
	r.want(1, 1, PEMask)
	r.want(success, 0, EventSignal, 0, 1)
	r = r.move()
	r.want(denied, 1, EventComplete, 0)
	r.quiet(1)
	r.want(success, 1, PEUnmask)
	r.takes(1, 0)
	r.call(0, EventComplete, 0)
	r.want(result(registered|enabled), 0, EventStatus, evSharedCritical)
	r.call(0, EventComplete, 0)
	if pc := r.guests[0].reg[PC]; pc != pcStart {
		t.Errorf("back at %#x", pc)
	}
}

func TestPendingEventIsToldToTheRestoredVCPU(t *testing.T) {
	r := newRig(t, 2)
	r.enable(1, 0)
	r.want(success, 0, EventSignal, 0, 1)
	r = r.move()
	if r.guests[1].kicks != 1 {
		t.Errorf("%d kicks", r.guests[1].kicks)
	}
	r.takes(1, 0)
}

func TestRestoredStateReplacesWhatThereWas(t *testing.T) {
	r := newRig(t, 2)
	empty := r.Save()
	r.want(result(sharedSlotEvents), 0, InterruptBind, spi)
	r.enable(0, evShared)
	r.run(0)
	used := r.Save()
	for _, s := range []State{empty, used, used, empty} {
		if err := r.Restore(s); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, r.Save()); d != "" {
			t.Errorf("the restored state is another one:\n%s", d)
		}
	}
	r.want(result(sharedSlotEvents), 0, InterruptBind, spi) // it was given back
}

func TestStateThatCannotBeIsRefused(t *testing.T) {
	r := newRig(t, 2)
	r.want(result(sharedSlotEvents), 0, InterruptBind, spi)
	r.enable(0, evShared)
	r.run(0)
	for _, c := range []struct {
		reason string
		tamper func(s *State)
	}{
		{"the state is of 1 vCPUs, the VM has 2", func(s *State) { s.PEs = s.PEs[:1] }},
		{"enabled but not registered", func(s *State) { s.PEs[0].Private[0].Registered = false }},
		{"pending but not registered", func(s *State) {
			h := &s.PEs[0].Private[0]
			h.Registered, h.Enabled, h.Pending = false, false, true
		}},
		{"not aligned", func(s *State) { s.PEs[0].Private[0].Entry++ }},
		{"event 0x5 does not exist", func(s *State) { s.PEs[0].Private[0].Event = 5 }},
		{"event 0x40000002 does not exist", func(s *State) { s.PEs[0].Private[0].Event = evShared }},
		{"event 0x0 is there twice", func(s *State) { s.PEs[0].Private = append(s.PEs[0].Private, s.PEs[0].Private[0]) }},
		{"runs without an interrupted context", func(s *State) { s.PEs[0].Normal = nil }},
		{"runs without an interrupted context", func(s *State) { s.Shared[0].Running = true }},
		{"does not run with that priority", func(s *State) { s.PEs[0].Critical, s.PEs[0].Normal = s.PEs[0].Normal, nil }},
		{"does not run with that priority", func(s *State) { s.PEs[1].Normal = s.PEs[0].Normal }},
		{"two interrupted contexts", func(s *State) {
			s.Shared[0].Running = true
			s.PEs[0].Private = nil
			s.PEs[0].Normal.Event = evShared
			s.PEs[1].Normal = s.PEs[0].Normal
		}},
		{"PSTATE 0x9, which no client can have", func(s *State) { s.PEs[0].Normal.PSTATE = 9 }},
		{"PSTATE 0x13, which no client can have", func(s *State) { s.PEs[0].Normal.PSTATE = 0x13 }},
		{"goes to vCPU 2, which does not exist", func(s *State) { s.Shared[0].Target = 2 }},
		{"INTID 40 or event 0x40000200 is bound twice", func(s *State) { s.Bound = append(s.Bound, s.Bound[0]) }},
		{"event 0x40000200 is none for INTID 20", func(s *State) { s.Bound[0].INTID = ppi }},
		{"event 0x40000002 is none for INTID 40", func(s *State) { s.Bound[0].Event = evShared }},
		{"INTID 100 cannot be bound here", func(s *State) { s.Bound = append(s.Bound, BoundState{sharedSlotEvents + 1, 100}) }},
	} {
		s := r.Save()
		c.tamper(&s)
		fresh := newRig(t, 2)
		before := fresh.Save()
		err := fresh.Restore(s)
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("error %v, want one with %q", err, c.reason)
		}
		if d := cmp.Diff(before, fresh.Save()); d != "" {
			t.Errorf("%s: the refused state changed something:\n%s", c.reason, d)
		}
	}
}
