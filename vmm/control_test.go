package vmm

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/vmm/api"
)

// controlled runs a machine that is controlled through a socket. It ends with the test.
func controlled(t *testing.T, cfg Config) (m *Machine, c *api.Client, ended <-chan Ending) {
	t.Helper()
	c, ended = controlledAfter(t, cfg, func(built *Machine) { m = built })
	return m, c, ended
}

// controlledAfter is the same with something to be done between building and running.
func controlledAfter(t *testing.T, cfg Config, before func(*Machine)) (c *api.Client, ended <-chan Ending) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	cfg.API = l
	m, ctx := built(t, cfg)
	before(m)
	ctx, cancel := context.WithCancel(ctx)
	done, all := make(chan Ending, 1), make(chan struct{})
	go func() {
		defer close(all)
		ending, _ := m.run(ctx)
		done <- ending
	}()
	t.Cleanup(func() {
		cancel()
		<-all
	})
	return api.NewClient(path), done
}

// eventually waits until something holds, for at most a minute.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not so after a minute: " + what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPausedMachineRunsNothingUntilItIsResumedThroughTheSocket(t *testing.T) {
	for _, c := range []struct {
		name, primary string
		cpus          int
		secondaries   []string
	}{
		{"CPUs that are lent", "race", 2, []string{"turns"}},
		{"a CPU that is off", "busy", 2, nil},
		{"a built-in primary", "", 2, []string{"busy", "timer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r record
			cfg := machine(t, &r, c.cpus, c.primary, c.secondaries...)
			switch c.primary {
			case "":
				cfg.Primary.Kernel = ""
			case "busy":
				cfg.Primary.Kernel = filepath.Join(guests, "busy.bin") // spins as a primary as well
			}
			m, client, ended := controlled(t, cfg)
			ctx := t.Context()
			for range 20 {
				must(t, client.Pause(ctx))
				must(t, client.Pause(ctx)) // once more changes nothing
				s, err := client.Status(ctx)
				must(t, err)
				before := m.runs()
				for _, p := range m.pcpus {
					if p.moving.Load() {
						t.Error("a vCPU is in KVM_RUN")
					}
				}
				time.Sleep(5 * time.Millisecond) // in which it would run
				if after := m.runs(); after != before || s.State != api.Paused {
					t.Errorf("%d runs began in a machine that is %s", after-before, s.State)
				}
				must(t, client.Resume(ctx))
				select {
				case e := <-ended:
					if e != PoweredOff {
						t.Errorf("ending %v\n%v", e, &r)
					}
					return // it has done its work
				default:
				}
				eventually(t, "the machine goes on", func() bool {
					select {
					case <-m.stopped:
						return true
					default:
						return m.runs() > before
					}
				})
			}
		})
	}
}

func TestPausedMachineCanBePoweredOff(t *testing.T) {
	var r record
	cfg := machine(t, &r, 2, "preempt", "busy")
	cfg.Primary.Kernel = filepath.Join(guests, "busy.bin")
	_, client, ended := controlled(t, cfg)
	must(t, client.Pause(t.Context()))
	must(t, client.PowerOff(t.Context()))
	if e := <-ended; e != PoweredOff {
		t.Errorf("ending %v", e)
	}
}

// The handler of the guest signals its own event before it completes, for ever.
func TestGuestThatSignalsItselfForEverStopsNeitherOtherVCPUsNorTheSocket(t *testing.T) {
	var r record
	cfg := machine(t, &r, 2, "sdei_storm")
	cfg.SDEI = ThePrimary
	m, client, ended := controlled(t, cfg)
	eventually(t, "vCPU 1 counts", func() bool { return strings.Count(r.console.String(), "tick") >= 3 })
	for range 20 {
		_, err := client.Status(t.Context())
		must(t, err)
	}
	must(t, client.RaiseEvent(t.Context(), api.EventRequest{VM: "primary", VCPU: 1, Event: api.Hex(eventPrivate)}))
	eventually(t, "vCPU 1 takes an event of its own", func() bool { return strings.Contains(r.console.String(), "event 0x40000001 on 1") })
	must(t, client.Pause(t.Context()))
	storm, err := client.SDEI(t.Context(), "primary")
	must(t, err)
	if h := storm.PEs[0].Private[0]; !h.Registered || !h.Enabled || !h.Running && !h.Pending {
		t.Errorf("the storm is over: %+v", h)
	}
	must(t, client.Resume(t.Context()))
	runs := m.pcpus[0].runs.Load()
	eventually(t, "the storm goes on", func() bool { return m.pcpus[0].runs.Load() > runs+100 })
	must(t, client.PowerOff(t.Context()))
	if e := <-ended; e != PoweredOff {
		t.Errorf("ending %v\n%v", e, &r)
	}
}
