package lab

import "syscall"

// dieWithParent makes a child end when the thread that started it does, however that ends, and
// keeps the terminal's Ctrl-C from it.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
