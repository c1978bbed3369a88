package vmm

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigEvent is the kernel's struct sigevent (sigevent(3type)).
type sigEvent struct {
	value  uint64
	signo  int32
	notify int32
	tid    int32
	_      [44]byte
}

// sigEvThreadID is SIGEV_THREAD_ID.
const sigEvThreadID = 4

// timerCreate makes a POSIX timer that sends signo to the thread tid (timer_create(2)).
func timerCreate(clock int, signo syscall.Signal, tid int, id *int32) error {
	e := sigEvent{signo: int32(signo), notify: sigEvThreadID, tid: int32(tid)}
	if _, _, errno := unix.Syscall(unix.SYS_TIMER_CREATE, uintptr(clock), uintptr(unsafe.Pointer(&e)), uintptr(unsafe.Pointer(id))); errno != 0 {
		return errno
	}
	return nil
}

// timerSet sets a timer, which cannot fail for one that exists. It never waits.
func timerSet(id int32, spec *unix.ItimerSpec) {
	if _, _, errno := unix.RawSyscall6(unix.SYS_TIMER_SETTIME, uintptr(id), 0, uintptr(unsafe.Pointer(spec)), 0, 0, 0); errno != 0 {
		panic("vmm: timer_settime: " + errno.Error())
	}
}

// restore maps what is behind a range of RAM again, where something else was mapped over it.
func (r *ram) restore(ipa, size uint64) error {
	_, err := unix.MmapPtr(r.fd, int64(ipa-ramBase), unsafe.Pointer(&r.Slice(ipa, size)[0]), uintptr(size), unix.PROT_READ|unix.PROT_WRITE, ramFlags|unix.MAP_FIXED)
	return err
}

func timerDelete(id int32) { _, _, _ = unix.Syscall(unix.SYS_TIMER_DELETE, uintptr(id), 0, 0) }
