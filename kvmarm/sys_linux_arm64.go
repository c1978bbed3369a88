package kvmarm

import "golang.org/x/sys/unix"

func closeFD(fd int) error { return unix.Close(fd) }

// mapShared maps size bytes of fd for reading and writing.
func mapShared(fd, size int) ([]byte, error) {
	return unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// mapScratch maps one page of zeros outside of Go's heap.
func mapScratch() ([]byte, error) {
	return unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
}

func unmap(b []byte) error { return unix.Munmap(b) }

func readAt(fd int, b []byte, offset int64) (int, error) { return unix.Pread(fd, b, offset) }
