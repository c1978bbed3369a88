//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hfvmm/hfvmm/guest/mailbox"
)

// job is something to do with so many VMs.
type job struct {
	vms int // or some
	do  func(vms []int) (detail string, err error)

	// In place of do, of a job that can do more or less: how often, unless the command line says.
	doTimes func(vms []int, count int) (detail string, err error)
	count   int
}

// some is a number of VMs that the command line chooses, which may be none.
const some = -1

// jobs names every job and the services that its VMs must run.
var jobs = map[string]job{
	"demo":    {vms: 1, do: demo},                   // echo
	"echo":    {vms: 1, do: echo},                   // echo
	"errors":  {vms: 1, do: badCalls},               // echo
	"hotplug": {vms: 1, do: hotplug},                // echo
	"hf_test": {vms: 5, doTimes: hfTest, count: 50}, // echo, relay, relay, flood, sink
	"inject":  {vms: 1, do: injection},              // waiter
	"busy":    {vms: 1, do: busy},                   // busy
	"timer":   {vms: 1, do: timer},                  // timer
	"two":     {vms: 1, do: two},                    // two, with 2 vCPUs
	"fault":   {vms: 3, do: fault},                  // fault, fault, fault
	"silence": {vms: 2, do: silence},                // fault, echo, where nobody is told of an abort
	"nap":     {doTimes: nap, count: 1000},
	"cpus":    {doTimes: cpus, count: 1}, // so many CPUs
	"tee":     {do: teeClient},           // ffa_tee, with OP-TEE's UUID
	"unload":  {do: unload},              // whatever there is; no job can follow

	"ffa":       {do: ffaProbe},                            // whatever there is
	"ffa_log":   {do: ffaLog},                              // whatever there is
	"ffa_sched": {vms: 1, do: ffaSchedule},                 // a Linux guest
	"ffa_start": {vms: some, do: ffaStart},                 // those that live by themselves, once for each of its vCPUs
	"ffa_nice":  {vms: some, do: ffaNice},                  // those of them that give way
	"ffa_stop":  {vms: some, do: ffaStop},                  // those of them that end
	"ffa_test":  {vms: some, doTimes: ffaTest, count: 200}, // ffa_server; none for all that there are

	"pvsched":      {vms: 1, do: pvSched},               // spin
	"sdei":         {doTimes: sdeiSignals, count: 2000}, // signals
	"sdei_hotplug": {doTimes: sdeiHotplug, count: 3},    // CPU 1 goes and comes
	"sdei_freeze":  {do: sdeiFreeze},
	"sdei_nmi":     {do: sdeiNMI},
}

// nap does nothing for count ms, as guests do most of the time.
func nap(_ []int, count int) (string, error) {
	start := time.Now()
	time.Sleep(time.Duration(count) * time.Millisecond)
	return fmt.Sprint(time.Since(start).Round(time.Millisecond)), nil
}

// cpus checks that the machine has count CPUs, and that each of them can wake the next one.
func cpus(_ []int, count int) (string, error) {
	if n := runtime.NumCPU(); n != count {
		return "", fmt.Errorf("%d CPUs, want %d", n, count)
	}
	const rounds = 50
	turns := make([]chan int, count)
	for i := range turns {
		turns[i] = make(chan int, 1)
	}
	done := make(chan error, count)
	for cpu, turn := range turns {
		go func() {
			if err := lockedTo(cpu); err != nil {
				done <- err
				return
			}
			for n := range turn {
				if n == rounds*count {
					done <- nil
					return
				}
				turns[(cpu+1)%count] <- n + 1
			}
		}()
	}
	start := time.Now()
	turns[0] <- 0
	if err := <-done; err != nil {
		return "", err
	}
	for _, turn := range turns {
		close(turn)
	}
	return fmt.Sprintf("%d CPUs, a thread of one wakes one of the next in %v", count, (time.Since(start) / (rounds * time.Duration(count))).Round(time.Microsecond)), nil
}

// hfTest leaves the work, and the report of its rates, to the program hf_test.
func hfTest(vms []int, count int) (string, error) {
	tests := fmt.Sprintf("echo@%d bulk@%[1]d relay@%[2]d+%d flood@%d+%d", vms[0], vms[1], vms[2], vms[3], vms[4])
	if err := runHFTest(count, strings.Fields(tests)...); err != nil {
		return "", err
	}
	return "every test of " + tests, nil
}

// runHFTest runs the tests of hf_test.
func runHFTest(count int, tests ...string) error {
	c := exec.Command("/bin/hf_test", append([]string{"-n", strconv.Itoa(count)}, tests...)...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("hf_test: %w", err)
	}
	return nil
}

// echo checks that messages of all kinds of sizes come back as they were.
func echo(vms []int) (string, error) {
	m, err := mailbox.Open(vms[0])
	if err != nil {
		return "", err
	}
	defer m.Close()
	n := 0
	for round := range 20 {
		for _, size := range []int{0, 1, 7, 64, 1000, 4095, 4096} {
			p := mailbox.Pattern(size, round)
			if err := m.Send(p); err != nil {
				return "", err
			}
			if err := m.Expect(p); err != nil {
				return "", err
			}
			n++
		}
	}
	return fmt.Sprintf("%d messages", n), nil
}

// badCalls checks the error for each thing that a user may do wrong.
func badCalls(vms []int) (string, error) {
	if _, err := mailbox.Open(99); !errors.Is(err, unix.ENOENT) {
		return "", fmt.Errorf("open of an absent VM: %v, want %v", err, unix.ENOENT)
	}
	m, err := mailbox.Open(vms[0])
	if err != nil {
		return "", err
	}
	defer m.Close()
	if err := m.Send(make([]byte, 4097)); !errors.Is(err, unix.EMSGSIZE) {
		return "", fmt.Errorf("write of 4097 bytes: %v, want %v", err, unix.EMSGSIZE)
	}

	fd, err := unix.Open(mailbox.Path(vms[0]), unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var buf [8]byte
	if _, err := unix.Read(fd, buf[:]); err != unix.EAGAIN {
		return "", fmt.Errorf("read without a message: %v, want %v", err, unix.EAGAIN)
	}
	if err := m.Send(mailbox.Pattern(9, 0)); err != nil {
		return "", err
	}
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, int(mailbox.Patience.Milliseconds())); n != 1 || fds[0].Revents&unix.POLLIN == 0 {
		return "", fmt.Errorf("poll: %d, %v, events %#x", n, err, fds[0].Revents)
	}
	if _, err := unix.Read(fd, buf[:]); err != unix.EMSGSIZE {
		return "", fmt.Errorf("read of 9 bytes into 8: %v, want %v", err, unix.EMSGSIZE)
	}
	if err := m.Expect(mailbox.Pattern(9, 0)); err != nil {
		return "", fmt.Errorf("after EMSGSIZE: %w", err)
	}
	for _, bad := range [][2]int{{0, 64}, {600, 1}} {
		if err := mailbox.Inject(vms[0], bad[0], bad[1]); !errors.Is(err, unix.EINVAL) {
			return "", fmt.Errorf("inject %v: %v, want %v", bad, err, unix.EINVAL)
		}
	}
	return "every error is the right one", nil
}

// hotplug takes CPU 1 away and brings it back while messages flow.
func hotplug(vms []int) (string, error) {
	for range 3 {
		for _, on := range []bool{false, true} {
			if err := setOnline(1, on); err != nil {
				return "", err
			}
			if _, err := echo(vms); err != nil {
				return "", fmt.Errorf("with CPU 1 online %t: %w", on, err)
			}
		}
	}
	return "CPU 1 went and came 3 times", nil
}

// setOnline takes a CPU away or brings it back.
func setOnline(cpu int, on bool) error {
	state := "0"
	if on {
		state = "1"
	}
	return os.WriteFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/online", cpu), []byte(state), 0)
}

// injection wakes a service by an interrupt that it takes and drops.
func injection(vms []int) (string, error) {
	const intid, count = 8, 50
	before, err := mailbox.VMStats(vms[0])
	if err != nil {
		return "", err
	}
	for range count {
		waits := func() (int64, error) {
			s, err := mailbox.VMStats(vms[0])
			return s["run_msg_wait"] + s["run_wait_for_interrupt"], err
		}
		was, err := waits()
		if err != nil {
			return "", err
		}
		if err := mailbox.Inject(vms[0], 0, intid); err != nil {
			return "", err
		}
		for deadline := time.Now().Add(mailbox.Patience); ; time.Sleep(time.Millisecond) {
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
	after, err := mailbox.VMStats(vms[0])
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d interrupts woke it", after["interrupts_injected"]-before["interrupts_injected"]), nil
}

// busy checks that a secondary that never lets go takes neither the timer tick nor the console away.
func busy(vms []int) (string, error) {
	const naps, nap = 20, 50 * time.Millisecond
	before, err := mailbox.VMStats(vms[0])
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
		if err := pinTo(0, cpu); err != nil {
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
	after, err := mailbox.VMStats(vms[0])
	if err != nil {
		return "", err
	}
	interrupts := after["run_interrupt"] - before["run_interrupt"]
	if interrupts == 0 {
		return "", errors.New("the service was never preempted")
	}
	if latest > mailbox.Patience {
		return "", fmt.Errorf("a sleep of %v took %v longer", nap, latest)
	}
	return fmt.Sprintf("preempted %d times, a sleep of %v was late by %v at most", interrupts, nap, latest.Round(time.Millisecond)), nil
}

// pinTo lets a thread, or the calling one if it is 0, run on one CPU only.
func pinTo(thread, cpu int) error {
	var one unix.CPUSet
	one.Set(cpu)
	return unix.SchedSetaffinity(thread, &one)
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
	m, err := mailbox.Open(vms[0])
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
	s, err := mailbox.VMStats(vms[0])
	if err != nil {
		return "", err
	}
	if s["run_wait_for_interrupt"] == 0 {
		return "", errors.New("the service never waited for an interrupt")
	}
	return fmt.Sprintf("%d ticks of %v in %v", ticks, period, took.Round(time.Millisecond)), nil
}

// awaitTicks asks the service for ticks and checks that none comes early.
func awaitTicks(m *mailbox.Mailbox, period time.Duration, ticks int) (took time.Duration, err error) {
	start := time.Now()
	if err := m.Send(fmt.Appendf(nil, "%d %d", period.Microseconds(), ticks)); err != nil {
		return 0, err
	}
	for i := 1; i <= ticks; i++ {
		p, err := m.Receive()
		if err != nil {
			return 0, err
		}
		var n, us int
		if _, err := fmt.Sscanf(string(p), "tick %d after %d us", &n, &us); err != nil || n != i {
			return 0, fmt.Errorf("tick %d is %s", i, mailbox.Brief(p))
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
	m, err := mailbox.Open(vms[0])
	if err != nil {
		return "", err
	}
	defer m.Close()
	for i := range count {
		text := fmt.Sprintf("job %d", i)
		if err := m.Send([]byte(text)); err != nil {
			return "", err
		}
		if err := m.Expect([]byte("vcpu 1: " + text)); err != nil {
			return "", err
		}
	}
	s, err := mailbox.VMStats(vms[0])
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
		m, err := mailbox.Open(vms[i])
		if err != nil {
			return "", err
		}
		defer m.Close()
		if p, err := m.Ask([]byte("alive?")); err != nil || !bytes.Equal(p, []byte("alive?")) {
			return "", fmt.Errorf("VM %d before its fault: %s, %v", vms[i], mailbox.Brief(p), err)
		}
		if p, err := m.Ask([]byte(how)); !errors.Is(err, unix.EPIPE) {
			return "", fmt.Errorf("VM %d after '%s': %s, %v, want %v", vms[i], how, mailbox.Brief(p), err, unix.EPIPE)
		}
		if err := m.Send([]byte("alive?")); !errors.Is(err, unix.EPIPE) {
			return "", fmt.Errorf("write to dead VM %d: %v, want %v", vms[i], err, unix.EPIPE)
		}
		s, err := mailbox.VMStats(vms[i])
		if err != nil {
			return "", err
		}
		if s["dead"] != 1 || s["run_aborted"] == 0 {
			return "", fmt.Errorf("VM %d: statistics %v", vms[i], s)
		}
	}
	return fmt.Sprintf("%d VMs died, the primary did not", len(vms)), nil
}

// silence lets a VM die where the interface has no word for that: it takes one more message, and answers none.
// The others do not notice.
func silence(vms []int) (string, error) {
	m, err := mailbox.Open(vms[0])
	if err != nil {
		return "", err
	}
	defer m.Close()
	if p, err := m.Ask([]byte("alive?")); err != nil || !bytes.Equal(p, []byte("alive?")) {
		return "", fmt.Errorf("before the fault: %s, %v", mailbox.Brief(p), err)
	}
	for _, text := range []string{"r", "alive?"} {
		if err := m.Send([]byte(text)); err != nil {
			return "", err
		}
	}
	fd, err := unix.Open(mailbox.Path(vms[0]), unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte("alive?")); err != unix.EAGAIN {
		return "", fmt.Errorf("write to a VM that is dead: %v, want %v", err, unix.EAGAIN)
	}
	if _, err := echo(vms[1:]); err != nil {
		return "", fmt.Errorf("beside a VM that is dead: %w", err)
	}
	var buf [8]byte
	if _, err := unix.Read(fd, buf[:]); err != unix.EAGAIN {
		return "", fmt.Errorf("read from a VM that is dead: %v, want %v", err, unix.EAGAIN)
	}
	return "one VM died, and says nothing", nil
}

// unload removes the driver under whatever its VMs do. The buffers stay registered, so it cannot come back.
func unload([]int) (string, error) {
	if err := unix.DeleteModule(driverName, 0); err != nil {
		return "", fmt.Errorf("unload: %w", err)
	}
	if err := loadModule(driverFile, ""); !errors.Is(err, unix.EBUSY) {
		return "", fmt.Errorf("second load: %v, want %v", err, unix.EBUSY)
	}
	return "gone, and its buffers are still registered", nil
}
