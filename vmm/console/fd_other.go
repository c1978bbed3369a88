//go:build !unix

package console

import "os"

// waker does nothing here: a read or write that waits ends with the process.
type waker struct{}

const canWake = false

func newWaker() (*waker, error) { return &waker{}, nil }

func (*waker) Close() error { return nil }

func (*waker) read(f *os.File, p []byte) (int, error) { return f.Read(p) }

func (*waker) write(f *os.File, p []byte) (int, error) { return f.Write(p) }
