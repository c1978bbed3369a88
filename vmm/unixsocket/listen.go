// Package unixsocket makes the Unix sockets that hfvmm listens at. It knows nothing of what is said there.
package unixsocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Listen listens at path, for the user alone. A socket that nobody listens at any more, such as a killed
// process leaves behind, is replaced; anything else that is there already is an error. Closing the listener
// removes the socket.
func Listen(path string) (*net.UnixListener, error) {
	defer lockFolder(filepath.Dir(path))()
	l, err := listen(path)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		if err = os.Remove(path); err == nil {
			l, err = listen(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen at %q: %w; %s", path, reason(err), remedy(err))
	}
	return l, nil
}

// lockTime is how long Listen waits for others. They need microseconds, if they mean well.
const lockTime = time.Second

// lockFolder keeps others out that listen in the same folder: a socket that they are just making, or have just put in
// the place of an abandoned one, would seem abandoned. Where there is no lock to be had, Listen does without.
func lockFolder(folder string) (unlock func()) {
	f, err := os.OpenFile(folder, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return func() {}
	}
	for deadline := time.Now().Add(lockTime); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	return func() { f.Close() }
}

// private are the permissions of a socket.
const private = 0o600

func listen(path string) (*net.UnixListener, error) {
	cfg := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// On Linux the socket's file gets the permissions of the socket itself, so that it never has any
		// others. Elsewhere this does nothing, and what follows is all.
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), private) })
	}}
	l, err := cfg.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, private); err != nil {
		l.Close()
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// abandoned reports whether path is a socket that nobody listens at.
func abandoned(path string) bool {
	st, err := os.Lstat(path)
	if err != nil || st.Mode().Type() != os.ModeSocket {
		return false
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// reason is the last cause of err, which the caller puts into words of its own.
func reason(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "remove it or choose another path"
	case errors.Is(err, syscall.EINVAL):
		return "choose a path shorter than 108 bytes"
	}
	return "choose a path in a directory that you may write"
}
