package kvmarm

import (
	"fmt"
	"syscall"
)

// apiVersion is the only version of the stable KVM API (KVM API §4.1).
const apiVersion = 12

// System is an open /dev/kvm.
type System struct {
	fd      int
	runSize int // bytes to map of a vCPU
}

// Open opens the KVM device at path, usually /dev/kvm. Every error wraps [ErrUnavailable].
func Open(path string) (*System, error) {
	fd, err := openDevice(path)
	if err != nil {
		return nil, err
	}
	s := &System{fd: fd}
	if err := s.probe(); err != nil {
		closeFD(fd)
		return nil, fmt.Errorf("%w: %s: %w", ErrUnavailable, path, err)
	}
	return s, nil
}

func (s *System) probe() error {
	version, err := call(s.fd, reqGetAPIVersion, 0, "")
	if err != nil {
		return err
	}
	if version != apiVersion {
		return fmt.Errorf("the kernel speaks version %d of the KVM API, not %d", version, apiVersion)
	}
	s.runSize, err = call(s.fd, reqGetVCPUMmapSize, 0, "")
	return err
}

// Close closes the device. Its VMs live on.
func (s *System) Close() error { return closeFD(s.fd) }

// Capability returns what the kernel says about c: 0 is no, 1 is yes, and some capabilities answer
// with a number of their own.
func (s *System) Capability(c Cap) (int, error) {
	return call(s.fd, reqCheckExtension, int(c), fmt.Sprintf("capability %d", c))
}

// CreateVM makes a VM whose intermediate physical addresses have ipaBits bits: 32 up to the capability
// [CapARMVMIPASize], or 0 for the 40 bits that every host has (KVM API §4.2).
func (s *System) CreateVM(ipaBits int) (*VM, error) {
	fd, err := call(s.fd, reqCreateVM, ipaBits, fmt.Sprintf("%d-bit IPA", ipaBits))
	if err != nil {
		return nil, err
	}
	vm := &VM{fd: fd, runSize: s.runSize}
	if err := vm.open(); err != nil {
		vm.Close()
		return nil, err
	}
	return vm, nil
}

// call makes an ioctl whose argument is a number. what goes into the error.
func call(fd int, r request, arg int, what string) (int, error) {
	n, errno := ioctlNumber(fd, r, arg)
	for errno == syscall.EINTR { // KVM_CREATE_VM gives up for any signal, and Go's runtime sends many
		n, errno = ioctlNumber(fd, r, arg)
	}
	if errno != 0 {
		return 0, &Error{Call: r.String(), What: what, Errno: errno}
	}
	return n, nil
}
