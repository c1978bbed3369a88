package vmm

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hfvmm/hfvmm/hypercall"
)

// dogRegs are the registers of a vCPU that calls the watchdog.
type dogRegs [hypercall.NumRegs]uint64

func (r *dogRegs) LoadX(n int) uint64     { return r[n] }
func (r *dogRegs) StoreX(n int, x uint64) { r[n] = x }

// dog is a watchdog with what it did.
type dog struct {
	*watchdog
	bites, resets atomic.Int32
}

func newDog(timeout time.Duration) *dog {
	d := &dog{}
	d.watchdog = newWatchdog(timeout, func() { d.bites.Add(1) }, func() { d.resets.Add(1) })
	return d
}

func (d *dog) call(what, value uint64) (x0 int64, x1, x2 uint64) {
	var bank dogRegs
	v := hypercall.VCPU{Regs: hypercall.NewRegs(&bank)}
	bank[1], bank[2] = what, value
	d.Call(&v, watchdogCall, hypercall.SMC)
	v.Regs.Flush()
	return int64(bank[0]), bank[1], bank[2]
}

// after lets time pass and tells how often the dog has bitten and reset.
func (d *dog) after(t *testing.T, pass time.Duration, bites, resets int32) {
	t.Helper()
	time.Sleep(pass)
	synctest.Wait()
	if b, r := d.bites.Load(), d.resets.Load(); b != bites || r != resets {
		t.Errorf("%d bites and %d resets, want %d and %d", b, r, bites, resets)
	}
}

func TestWatchdogBitesWhenItIsNotPettedAndThenResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDog(10 * time.Second)
		d.after(t, time.Hour, 0, 0) // disabled
		d.call(watchdogEnable, 1)
		for range 5 {
			d.after(t, 9*time.Second, 0, 0)
			d.call(watchdogPet, 0)
		}
		d.after(t, 11*time.Second, 1, 0)
		d.call(watchdogPet, 0) // late, but not too late
		d.after(t, 9*time.Second, 1, 0)
		d.after(t, 2*time.Second, 2, 0)
		d.after(t, 8*time.Second, 2, 0)
		d.after(t, 2*time.Second, 2, 1)
		d.close()
		d.after(t, time.Hour, 2, 1)
	})
}

func TestDisabledWatchdogNeitherBitesNorResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDog(10 * time.Second)
		d.call(watchdogEnable, 1)
		d.after(t, 11*time.Second, 1, 0)
		d.call(watchdogEnable, 0)
		d.after(t, time.Hour, 1, 0)
		d.call(watchdogPet, 0)
		d.after(t, time.Hour, 1, 0)
	})
}

func TestPausedWatchdogStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDog(10 * time.Second)
		d.call(watchdogEnable, 1)
		d.after(t, 7*time.Second, 0, 0)
		d.pause()
		d.after(t, time.Hour, 0, 0)
		d.resume()
		d.after(t, 2*time.Second, 0, 0)
		d.after(t, 2*time.Second, 1, 0)
		var none *watchdog
		none.pause()
		none.resume()
		none.close()
		d.close()
	})
}

func TestClosedWatchdogHasFinishedItsBite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bitten, closed atomic.Bool
		goOn := make(chan struct{})
		w := newWatchdog(time.Second, func() {
			<-goOn
			bitten.Store(true)
		}, func() {})
		var bank dogRegs
		v := hypercall.VCPU{Regs: hypercall.NewRegs(&bank)}
		bank[1], bank[2] = watchdogEnable, 1
		w.Call(&v, watchdogCall, hypercall.SMC)
		time.Sleep(time.Second)
		synctest.Wait() // it bites
		go func() {
			w.close()
			closed.Store(true)
		}()
		synctest.Wait()
		if closed.Load() {
			t.Error("it is closed in the middle of its bite")
		}
		close(goOn)
		synctest.Wait()
		if !closed.Load() || !bitten.Load() {
			t.Errorf("closed: %v, bitten: %v", closed.Load(), bitten.Load())
		}
	})
}

func TestWatchdogAnswersAsLinuxExpects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDog(1500 * time.Millisecond)
		for _, c := range []struct {
			what, value uint64
			x0          int64
			x1, x2      uint64
		}{
			{watchdogInit, 0, 0, minWatchdogSeconds, maxWatchdogSeconds},
			{watchdogTimeLeft, 0, 0, 0, 0},
			{watchdogEnable, 2, -2, watchdogEnable, 2},
			{watchdogEnable, 1, 0, watchdogEnable, 1},
			{watchdogTimeLeft, 0, 0, 2, 0},
			{watchdogSetTimeout, 0, -2, watchdogSetTimeout, 0},
			{watchdogSetTimeout, maxWatchdogSeconds + 1, -2, watchdogSetTimeout, maxWatchdogSeconds + 1},
			{watchdogSetTimeout, 30, 0, watchdogSetTimeout, 30},
			{watchdogTimeLeft, 0, 0, 30, 0},
			{watchdogPet, 0, 0, watchdogPet, 0},
			{watchdogTimeLeft + 1, 0, -1, watchdogTimeLeft + 1, 0},
			{1<<32 | watchdogTimeLeft, 0, 0, 30, 0}, // SMC32: upper halves are ignored
		} {
			if x0, x1, x2 := d.call(c.what, c.value); x0 != c.x0 || x1 != c.x1 || x2 != c.x2 {
				t.Errorf("%d(%d) = %d, %d, %d, want %d, %d, %d", c.what, c.value, x0, x1, x2, c.x0, c.x1, c.x2)
			}
		}
		d.close()
	})
}

func TestMachineWhosePrimaryIsSilentGetsAnEventAndIsThenReset(t *testing.T) {
	var r record
	cfg := machine(t, &r, 1, "watchdog")
	cfg.SDEI, cfg.Watchdog = ThePrimary, 2*time.Second
	ending, err := run(t, cfg)
	if ending != Hung || err == nil || !strings.HasSuffix(r.console.String(), "petted\r\nbitten\r\nsilent\r\n") {
		t.Errorf("ending %v, error %v\n%v", ending, err, &r)
	}
	if !strings.Contains(r.log.String(), "does not pet the watchdog") {
		t.Errorf("the log does not tell:\n%s", r.log.String())
	}
}
