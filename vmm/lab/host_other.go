//go:build !linux

package lab

import "syscall"

// dieWithParent has no equivalent here: a killed hfvmm leaves QEMU to find its port closed.
func dieWithParent() *syscall.SysProcAttr {
	return nil
}
