package vmm

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

func newRAM(size uint64) (*ram, error) {
	fd, err := unix.MemfdCreate("hfvmm-ram", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	r := &ram{fd: fd}
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("cannot reserve %d bytes of guest memory: %w", size, err)
	}
	if r.bytes, err = unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, ramFlags); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("cannot map %d bytes of guest memory: %w", size, err)
	}
	return r, nil
}

const ramFlags = unix.MAP_SHARED | unix.MAP_NORESERVE

func (r *ram) close() error { return errors.Join(unix.Munmap(r.bytes), unix.Close(r.fd)) }

// gettid returns the id of the calling thread.
func gettid() int { return unix.Gettid() }

// interrupt makes the system call that a thread sits in return EINTR. SIGURG is the signal that the
// Go runtime handles anyway, so it needs no handler and a stray one does no harm.
func interrupt(tid int) { _ = unix.Tgkill(unix.Getpid(), tid, unix.SIGURG) }

// threadTime is how long a thread of this process has had a CPU.
func threadTime(tid int) time.Duration {
	const scheduled, perThread = 2, 4 // CPUCLOCK_SCHED, CPUCLOCK_PERTHREAD_MASK: clock_getcpuclockid(3) of a thread
	var t unix.Timespec
	_ = unix.ClockGettime(int32(^tid<<3|scheduled|perThread), &t) // it cannot fail while the thread lives
	return time.Duration(t.Nano())
}

// threadTimer sends a thread the signal of interrupt.
type threadTimer struct {
	id   int32
	spec unix.ItimerSpec
}

// newThreadTimer returns a timer for the calling thread, which is locked to its goroutine.
func newThreadTimer() (*threadTimer, error) {
	t := new(threadTimer)
	if err := timerCreate(unix.CLOCK_MONOTONIC, unix.SIGURG, gettid(), &t.id); err != nil {
		return nil, fmt.Errorf("timer_create: %w; is the limit of pending signals, ulimit -i, too low?", err)
	}
	return t, nil
}

// start sets the timer to signal after d, which is positive, and then again after each repeat.
func (t *threadTimer) start(d, repeat time.Duration) {
	t.spec = unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d)), Interval: unix.NsecToTimespec(int64(repeat))}
	timerSet(t.id, &t.spec)
}

// stop ends its signals.
func (t *threadTimer) stop() {
	t.spec = unix.ItimerSpec{}
	timerSet(t.id, &t.spec)
}

func (t *threadTimer) close() { timerDelete(t.id) }
