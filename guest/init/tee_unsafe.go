//go:build linux

package main

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// teeRequests is what the driver is asked by, in memory that does not move, because parts of it point to others.
type teeRequests struct {
	open   teeSessionArg
	call   teeInvokeArg
	buffer teeBuffer
}

func newTEERequests() (*teeRequests, error) {
	mapped, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(teeRequests{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("memory for requests: %w", err)
	}
	return (*teeRequests)(unsafe.Pointer(&mapped[0])), nil
}

// describe makes the buffer of r what a request in it is told by.
func describe[T any](r *teeRequests, arg *T) {
	r.buffer = teeBuffer{offHeapAddress(arg), uint64(unsafe.Sizeof(*arg))}
}

// offHeapAddress is the address of something in memory that Go does not manage.
func offHeapAddress[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// teeIoctl makes a request of the driver.
func teeIoctl[T any](fd int, request uint32, arg *T) (int, error) {
	r, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(arg)))
	if errno != 0 {
		return 0, fmt.Errorf("request %#x of %s: %w", request, teeDevice, errno)
	}
	return int(r), nil
}
