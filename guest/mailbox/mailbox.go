//go:build linux

// Package mailbox is how programs of a Linux primary talk to secondaries: by the driver's /dev/hfN, and by its
// files in debugfs. N is the id that the VM has in the interface of the machine.
package mailbox

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is how long to wait for one message. It is wide because everything may run emulated.
const Patience = 60 * time.Second

// A Mailbox is an open /dev/hfN. Reads and writes wait in the runtime's poller, so they exercise
// O_NONBLOCK and poll of the driver as well. One goroutine may send while another receives.
type Mailbox struct {
	*os.File
	conn syscall.RawConn
	buf  [4096]byte
}

const devices = "/dev/hf"

// Path is the device of a VM.
func Path(vm int) string { return devices + strconv.Itoa(vm) }

// VMs are the ids of the secondaries, in ascending order.
func VMs() ([]int, error) {
	paths, err := filepath.Glob(devices + "[0-9]*")
	if err != nil {
		return nil, err
	}
	var vms []int
	for _, p := range paths {
		vm, err := strconv.Atoi(strings.TrimPrefix(p, devices))
		if err != nil {
			return nil, fmt.Errorf("%s is not the device of a VM", p)
		}
		vms = append(vms, vm)
	}
	slices.Sort(vms)
	return vms, nil
}

// Primary is the id of the VM that this program runs in: ids are consecutive, and it has the first one.
func Primary() (int, error) {
	vms, err := VMs()
	if err != nil {
		return 0, err
	}
	if len(vms) == 0 {
		return 0, errors.New("there is no " + devices + "N: the driver hfvmm is not loaded, or there are no secondaries")
	}
	return vms[0] - 1, nil
}

// Open opens the mailbox of a VM.
func Open(vm int) (*Mailbox, error) {
	f, err := os.OpenFile(Path(vm), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &Mailbox{File: f, conn: conn}, nil
}

// Send sends a message of up to 4096 bytes, and waits while the mailbox is full. It goes below
// [os.File.Write], which gives up an empty message then.
func (m *Mailbox) Send(p []byte) error {
	err := m.SetWriteDeadline(time.Now().Add(Patience))
	if err != nil {
		return err
	}
	waitErr := m.conn.Write(func(fd uintptr) (done bool) {
		_, err = unix.Write(int(fd), p)
		return err != unix.EAGAIN
	})
	return m.failure("write", cmp.Or(waitErr, err))
}

// Receive returns the next message, which is valid until the next call. It goes below [os.File.Read],
// which takes an empty message for the end of the file.
func (m *Mailbox) Receive() ([]byte, error) {
	err := m.SetReadDeadline(time.Now().Add(Patience))
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

func (m *Mailbox) failure(op string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: m.Name(), Err: err}
}

// Ask sends p and returns the answer.
func (m *Mailbox) Ask(p []byte) ([]byte, error) {
	if err := m.Send(p); err != nil {
		return nil, err
	}
	return m.Receive()
}

// Expect receives a message that must be want.
func (m *Mailbox) Expect(want []byte) error {
	got, err := m.Receive()
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: got %s, want %s", m.Name(), Brief(got), Brief(want))
	}
	return nil
}

// Brief is a message as an error shows it.
func Brief(p []byte) string {
	const most = 40
	if len(p) > most {
		return fmt.Sprintf("%q… (%d bytes)", p[:most], len(p))
	}
	return strconv.Quote(string(p))
}

const debugDir = "/sys/kernel/debug/hfvmm/"

// Stats are the driver's counters of a VM, or of all.
type Stats map[string]int64

// VMStats reads the counters of a VM.
func VMStats(vm int) (Stats, error) { return ReadStats(debugDir + "hf" + strconv.Itoa(vm) + "/stats") }

// AllStats reads the sums over all VMs.
func AllStats() (Stats, error) { return ReadStats(debugDir + "stats") }

// ReadStats reads a file of lines "name number".
func ReadStats(path string) (Stats, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := Stats{}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if s[name], err = strconv.ParseInt(value, 10, 64); err != nil {
			return nil, fmt.Errorf("%s: line %q: %w", path, line, err)
		}
	}
	return s, nil
}

// Inject raises an interrupt of a vCPU through the driver.
func Inject(vm, vcpu, intid int) error {
	path := debugDir + "hf" + strconv.Itoa(vm) + "/inject"
	return os.WriteFile(path, fmt.Appendf(nil, "%d %d", vcpu, intid), 0)
}

// Pattern is a message of n bytes that differs from those of other seeds.
func Pattern(n, seed int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(seed + i*7)
	}
	return p
}
