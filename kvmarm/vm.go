package kvmarm

import (
	"errors"
	"fmt"
	"sync"
)

// VM is a virtual machine: an address space, its vCPUs and its interrupt controller.
type VM struct {
	fd      int
	runSize int
	target  vcpuInit // what this host prefers, without features

	mu      sync.Mutex // over *scratch
	page    []byte
	scratch *vmScratch // in page
}

// vmScratch is the memory of a VM whose address is given to the kernel inside of structures.
type vmScratch struct {
	filter smcccFilter
	value  uint64
}

func (vm *VM) open() error {
	page, err := mapScratch()
	if err != nil {
		return fmt.Errorf("mmap of the scratch page of a VM: %w", err)
	}
	vm.page, vm.scratch = page, view[vmScratch](page)
	return pass(vm.fd, reqARMPreferredTarget, &vm.target, "")
}

// Close releases the VM. The kernel keeps it until its vCPUs and devices are closed too.
func (vm *VM) Close() error {
	err := closeFD(vm.fd)
	if vm.page != nil {
		err = errors.Join(err, unmap(vm.page))
	}
	vm.fd, vm.page, vm.scratch = -1, nil, nil
	return err
}

// EnableCap turns a capability on (KVM API §4.37). There are at most four arguments.
func (vm *VM) EnableCap(c Cap, args ...uint64) error {
	e := enableCap{cap: uint32(c)}
	copy(e.args[:], args)
	return pass(vm.fd, reqEnableCap, &e, fmt.Sprintf("capability %d", c))
}

// SetCounterOffset makes the guest's CNTVCT and CNTPCT read the host's counter minus offset, on all
// vCPUs and for good (KVM API §4.138; Linux 6.4). With 0 the guest sees what [Counter] sees.
func (vm *VM) SetCounterOffset(offset uint64) error {
	return pass(vm.fd, reqARMSetCounterOffset, &counterOffset{offset: offset}, fmt.Sprintf("offset %#x", offset))
}

// pass makes an ioctl whose argument is *arg. what goes into the error.
func pass[T any](fd int, r request, arg *T, what string) error {
	if _, errno := ioctlStruct(fd, r, arg); errno != 0 {
		return &Error{Call: r.String(), What: what, Errno: errno}
	}
	return nil
}
