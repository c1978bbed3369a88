package kvmarm

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioctlNumber makes an ioctl whose argument is a number, not an address.
//
// It is unix.Syscall and not RawSyscall because KVM_RUN goes through here: the scheduler of Go must
// know that the thread is away, or the garbage collector waits for the guest.
func ioctlNumber(fd int, r request, arg int) (int, syscall.Errno) {
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(r), uintptr(arg))
	return int(n), errno
}

// ioctlStruct makes an ioctl whose argument is *p, which holds no address of memory that may move.
func ioctlStruct[T any](fd int, r request, p *T) (int, syscall.Errno) {
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(r), uintptr(unsafe.Pointer(p)))
	return int(n), errno
}

// ioctlReg reads or writes a register of a vCPU that is the caller's. It never waits, so the scheduler
// of Go need not know; telling it costs as much again as the wrapper itself.
func ioctlReg(fd int, r request, reg *oneReg) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), uintptr(r), uintptr(unsafe.Pointer(reg)))
	return errno
}
