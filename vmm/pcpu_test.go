package vmm

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/kvmarm"
)

// built returns a machine that is ready to run, and a context for that.
func built(t *testing.T, cfg Config) (*Machine, context.Context) {
	t.Helper()
	m, err := build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.close() })
	ctx, cancel := context.WithTimeout(context.Background(), machineTime)
	t.Cleanup(cancel)
	return m, ctx
}

// runs returns how many KVM_RUNs the machine has begun.
func (m *Machine) runs() (n uint64) {
	for _, p := range m.pcpus {
		n += p.runs.Load()
	}
	return n
}

func TestRunLoopAllocatesNothing(t *testing.T) {
	var r record
	var before, after runtime.MemStats
	m, ctx := built(t, machine(t, &r, 1, "echo", "echo"))
	runtime.ReadMemStats(&before)
	if ending, err := m.run(ctx); err != nil || ending != PoweredOff {
		t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
	}
	runtime.ReadMemStats(&after)
	// Threads, the watcher and the console may allocate now and then.
	mallocs, runs := after.Mallocs-before.Mallocs, m.runs()
	if t.Logf("%d allocations in %d runs", mallocs, runs); mallocs > runs/4 {
		t.Errorf("%d allocations in %d runs", mallocs, runs)
	}
}

func TestCPUThatIsSwitchedOnBeforeItIsQuiteOffKeepsTheMachineRunning(t *testing.T) {
	m := &Machine{stopped: make(chan struct{})}
	m.brake.init()
	first, second := &pcpu{m: m, power: make(chan struct{}, 1)}, &pcpu{m: m, power: make(chan struct{}, 1)}
	m.powered.Store(2)
	// The first has called CPU_OFF. The second switches it on, and itself off, before the first comes to wait.
	first.powerOn()
	second.on.Store(true)
	go second.waitPower()
	for second.on.Load() || m.powered.Load() > 2 {
		runtime.Gosched()
	}
	if !first.waitPower() {
		t.Error("the machine stopped")
	}
	if n := m.powered.Load(); n != 1 {
		t.Errorf("%d vCPUs of the primary count as on, not 1", n)
	}
	close(m.stopped)
}

func TestWFIThatWasSeenOnceIsAnExitAtOnce(t *testing.T) {
	var r record
	m, ctx := built(t, machine(t, &r, 1, "flood", "flood", "sink", "echo"))
	if m.breakpoints == 0 {
		t.Skip("this host has no hardware breakpoint")
	}
	if ending, err := m.run(ctx); ending != PoweredOff || err != nil {
		t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
	}
	// The flooding service waits in WFI for hundreds of notifications.
	blocked, err := m.vms[1].vcpus[0].stats.Read("wfi_exit_stat")
	if err != nil {
		t.Fatal(err)
	}
	if blocked > 20 {
		t.Errorf("%d times it went into WFI inside of KVM", blocked)
	}
	t.Logf("%d times it went into WFI inside of KVM", blocked)
}

func TestParkedMachineRunsNothingUntilItIsResumed(t *testing.T) {
	var r record
	m, ctx := built(t, machine(t, &r, 2, "race", "turns"))
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan Ending, 1)
	go func() {
		ending, _ := m.run(ctx)
		ended <- ending
	}()
	for range 100 {
		m.park()
		before := m.runs()
		for i := range m.pcpus {
			err := accessGIC(func() error {
				pending, err := m.vms[0].gic.Redist(i, kvmarm.GICRISPENDR0)
				if err == nil {
					err = m.vms[0].gic.SetRedist(i, kvmarm.GICRISPENDR0, pending)
				}
				return err
			})
			if err != nil {
				t.Errorf("GIC of vCPU %d in a parked machine: %v", i, err)
			}
		}
		if after := m.runs(); after != before {
			t.Errorf("%d runs began in a parked machine", after-before)
		}
		m.resume()
	}
	for begun := m.runs(); m.runs() < begun+100; {
		time.Sleep(time.Millisecond) // it goes on
	}
	cancel()
	if ending := <-ended; ending != Cancelled {
		t.Errorf("ending %v\n%v", ending, &r)
	}
}
