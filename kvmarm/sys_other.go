//go:build !linux || !arm64

package kvmarm

import "syscall"

// There is no KVM for arm64 here: Open fails, and nothing else is reached.

func openDevice(string) (int, error)                           { return -1, ErrUnsupported }
func ioctlNumber(int, request, int) (int, syscall.Errno)       { return 0, syscall.ENOSYS }
func ioctlStruct[T any](int, request, *T) (int, syscall.Errno) { return 0, syscall.ENOSYS }
func ioctlReg(int, request, *oneReg) syscall.Errno             { return syscall.ENOSYS }
func closeFD(int) error                                        { return ErrUnsupported }
func mapShared(int, int) ([]byte, error)                       { return nil, ErrUnsupported }
func mapScratch() ([]byte, error)                              { return nil, ErrUnsupported }
func unmap([]byte) error                                       { return ErrUnsupported }
func readAt(int, []byte, int64) (int, error)                   { return 0, ErrUnsupported }
