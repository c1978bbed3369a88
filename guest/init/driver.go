//go:build linux

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a job waits for one message. It is wide because everything may run emulated.
const patience = 60 * time.Second

// mailbox is an open /dev/hfN. Reads and writes wait in the runtime's poller, so they exercise
// O_NONBLOCK and poll of the driver as well.
type mailbox struct {
	*os.File
	conn syscall.RawConn
	buf  [4096]byte
}

func devicePath(vm int) string { return "/dev/hf" + strconv.Itoa(vm) }

func openMailbox(vm int) (*mailbox, error) {
	f, err := os.OpenFile(devicePath(vm), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &mailbox{File: f, conn: conn}, nil
}

// send goes below [os.File.Write], which gives up an empty message when the mailbox is full.
func (m *mailbox) send(p []byte) error {
	err := m.SetWriteDeadline(time.Now().Add(patience))
	if err != nil {
		return err
	}
	waitErr := m.conn.Write(func(fd uintptr) (done bool) {
		_, err = unix.Write(int(fd), p)
		return err != unix.EAGAIN
	})
	return m.failure("write", cmp.Or(waitErr, err))
}

// receive returns the next message, which is valid until the next call. It goes below [os.File.Read],
// which takes an empty message for the end of the file.
func (m *mailbox) receive() ([]byte, error) {
	err := m.SetReadDeadline(time.Now().Add(patience))
	if err != nil {
		return nil, err
	}
	n := 0
	waitErr := m.conn.Read(func(fd uintptr) (done bool) {
		n, err = unix.Read(int(fd), m.buf[:])
		return err != unix.EAGAIN
	})
	if err := m.failure("read", cmp.Or(waitErr, err)); err != nil {
		return nil, err
	}
	return m.buf[:n], nil
}

func (m *mailbox) failure(op string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: m.Name(), Err: err}
}

// ask sends p and returns the answer.
func (m *mailbox) ask(p []byte) ([]byte, error) {
	if err := m.send(p); err != nil {
		return nil, err
	}
	return m.receive()
}

// expect receives a message that must be want.
func (m *mailbox) expect(want []byte) error {
	got, err := m.receive()
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: got %s, want %s", m.Name(), brief(got), brief(want))
	}
	return nil
}

// brief is a message as an error shows it.
func brief(p []byte) string {
	const most = 40
	if len(p) > most {
		return fmt.Sprintf("%q… (%d bytes)", p[:most], len(p))
	}
	return strconv.Quote(string(p))
}

const debugDir = "/sys/kernel/debug/hfvmm/"

// stats are the counters of a VM, or of all.
type stats map[string]int64

func vmStats(vm int) (stats, error) { return readStats(debugDir + "hf" + strconv.Itoa(vm) + "/stats") }
func allStats() (stats, error)      { return readStats(debugDir + "stats") }

func readStats(path string) (stats, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := stats{}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if s[name], err = strconv.ParseInt(value, 10, 64); err != nil {
			return nil, fmt.Errorf("%s: line %q: %w", path, line, err)
		}
	}
	return s, nil
}

// inject raises an interrupt of a vCPU through the driver.
func inject(vm, vcpu, intid int) error {
	path := debugDir + "hf" + strconv.Itoa(vm) + "/inject"
	return os.WriteFile(path, fmt.Appendf(nil, "%d %d", vcpu, intid), 0)
}
