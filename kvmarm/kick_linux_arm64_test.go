package kvmarm

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const patience = 60 * time.Second

// kicker gives pieces of work to the thread of a vCPU and kicks it for each.
type kicker struct {
	*guest
	tid         int
	work, taken atomic.Int64
	over        atomic.Bool
}

// newKicker returns a kicker of the calling thread.
func newKicker(g *guest) *kicker { return &kicker{guest: g, tid: unix.Gettid()} }

// until waits for done and reports whether it came to pass.
func (k *kicker) until(done func() bool) bool {
	for start := time.Now(); !done(); time.Sleep(50 * time.Microsecond) {
		if k.over.Load() || time.Since(start) > patience {
			return false
		}
	}
	return true
}

// kick gives one piece of work and reports whether it was taken.
func (k *kicker) kick() bool {
	n := k.work.Add(1)
	k.interrupt()
	return k.until(func() bool { return k.taken.Load() == n })
}

func (k *kicker) interrupt() {
	k.vcpu.SetImmediateExit(true)
	unix.Tgkill(unix.Getpid(), k.tid, unix.SIGURG)
}

// serve runs the vCPU as a run loop does while another goroutine kicks n times, each time after
// ready says so. An error of either side ends both.
func (k *kicker) serve(n int, ready func(i int) bool) {
	k.Helper()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		defer func() {
			k.over.Store(true)
			k.interrupt()
		}()
		for i := range n {
			if !ready(i) {
				k.Errorf("before kick %d the guest is not as it should be", i)
			} else if !k.kick() {
				k.Errorf("kick %d was lost", i)
			} else {
				continue
			}
			return
		}
	}()
	defer func() {
		k.over.Store(true)
		<-finished
	}()
	for !k.over.Load() {
		if k.taken.Load() < k.work.Load() {
			k.taken.Add(1)
			continue
		}
		if k.taken.Load() == int64(n) {
			return
		}
		if err := k.vcpu.Run(); err != unix.EINTR {
			k.Fatalf("run says %v, exit %v", err, k.vcpu.Exit())
		}
		k.vcpu.SetImmediateExit(false)
	}
}

// manyKicks is how many are needed to meet a vCPU everywhere on its way in and out.
func manyKicks() int {
	if testing.Short() {
		return 50
	}
	return 1000
}

func TestWaitingGuestIsSeenBlockingAndNoKickIsLost(t *testing.T) {
	g := newGuest(t,
		0xd503207f, // wfi
		0x17ffffff, // b .-4
	)
	s, err := g.vcpu.Stats()
	g.check(err)
	defer s.Close()
	k := newKicker(g)
	k.serve(manyKicks(), func(int) bool {
		return k.until(func() bool {
			blocking, err := s.Blocking()
			return err == nil && blocking
		})
	})
	if n, err := s.Read("wfi_exit_stat"); err != nil || n == 0 {
		t.Errorf("wfi_exit_stat is %d, error %v", n, err)
	}
}

func TestNoKickOfABusyGuestIsLost(t *testing.T) {
	k := newKicker(newGuest(t, 0x14000000)) // b .
	k.serve(manyKicks(), func(i int) bool {
		for range i % 64 * 16 { // meet the vCPU on its way in, inside, and on its way out
			runtime.Gosched()
		}
		return true
	})
}

func TestGarbageCollectorDoesNotWaitForABusyGuest(t *testing.T) {
	k := newKicker(newGuest(t, 0x14000000)) // b .
	k.serve(1, func(int) bool {
		time.Sleep(20 * time.Millisecond)
		start := time.Now()
		runtime.GC()
		if took := time.Since(start); took > patience {
			t.Errorf("a collection took %v", took)
		}
		return true
	})
}
