package kvmarm

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

// ErrUnavailable is wrapped by every error of [Open]: there is no KVM that this process may use. The
// message says why and how to mend it.
var ErrUnavailable = errors.New("no usable KVM")

// ErrUnsupported is what constructors return where the package has no real implementation. It wraps
// [ErrUnavailable].
var ErrUnsupported = fmt.Errorf("%w: this program was built for %s/%s and KVM for arm64 needs linux/arm64",
	ErrUnavailable, runtime.GOOS, runtime.GOARCH)

// Error is a failed system call. It unwraps to its Errno, so errors.Is(err, unix.EBUSY) works.
type Error struct {
	Call  string // the ioctl or system call, such as "KVM_CREATE_VCPU"
	What  string // what it was about, such as "vCPU 3", or empty
	Errno syscall.Errno
}

func (e *Error) Error() string {
	if e.What == "" {
		return e.Call + ": " + e.Errno.Error()
	}
	return e.Call + " (" + e.What + "): " + e.Errno.Error()
}

// Unwrap returns the Errno.
func (e *Error) Unwrap() error { return e.Errno }

// The results of KVM_RUN that are everyday events, boxed once so that returning them is free.
var (
	errInterrupted error = syscall.EINTR
	errAgain       error = syscall.EAGAIN
)

// openError explains why the device at path cannot be opened. owner describes who may open it.
func openError(path, owner string, errno syscall.Errno) error {
	switch errno {
	case syscall.ENOENT:
		return fmt.Errorf("%w: %s does not exist: the kernel has no KVM or was not booted at EL2, "+
			"and `dmesg | grep -i kvm` says which", ErrUnavailable, path)
	case syscall.EACCES, syscall.EPERM:
		return fmt.Errorf("%w: no permission to open %s (%s): run `sudo usermod -aG kvm $USER` and log in again",
			ErrUnavailable, path, owner)
	case syscall.ENODEV, syscall.ENXIO:
		return fmt.Errorf("%w: %s exists but no driver answers it (%w): the processor has no EL2 for this kernel, "+
			"and `dmesg | grep -i kvm` says why", ErrUnavailable, path, errno)
	}
	return fmt.Errorf("%w: cannot open %s: %w", ErrUnavailable, path, errno)
}
