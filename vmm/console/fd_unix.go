//go:build unix

package console

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// waker ends reads and writes that wait. A read of standard input cannot be cancelled by Go, so
// every wait is a poll of two files: the stream, and a pipe whose other end Close closes.
type waker struct {
	once sync.Once
	r, w *os.File
}

// canWake says that a waker does what its name says.
const canWake = true

func newWaker() (*waker, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &waker{r: r, w: w}, nil
}

// Close ends all waits, now and later. The end that is polled stays open for them.
func (k *waker) Close() error {
	var err error
	k.once.Do(func() { err = k.w.Close() })
	return err
}

// wait waits until f is ready for events. It returns false if the waker was closed.
func (k *waker) wait(f *os.File, events int16) (bool, error) {
	fds := []unix.PollFd{
		{Fd: int32(f.Fd()), Events: events},
		{Fd: int32(k.r.Fd()), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return false, os.NewSyscallError("poll", err)
		case fds[1].Revents != 0:
			return false, nil
		default:
			return true, nil
		}
	}
}

// read reads f like f.Read, and returns io.EOF once the waker is closed.
func (k *waker) read(f *os.File, p []byte) (int, error) {
	ok, err := k.wait(f, unix.POLLIN)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, io.EOF
	}
	return f.Read(p)
}

// maxWrite is how much a terminal or pipe that polls as writable takes without blocking.
const maxWrite = 256

// write writes to f like f.Write, and returns os.ErrClosed once the waker is closed.
func (k *waker) write(f *os.File, p []byte) (n int, err error) {
	for n < len(p) {
		ok, err := k.wait(f, unix.POLLOUT)
		if err != nil {
			return n, err
		}
		if !ok {
			return n, os.ErrClosed
		}
		m, err := f.Write(p[n:min(n+maxWrite, len(p))])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
