package hostsched

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// opened returns a tracker. Where it must be possible, it is a failure if it is not.
func opened(t *testing.T, threads, pages int) *Tracker {
	t.Helper()
	tr, err := Open(threads, pages)
	if err != nil {
		if os.Getenv("HFVMM_REQUIRE_LAB") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

// shared returns a page that a tracker shares, and the flag at an offset there.
func shared(t *testing.T, tr *Tracker, page, offset int) *atomic.Uint32 {
	t.Helper()
	memory, err := unix.Mmap(-1, 0, 4*PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(memory) })
	if err := tr.Map(page, memory[PageSize:]); err != nil {
		t.Fatal(err)
	}
	return (*atomic.Uint32)(unsafe.Pointer(&memory[PageSize+offset]))
}

// sleeper is a thread that sleeps again and again. awake is called each time it is awake.
type sleeper struct {
	wakes atomic.Uint32
	stop  func()
}

func newSleeper(t *testing.T, tr *Tracker, slot int, p Place, awake func()) *sleeper {
	t.Helper()
	var s sleeper
	var over atomic.Bool
	tid, followed, done := make(chan int), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		tid <- unix.Gettid()
		<-followed
		for tr.Set(slot, p); !over.Load(); s.wakes.Add(1) {
			awake()
			ts := unix.NsecToTimespec(int64(2 * time.Millisecond))
			_ = unix.Nanosleep(&ts, nil)
		}
		tr.Set(slot, 0)
	}()
	s.stop = sync.OnceFunc(func() { over.Store(true); <-done })
	t.Cleanup(s.stop)
	if err := tr.Follow(slot, <-tid); err != nil {
		t.Fatal(err)
	}
	close(followed)
	until(func() bool { return s.wakes.Load() > 0 }) // from here on it leaves its slot alone
	return &s
}

// until waits, for a minute at most, for the condition.
func until(condition func() bool) {
	for end := time.Now().Add(time.Minute); !condition() && time.Now().Before(end); {
		runtime.Gosched()
	}
}

func TestFlagIsSetWhileTheThreadIsOffItsCPU(t *testing.T) {
	start := time.Now()
	tr := opened(t, 2, 3)
	t.Logf("opened in %v", time.Since(start))
	const page, offset = 2, 192
	flag := shared(t, tr, page, offset)
	var lies atomic.Uint32 // the thread found its own flag set
	s := newSleeper(t, tr, 1, At(page, offset), func() { lies.Add(flag.Load()) })
	var set, clear int
	until(func() bool {
		if flag.Load() == 1 {
			set++
		} else {
			clear++
		}
		return set >= 50 && s.wakes.Load() >= 50
	})
	s.stop()
	t.Logf("seen set %d times, clear %d times, %d wakes", set, clear, s.wakes.Load())
	if set < 50 || lies.Load() != 0 {
		t.Errorf("set %d times; the thread itself saw it set %d times", set, lies.Load())
	}
}

func TestFlagThatAnotherThreadTookAwayIsNotWrittenOnceThatHasSettled(t *testing.T) {
	tr := opened(t, 1, 1)
	flag := shared(t, tr, 0, 64)
	s := newSleeper(t, tr, 0, At(0, 64), func() {})
	for range 20 {
		tr.Set(0, At(0, 64))
		flag.Store(7)
		until(func() bool { return flag.Load() != 7 })
		if flag.Load() == 7 {
			t.Fatal("not written")
		}
		tr.Set(0, 0)
		if err := tr.Settle(); err != nil {
			t.Fatal(err)
		}
		flag.Store(7)
		wakes := s.wakes.Load()
		until(func() bool { return s.wakes.Load() > wakes+10 })
		if got := flag.Load(); got != 7 || s.wakes.Load() <= wakes+10 {
			t.Fatalf("%d was written, in %d wakes", got, s.wakes.Load()-wakes)
		}
	}
}
