package hostsched

import (
	"os"
	"runtime"
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

func TestFlagIsSetWhileTheThreadIsOffItsCPU(t *testing.T) {
	start := time.Now()
	tr := opened(t, 2, 3)
	t.Logf("opened in %v", time.Since(start))
	memory, err := unix.Mmap(-1, 0, 4*PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(memory)
	const page, offset = 2, 192
	if err := tr.Map(page, memory[PageSize:]); err != nil {
		t.Fatal(err)
	}
	flag := (*atomic.Uint32)(unsafe.Pointer(&memory[PageSize+offset]))
	var stop, wakes atomic.Uint32
	var lies atomic.Uint32 // the thread found its own flag set
	ready, done := make(chan int), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		ready <- unix.Gettid()
		<-ready
		tr.Set(1, At(page, offset))
		for stop.Load() == 0 {
			if flag.Load() != 0 {
				lies.Add(1)
			}
			ts := unix.NsecToTimespec(int64(2 * time.Millisecond))
			_ = unix.Nanosleep(&ts, nil)
			wakes.Add(1)
		}
		tr.Set(1, 0)
	}()
	if err := tr.Follow(1, <-ready); err != nil {
		t.Fatal(err)
	}
	ready <- 0
	var set, clear int
	for end := time.Now().Add(time.Minute); (set < 50 || wakes.Load() < 50) && time.Now().Before(end); {
		if flag.Load() == 1 {
			set++
		} else {
			clear++
		}
		runtime.Gosched()
	}
	stop.Store(1)
	<-done
	t.Logf("seen set %d times, clear %d times, %d wakes", set, clear, wakes.Load())
	if set < 50 || lies.Load() != 0 {
		t.Errorf("set %d times; the thread itself saw it set %d times", set, lies.Load())
	}
	before := flag.Load()
	flag.Store(7)
	time.Sleep(20 * time.Millisecond)
	if got := flag.Load(); got != 7 || before > 1 {
		t.Errorf("a flag that nobody has any more was written: %d, %d", before, got)
	}
}
