package vmm

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func newRAM(size uint64) (*ram, error) {
	fd, err := unix.MemfdCreate("hfvmm-ram", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, fmt.Errorf("cannot reserve %d bytes of guest memory: %w", size, err)
	}
	b, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("cannot map %d bytes of guest memory: %w", size, err)
	}
	return &ram{b}, nil
}

func (r *ram) close() error { return unix.Munmap(r.bytes) }

// gettid returns the id of the calling thread.
func gettid() int { return unix.Gettid() }

// interrupt makes the system call that a thread sits in return EINTR. SIGURG is the signal that the
// Go runtime handles anyway, so it needs no handler and a stray one does no harm.
func interrupt(tid int) { _ = unix.Tgkill(unix.Getpid(), tid, unix.SIGURG) }
