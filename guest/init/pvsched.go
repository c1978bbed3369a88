//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hfvmm/hfvmm/guest/mailbox"
)

// The module that shows the PV_SCHED flag of each vCPU, and where.
const (
	pvSchedModule = "pvsched"
	pvSchedFile   = "/pvsched.ko"
	pvSchedFlags  = "/sys/kernel/debug/pvsched/preempted"
)

// pvSched watches from CPU 0 how CPU 1 is flagged while a secondary has its pCPU, and not any more when a
// process runs there. Then it takes CPU 1 away and brings it back, and watches again.
func pvSched(vms []int) (string, error) {
	if err := loadModule(pvSchedFile, ""); err != nil {
		return "", err
	}
	m, err := mailbox.Open(vms[0])
	if err != nil {
		return "", err
	}
	defer m.Close()
	var lent int
	watch := func() error {
		n, err := watchLentCPU(m, vms[0])
		lent += n
		return err
	}
	if err := onCPU0(watch); err != nil {
		return "", err
	}
	for _, on := range []bool{false, true} {
		if err := setOnline(1, on); err != nil {
			return "", err
		}
		flags, err := preempted()
		if err != nil {
			return "", err
		}
		if _, there := flags[1]; there != on {
			return "", fmt.Errorf("CPU 1 online %t: flags %v", on, flags)
		}
	}
	if err := onCPU0(watch); err != nil {
		return "", fmt.Errorf("after CPU 1 went and came: %w", err)
	}
	if err := unix.DeleteModule(pvSchedModule, 0); err != nil {
		return "", err
	}
	return fmt.Sprintf("CPU 1 was seen lent %d times, and back each time", lent), nil
}

// watchLentCPU lets the VM spin on CPU 1 for some time. It counts how often the flag became 1; the last one was
// followed by a 0.
func watchLentCPU(m *mailbox.Mailbox, vm int) (lent int, err error) {
	const spins = 300 * time.Millisecond
	thread, err := vcpuThread(vm, 0)
	if err != nil {
		return 0, err
	}
	if err := pinTo(thread, 1); err != nil {
		return 0, fmt.Errorf("thread of vCPU 0: %w", err)
	}
	for deadline := time.Now().Add(mailbox.Patience); ; {
		if err := m.Send([]byte(strconv.FormatInt(spins.Microseconds(), 10))); err != nil {
			return 0, err
		}
		n, err := changes(time.Now().Add(spins))
		if err != nil {
			return 0, err
		}
		lent += n
		if _, err := m.Receive(); err != nil {
			return 0, err
		}
		if lent > 0 {
			break
		}
		if time.Now().After(deadline) {
			return 0, errors.New("CPU 1 was never flagged, though its pCPU was lent")
		}
	}
	stop, err := occupy(1)
	if err != nil {
		return 0, err
	}
	defer stop()
	for deadline := time.Now().Add(mailbox.Patience); ; {
		flags, err := preempted()
		if err != nil {
			return 0, err
		}
		if flags[0] != 0 {
			return 0, errors.New("CPU 0 reads that it does not run")
		}
		if flags[1] == 0 {
			return lent, nil
		}
		if time.Now().After(deadline) {
			return 0, errors.New("CPU 1 stays flagged, though a process runs on it")
		}
	}
}

// changes counts how often CPU 1 goes from running to preempted.
func changes(until time.Time) (n int, err error) {
	was := 0
	for time.Now().Before(until) {
		flags, err := preempted()
		if err != nil {
			return n, err
		}
		if flags[0] != 0 {
			return n, errors.New("CPU 0 reads that it does not run")
		}
		if is := flags[1]; is != was {
			n += is
			was = is
		}
	}
	return n, nil
}

// preempted reads the flag of each online CPU.
func preempted() (map[int]int, error) {
	b, err := os.ReadFile(pvSchedFlags)
	if err != nil {
		return nil, err
	}
	flags := map[int]int{}
	for line := range strings.Lines(string(b)) {
		var cpu, flag int
		if _, err := fmt.Sscanf(line, "cpu%d %d\n", &cpu, &flag); err != nil {
			return nil, fmt.Errorf("%s: line %q: %w", pvSchedFlags, line, err)
		}
		flags[cpu] = flag
	}
	return flags, nil
}

// vcpuThread finds the driver's thread of a vCPU.
func vcpuThread(vm, vcpu int) (thread int, err error) {
	name := fmt.Sprintf("hf%d/%d", vm, vcpu)
	threads, err := threadsNamed(name)
	if err == nil && len(threads) == 0 {
		err = fmt.Errorf("there is no thread %q", name)
	}
	if err != nil {
		return 0, err
	}
	return threads[0], nil
}

// occupy lets a process run on a CPU until it is stopped.
func occupy(cpu int) (stop func(), err error) {
	var quit atomic.Bool
	started := make(chan error)
	go func() {
		started <- lockedTo(cpu)
		for !quit.Load() {
		}
	}()
	stop = func() { quit.Store(true) }
	if err := <-started; err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}
