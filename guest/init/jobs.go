//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// job is something to do with so many VMs.
type job struct {
	vms int
	do  func(vms []int) (detail string, err error)
}

// jobs names every job and the services that its VMs must run.
var jobs = map[string]job{
	"demo":    {1, demo},      // echo
	"echo":    {1, echo},      // echo
	"errors":  {1, badCalls},  // echo
	"poll":    {1, poll},      // echo
	"hotplug": {1, hotplug},   // echo
	"inject":  {1, injection}, // waiter
	"busy":    {1, busy},      // busy
	"timer":   {1, timer},     // timer
	"two":     {1, two},       // two, with 2 vCPUs
	"fault":   {3, fault},     // fault, fault, fault
	"relay":   {2, relay},     // relay, relay
	"flood":   {2, flood},     // flood, sink
	"unload":  {0, unload},    // whatever there is; no job can follow
}

// pattern fills n bytes so that no two messages of a job are alike.
func pattern(n, seed int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(seed + i*7)
	}
	return p
}

// echo checks that messages of all kinds of sizes come back as they were.
func echo(vms []int) (string, error) {
	m, err := openMailbox(vms[0])
	if err != nil {
		return "", err
	}
	defer m.Close()
	n := 0
	for round := range 20 {
		for _, size := range []int{0, 1, 7, 64, 1000, 4095, 4096} {
			p := pattern(size, round)
			if err := m.send(p); err != nil {
				return "", err
			}
			if err := m.expect(p); err != nil {
				return "", err
			}
			n++
		}
	}
	return fmt.Sprintf("%d messages", n), nil
}

// badCalls checks the error for each thing that a user may do wrong.
func badCalls(vms []int) (string, error) {
	if _, err := openMailbox(99); !errors.Is(err, unix.ENOENT) {
		return "", fmt.Errorf("open of an absent VM: %v, want %v", err, unix.ENOENT)
	}
	m, err := openMailbox(vms[0])
	if err != nil {
		return "", err
	}
	defer m.Close()
	if err := m.send(make([]byte, 4097)); !errors.Is(err, unix.EMSGSIZE) {
		return "", fmt.Errorf("write of 4097 bytes: %v, want %v", err, unix.EMSGSIZE)
	}

	fd, err := unix.Open(devicePath(vms[0]), unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var buf [8]byte
	if _, err := unix.Read(fd, buf[:]); err != unix.EAGAIN {
		return "", fmt.Errorf("read without a message: %v, want %v", err, unix.EAGAIN)
	}
	if err := m.send(pattern(9, 0)); err != nil {
		return "", err
	}
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, int(patience.Milliseconds())); n != 1 || fds[0].Revents&unix.POLLIN == 0 {
		return "", fmt.Errorf("poll: %d, %v, events %#x", n, err, fds[0].Revents)
	}
	if _, err := unix.Read(fd, buf[:]); err != unix.EMSGSIZE {
		return "", fmt.Errorf("read of 9 bytes into 8: %v, want %v", err, unix.EMSGSIZE)
	}
	if err := m.expect(pattern(9, 0)); err != nil {
		return "", fmt.Errorf("after EMSGSIZE: %w", err)
	}
	for _, bad := range [][2]int{{0, 64}, {600, 1}} {
		if err := inject(vms[0], bad[0], bad[1]); !errors.Is(err, unix.EINVAL) {
			return "", fmt.Errorf("inject %v: %v, want %v", bad, err, unix.EINVAL)
		}
	}
	return "every error is the right one", nil
}

// poll sends as fast as the mailbox takes it while it reads: back-pressure loses nothing.
func poll(vms []int) (string, error) {
	const count = 500
	m, err := openMailbox(vms[0])
	if err != nil {
		return "", err
	}
	defer m.Close()
	before, err := vmStats(vms[0])
	if err != nil {
		return "", err
	}
	sent := make(chan error, 1)
	go func() {
		for i := range count {
			if err := m.send(pattern(64, i)); err != nil {
				sent <- fmt.Errorf("message %d: %w", i, err)
				return
			}
		}
		sent <- nil
	}()
	for i := range count {
		if err := m.expect(pattern(64, i)); err != nil {
			return "", fmt.Errorf("message %d: %w", i, err)
		}
	}
	if err := <-sent; err != nil {
		return "", err
	}
	after, err := vmStats(vms[0])
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d messages, mailbox found full %d times", count, after["send_busy"]-before["send_busy"]), nil
}

// hotplug takes CPU 1 away and brings it back while messages flow.
func hotplug(vms []int) (string, error) {
	const online = "/sys/devices/system/cpu/cpu1/online"
	if runtime.NumCPU() < 2 {
		return "", errors.New("the primary has only one CPU")
	}
	for range 3 {
		for _, state := range []string{"0", "1"} {
			if err := os.WriteFile(online, []byte(state), 0); err != nil {
				return "", err
			}
			if _, err := echo(vms); err != nil {
				return "", fmt.Errorf("with CPU 1 at %s: %w", state, err)
			}
		}
	}
	return "CPU 1 went and came 3 times", nil
}

// injection wakes a service by an interrupt that it takes and drops.
func injection(vms []int) (string, error) {
	const intid, count = 8, 50
	before, err := vmStats(vms[0])
	if err != nil {
		return "", err
	}
	for range count {
		waits := func() (int64, error) {
			s, err := vmStats(vms[0])
			return s["run_msg_wait"], err
		}
		was, err := waits()
		if err != nil {
			return "", err
		}
		if err := inject(vms[0], 0, intid); err != nil {
			return "", err
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			is, err := waits()
			if err != nil {
				return "", err
			}
			if is > was {
				break
			}
			if time.Now().After(deadline) {
				return "", errors.New("the interrupt did not wake the VM")
			}
		}
	}
	after, err := vmStats(vms[0])
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d interrupts woke it", after["interrupts_injected"]-before["interrupts_injected"]), nil
}

// busy checks that a secondary that never lets go takes neither the timer tick nor the console away.
func busy(vms []int) (string, error) {
	const naps, nap = 20, 50 * time.Millisecond
	before, err := vmStats(vms[0])
	if err != nil {
		return "", err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return "", err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &all) }()

	var latest time.Duration
	for cpu := range runtime.NumCPU() {
		var one unix.CPUSet
		one.Set(cpu)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			return "", err
		}
		fmt.Printf("busy: sleeping on CPU %d, and this line came out\n", cpu)
		for range naps {
			late, err := sleepOnThisCPU(nap)
			if err != nil {
				return "", err
			}
			latest = max(latest, late)
		}
	}
	after, err := vmStats(vms[0])
	if err != nil {
		return "", err
	}
	interrupts := after["run_interrupt"] - before["run_interrupt"]
	if interrupts == 0 {
		return "", errors.New("the service was never preempted")
	}
	if latest > patience {
		return "", fmt.Errorf("a sleep of %v took %v longer", nap, latest)
	}
	return fmt.Sprintf("preempted %d times, a sleep of %v was late by %v at most", interrupts, nap, latest.Round(time.Millisecond)), nil
}

// sleepOnThisCPU sleeps with a timer of the CPU that the thread is pinned to, and checks that the
// clock that only ticks advance went on too.
func sleepOnThisCPU(d time.Duration) (late time.Duration, err error) {
	coarse := func() time.Duration {
		var ts unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC_COARSE, &ts)
		return time.Duration(ts.Nano())
	}
	start, ticks := time.Now(), coarse()
	ts := unix.NsecToTimespec(d.Nanoseconds())
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, &ts)
	}
	if err != nil {
		return 0, err
	}
	if coarse() == ticks {
		return 0, fmt.Errorf("no timer tick in %v", d)
	}
	return time.Since(start) - d, nil
}

// timer lets a service be woken by its own timer, which only the driver's time-outs can do.
func timer(vms []int) (string, error) {
	m, err := openMailbox(vms[0])
	if err != nil {
		return "", err
	}
	defer m.Close()
	const period, ticks = 10 * time.Millisecond, 20
	took, err := awaitTicks(m, period, ticks)
	if err != nil {
		return "", err
	}
	// Short periods may end before anybody notices that the service sleeps; long ones do not.
	if _, err := awaitTicks(m, 500*time.Millisecond, 3); err != nil {
		return "", err
	}
	s, err := vmStats(vms[0])
	if err != nil {
		return "", err
	}
	if s["run_wait_for_interrupt"] == 0 {
		return "", errors.New("the service never waited for an interrupt")
	}
	return fmt.Sprintf("%d ticks of %v in %v", ticks, period, took.Round(time.Millisecond)), nil
}

// awaitTicks asks the service for ticks and checks that none comes early.
func awaitTicks(m *mailbox, period time.Duration, ticks int) (took time.Duration, err error) {
	start := time.Now()
	if err := m.send(fmt.Appendf(nil, "%d %d", period.Microseconds(), ticks)); err != nil {
		return 0, err
	}
	for i := 1; i <= ticks; i++ {
		p, err := m.receive()
		if err != nil {
			return 0, err
		}
		var n, us int
		if _, err := fmt.Sscanf(string(p), "tick %d after %d us", &n, &us); err != nil || n != i {
			return 0, fmt.Errorf("tick %d is %s", i, brief(p))
		}
		if early := time.Duration(i)*period - time.Since(start); early > 0 {
			return 0, fmt.Errorf("tick %d came %v early", i, early)
		}
	}
	return time.Since(start), nil
}

// two talks to a service whose second vCPU answers.
func two(vms []int) (string, error) {
	const count = 50
	m, err := openMailbox(vms[0])
	if err != nil {
		return "", err
	}
	defer m.Close()
	for i := range count {
		text := fmt.Sprintf("job %d", i)
		if err := m.send([]byte(text)); err != nil {
			return "", err
		}
		if err := m.expect([]byte("vcpu 1: " + text)); err != nil {
			return "", err
		}
	}
	s, err := vmStats(vms[0])
	if err != nil {
		return "", err
	}
	if s["run_wake_up"] == 0 {
		return "", errors.New("the service woke nobody")
	}
	return fmt.Sprintf("vCPU 1 answered %d times, %d wake-ups", count, s["run_wake_up"]), nil
}

// fault lets VMs die in each way and checks that the user is told.
func fault(vms []int) (string, error) {
	for i, how := range []string{"r", "w", "x"} {
		m, err := openMailbox(vms[i])
		if err != nil {
			return "", err
		}
		defer m.Close()
		if p, err := m.ask([]byte("alive?")); err != nil || !bytes.Equal(p, []byte("alive?")) {
			return "", fmt.Errorf("VM %d before its fault: %s, %v", vms[i], brief(p), err)
		}
		if p, err := m.ask([]byte(how)); !errors.Is(err, unix.EPIPE) {
			return "", fmt.Errorf("VM %d after '%s': %s, %v, want %v", vms[i], how, brief(p), err, unix.EPIPE)
		}
		if err := m.send([]byte("alive?")); !errors.Is(err, unix.EPIPE) {
			return "", fmt.Errorf("write to dead VM %d: %v, want %v", vms[i], err, unix.EPIPE)
		}
		s, err := vmStats(vms[i])
		if err != nil {
			return "", err
		}
		if s["dead"] != 1 || s["run_aborted"] == 0 {
			return "", fmt.Errorf("VM %d: statistics %v", vms[i], s)
		}
	}
	return fmt.Sprintf("%d VMs died, the primary did not", len(vms)), nil
}

// relay sends a message round through two secondaries.
func relay(vms []int) (string, error) {
	const count = 50
	first, err := openMailbox(vms[0])
	if err != nil {
		return "", err
	}
	defer first.Close()
	last, err := openMailbox(vms[1])
	if err != nil {
		return "", err
	}
	defer last.Close()
	for i := range count {
		text := fmt.Sprintf("round %d", i)
		if err := first.send(fmt.Appendf(nil, "%d %d %d 1 %s", vms[1], vms[0], vms[1], text)); err != nil {
			return "", err
		}
		if err := last.expect([]byte(text)); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d messages through 3 hops", count), nil
}

// flood lets one secondary overrun another, which takes waiters and writable notification.
func flood(vms []int) (string, error) {
	const count = 1000
	source, err := openMailbox(vms[0])
	if err != nil {
		return "", err
	}
	defer source.Close()
	sink, err := openMailbox(vms[1])
	if err != nil {
		return "", err
	}
	defer sink.Close()
	p, err := source.ask(fmt.Appendf(nil, "%d %d", vms[1], count))
	if err != nil {
		return "", err
	}
	var sent, full int
	if _, err := fmt.Sscanf(string(p), "sent %d busy %d", &sent, &full); err != nil {
		return "", fmt.Errorf("report of the sender: %s", brief(p))
	}
	if err := sink.expect(fmt.Appendf(nil, "received %d bad 0", count)); err != nil {
		return "", err
	}
	s, err := vmStats(vms[0])
	if err != nil {
		return "", err
	}
	if sent != count || full == 0 || s["writable_notifications"] == 0 {
		return "", fmt.Errorf("%s, %d notifications", strings.TrimSpace(string(p)), s["writable_notifications"])
	}
	return fmt.Sprintf("%d messages, mailbox full %d times, %d notifications", sent, full, s["writable_notifications"]), nil
}

// unload removes the driver under whatever its VMs do. The buffers stay registered, so it cannot come back.
func unload([]int) (string, error) {
	if err := unix.DeleteModule(driverName, 0); err != nil {
		return "", fmt.Errorf("unload: %w", err)
	}
	if err := loadDriver(); !errors.Is(err, unix.EBUSY) {
		return "", fmt.Errorf("second load: %v, want %v", err, unix.EBUSY)
	}
	return "gone, and its buffers are still registered", nil
}
