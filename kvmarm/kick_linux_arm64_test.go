package kvmarm

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// kicker kicks the vCPU of the thread that made it.
type kicker struct {
	vcpu *VCPU
	tid  int
}

func (k kicker) kick() {
	k.vcpu.SetImmediateExit(true)
	unix.Tgkill(unix.Getpid(), k.tid, unix.SIGURG)
}

// serveKicks runs the vCPU as a run loop does, with work given before each kick, until want pieces of
// work were done. done hears of each.
func (g *guest) serveKicks(work *atomic.Int64, want int64, done chan<- struct{}) {
	g.Helper()
	for n := int64(0); n < want; {
		if n < work.Load() {
			n++
			done <- struct{}{}
			continue
		}
		if err := g.vcpu.Run(); err != unix.EINTR {
			g.Fatalf("run says %v, exit %v", err, g.vcpu.Exit())
		}
		g.vcpu.SetImmediateExit(false)
	}
}

func TestWaitingGuestIsSeenBlockingAndNoKickIsLost(t *testing.T) {
	g := newGuest(t,
		0xd503207f, // wfi
		0x17ffffff, // b .-4
	)
	s, err := g.vcpu.Stats()
	g.check(err)
	defer s.Close()
	const kicks = 1000
	var work atomic.Int64
	k, done := kicker{g.vcpu, unix.Gettid()}, make(chan struct{}, 1)
	go func() {
		for i := range kicks {
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Microsecond) {
				blocking, err := s.Blocking()
				if err != nil || time.Now().After(deadline) {
					panic("the guest in WFI is not seen blocking")
				}
				if blocking {
					break
				}
			}
			work.Add(1)
			k.kick()
			awaitKick(i, done)
		}
	}()
	g.serveKicks(&work, kicks, done)
	if n, err := s.Read("wfi_exit_stat"); err != nil || n == 0 {
		t.Errorf("wfi_exit_stat is %d, error %v", n, err)
	}
}

func TestNoKickOfABusyGuestIsLost(t *testing.T) {
	g := newGuest(t, 0x14000000) // b .
	const kicks = 1000
	var work atomic.Int64
	k, done := kicker{g.vcpu, unix.Gettid()}, make(chan struct{}, 1)
	go func() {
		for i := range kicks {
			for range i % 64 * 16 { // meet the vCPU on its way in, inside, and on its way out
				runtime.Gosched()
			}
			work.Add(1)
			k.kick()
			awaitKick(i, done)
		}
	}()
	g.serveKicks(&work, kicks, done)
}

func awaitKick(i int, done <-chan struct{}) {
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		panic("a kick was lost")
	}
}

func TestGarbageCollectorDoesNotWaitForABusyGuest(t *testing.T) {
	g := newGuest(t, 0x14000000) // b .
	var work atomic.Int64
	k, done := kicker{g.vcpu, unix.Gettid()}, make(chan struct{}, 1)
	var took time.Duration
	go func() {
		time.Sleep(20 * time.Millisecond)
		start := time.Now()
		runtime.GC()
		took = time.Since(start)
		work.Add(1)
		k.kick()
	}()
	g.serveKicks(&work, 1, done)
	if took > 5*time.Second {
		t.Errorf("a collection took %v", took)
	}
}
