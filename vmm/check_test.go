package vmm

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/hypercall"
)

// inspected is a machine that only checks, with a primary and a secondary with one vCPU each.
func inspected(r *record, c Check) *Machine {
	m := &Machine{
		cfg:     Config{Check: c},
		log:     slog.New(slog.NewTextHandler(&r.log, nil)),
		vms:     []*vm{{name: "primary", vcpus: make([]*vcpu, 1)}, {name: "echo", vcpus: make([]*vcpu, 1)}},
		stopped: make(chan struct{}),
	}
	m.inspector = newInspector(m)
	return m
}

var echo0 = hypercall.VCPUID{VM: 1}

// poll runs a vCPU that waits for a message.
func (i *inspector) poll() {
	i.Observe(duty.Event{Kind: duty.Ran, VCPU: echo0})
	i.Observe(duty.Event{Kind: duty.Left, VCPU: echo0, Result: duty.MessageWait})
	i.Observe(duty.Event{Kind: duty.Ran, VCPU: echo0, Result: duty.Refused})
}

func TestBreachIsLoggedWithRuleAndLevelAndVMAndVCPUAndWhatWasReturnedAndDone(t *testing.T) {
	var r record
	m := inspected(&r, CheckWarn)
	m.inspector.poll()
	for _, want := range []string{"rule=msg-wait", `level="MUST NOT"`, "vm=echo", "vcpu=0", "returned=MSG_WAIT", `scheduler="ran it with nothing to wake it"`, "at="} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, r.log.String())
		}
	}
	select {
	case <-m.stopped:
		t.Error("a warning ended the machine")
	default:
	}
}

func TestBreachesOfOneRuleAreOnlyCountedInTheEnd(t *testing.T) {
	var r record
	m := inspected(&r, CheckWarn)
	for range 3 * maxReports {
		m.inspector.poll()
	}
	if n := strings.Count(r.log.String(), "returned="); n != maxReports {
		t.Errorf("%d breaches are logged, want %d", n, maxReports)
	}
	var counts []duty.Tally
	m.cfg.Duties = func(t []duty.Tally) { counts = t }
	m.inspector.close()
	i := slices.IndexFunc(counts, func(n duty.Tally) bool { return n.ID == "msg-wait" })
	if i < 0 || counts[i].Broken < 3*maxReports {
		t.Errorf("counts %+v", counts)
	}
}

func TestStrictCheckEndsTheMachineAtTheFirstBindingBreach(t *testing.T) {
	var r record
	m := inspected(&r, CheckStrict)
	m.inspector.poll()
	<-m.stopped
	const want = "msg-wait: when vCPU 0 of VM echo had returned MSG_WAIT, the scheduler ran it with nothing to wake it"
	if m.ending != Misscheduled || m.err.Error() != want {
		t.Errorf("ending %v, error %v", m.ending, m.err)
	}
}

func TestStrictCheckFindsWhatAMachineThatPoweredOffLeftUndone(t *testing.T) {
	var r record
	m := inspected(&r, CheckStrict)
	m.inspector.Observe(duty.Event{Kind: duty.Ran, VCPU: echo0})
	m.inspector.Observe(duty.Event{Kind: duty.Left, VCPU: echo0, Result: duty.Yielded})
	m.end(PoweredOff, nil)
	m.inspector.started = m.inspector.started.Add(-2 * duty.Grace * time.Nanosecond)
	if m.inspector.close(); m.ending != Misscheduled || m.err == nil {
		t.Errorf("ending %v, error %v", m.ending, m.err)
	}
}

func TestSchedulersOfTheGuestProgramsBreakNoRule(t *testing.T) {
	for _, c := range []struct {
		primary     string
		secondaries []string
	}{
		{"echo", []string{"echo"}},
		{"preempt", []string{"busy"}},
		{"timer", []string{"timer"}},
		{"flood", []string{"flood", "sink", "echo"}},
		{"relay", []string{"relay", "relay"}},
		{"two", []string{"two*2"}},
		{"fault", []string{"fault", "fault", "fault", "fault", "echo"}},
	} {
		t.Run(c.primary, func(t *testing.T) {
			var r record
			cfg := machine(t, &r, 1, c.primary, c.secondaries...)
			cfg.Check = CheckStrict
			cfg.Duties = func(counts []duty.Tally) {
				for _, n := range counts {
					if n.Broken != 0 {
						t.Errorf("%s was broken %d times", n.ID, n.Broken)
					}
				}
			}
			if ending, err := run(t, cfg); ending != PoweredOff || err != nil {
				t.Errorf("ending %v, error %v\n%v", ending, err, &r)
			}
		})
	}
}

func TestBadSchedulerIsToldEachRuleThatItBreaks(t *testing.T) {
	for _, c := range []struct {
		primary     string
		secondaries []string
		broken      []string
	}{
		{"bad_scheduler", []string{"echo", "busy"}, []string{"msg-wait", "interrupt", "waiters-drained"}},
		{"hf_echo", []string{"hf/echo", "hf_flood"}, []string{"msg-wait"}}, // once, to see what it is told
	} {
		t.Run(c.primary, func(t *testing.T) {
			var r record
			cfg := machine(t, &r, 1, c.primary, c.secondaries...)
			cfg.Check = CheckWarn
			var broken []string
			cfg.Duties = func(counts []duty.Tally) {
				for _, n := range counts {
					for range n.Broken {
						broken = append(broken, n.ID)
					}
				}
			}
			if ending, err := run(t, cfg); ending != PoweredOff || err != nil {
				t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
			}
			if !slices.Equal(broken, c.broken) {
				t.Errorf("broken: %v, want %v\n%v", broken, c.broken, &r)
			}
		})
	}
}
