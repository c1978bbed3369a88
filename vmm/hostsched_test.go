package vmm

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hog keeps the host's CPUs busy half of the time until the test ends.
func hog(t *testing.T) {
	t.Helper()
	var stop atomic.Bool
	var all sync.WaitGroup
	const phase = 40 * time.Millisecond
	n := 2 * runtime.NumCPU()
	was := runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
	for range n {
		all.Go(func() {
			runtime.LockOSThread()
			for !stop.Load() {
				for end := time.Now().Add(phase); time.Now().Before(end); {
				}
				time.Sleep(phase)
			}
		})
	}
	t.Cleanup(func() {
		stop.Store(true)
		all.Wait()
		runtime.GOMAXPROCS(was)
	})
}

// needHostCPUs skips a test that makes no sense on a host with fewer CPUs, such as one in which a vCPU sees another
// one run.
func needHostCPUs(t *testing.T, n int) {
	t.Helper()
	if has := runtime.NumCPU(); has < n {
		t.Skipf("this needs a host with %d CPUs, and this one has %d", n, has)
	}
}

func TestFlagOfAPrimaryVCPUTellsWhenTheHostTakesItsCPUAway(t *testing.T) {
	needHostCPUs(t, 2)
	var r record
	cfg := machine(t, &r, 2, "pvsched_host")
	cfg.PVSched = ThePrimary
	m, ctx := built(t, cfg)
	if m.host == nil {
		t.Fatalf("the host's scheduler cannot be traced\n%v", &r)
	}
	hog(t)
	ending, err := m.run(ctx)
	if ending != PoweredOff || err != nil || !strings.HasSuffix(r.console.String(), "PASS\r\n") {
		t.Errorf("ending %v, error %v\n%v", ending, err, &r)
	}
	t.Log(r.console.String())
}
