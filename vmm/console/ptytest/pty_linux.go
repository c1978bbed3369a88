// Package ptytest gives tests a terminal.
package ptytest

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Open returns the two ends of a pseudoterminal, which the test closes when it ends: what is written
// to keyboard comes from the terminal tty as typed, what is written to tty appears at keyboard.
func Open(t testing.TB) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, tty, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		keyboard.Close()
		tty.Close()
	})
	return keyboard, tty
}

func open() (keyboard, tty *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open /dev/ptmx: %w", err)
	}
	keyboard = os.NewFile(uintptr(fd), "keyboard")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		keyboard.Close()
		return nil, nil, fmt.Errorf("unlock the pseudoterminal: %w", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		keyboard.Close()
		return nil, nil, fmt.Errorf("number of the pseudoterminal: %w", err)
	}
	tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		keyboard.Close()
		return nil, nil, err
	}
	return keyboard, tty, nil
}

// Settings returns the terminal's settings, to be compared.
func Settings(t testing.TB, tty *os.File) unix.Termios {
	t.Helper()
	c, err := tty.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var s *unix.Termios
	if e := c.Control(func(fd uintptr) { s, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) }); e != nil {
		t.Fatal(e)
	}
	if err != nil {
		t.Fatal(err)
	}
	return *s
}
