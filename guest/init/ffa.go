//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ffaDevices is where the kernel's own bus for FF-A shows the partitions, a folder for each UUID of one.
const ffaDevices = "/sys/bus/arm_ffa/devices"

// loadKernelModules loads modules that came with the kernel.
func loadKernelModules(names ...string) error {
	for _, n := range names {
		if err := loadModule("/modules/"+n+".ko.xz", ""); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	return nil
}

// ffaProbe loads the kernel's own FF-A driver, which finds the partitions.
func ffaProbe([]int) (string, error) {
	loaded := loadKernelModules("ffa-core", "ffa-module")
	lines, err := kernelLog()
	if err != nil {
		return "", err
	}
	for _, l := range lines {
		if l.ffa() {
			fmt.Println(" ", l.text)
		}
	}
	if loaded != nil {
		return "", loaded
	}
	if err := ffaComplaints(lines); err != nil {
		return "", err
	}
	partitions, err := ffaPartitions()
	if err != nil {
		return "", err
	}
	if len(partitions) == 0 {
		return "", errors.New("the driver found no partition")
	}
	for _, p := range partitions {
		fmt.Printf("  %s: partition %s, UUID %s\n", p.device, p.id, p.uuid)
	}
	return fmt.Sprintf("%d partitions", len(partitions)), nil
}

// ffaPartition is what the bus shows of a partition.
type ffaPartition struct{ device, id, uuid string }

func ffaPartitions() ([]ffaPartition, error) {
	devices, err := filepath.Glob(ffaDevices + "/*")
	if err != nil {
		return nil, err
	}
	var all []ffaPartition
	for _, d := range devices {
		p := ffaPartition{device: filepath.Base(d)}
		for name, value := range map[string]*string{"partition_id": &p.id, "uuid": &p.uuid} {
			b, err := os.ReadFile(filepath.Join(d, name))
			if err != nil {
				return nil, err
			}
			*value = strings.TrimSpace(string(b))
		}
		all = append(all, p)
	}
	return all, nil
}

// warning is the level of messages that say that something is not as it should be (linux/kern_levels.h).
const warning = 4

// message is a line of the kernel's log.
type message struct {
	level int
	text  string
}

var ffaLine = regexp.MustCompile(`^(ARM FF-A|arm[-_]ffa|ffa_)`)

// ffa says whether the line comes from the driver or the bus of FF-A, or from a driver on that.
func (m message) ffa() bool { return ffaLine.MatchString(m.text) }

// A guest says so itself that trips over what it is told. That it got no CPU for long is no such thing: where everything
// is emulated, it may not.
var distressLine = regexp.MustCompile(`^(BUG|WARNING|Internal error|Unable to handle)`)

// The kernel says so of every module that is not its own.
var taintLine = regexp.MustCompile(`: (loading out-of-tree module taints kernel|module verification failed: .*)\.?$`)

// ffaComplaints is an error if something of FF-A is not as it should be, or if the guest is in distress.
func ffaComplaints(lines []message) error {
	for _, l := range lines {
		if l.ffa() && l.level <= warning && !taintLine.MatchString(l.text) || distressLine.MatchString(l.text) {
			return fmt.Errorf("the kernel complains: %s", l.text)
		}
	}
	return nil
}

// ffaLog looks for complaints in the kernel's log.
func ffaLog([]int) (string, error) {
	lines, err := kernelLog()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d lines without a complaint", len(lines)), ffaComplaints(lines)
}

var logLine = regexp.MustCompile(`^<(\d+)>\[ *[0-9.]+\] (.*)`)

// The actions of syslog(2).
const (
	syslogReadAll    = 3
	syslogSizeBuffer = 10
)

func kernelLog() ([]message, error) {
	size, err := unix.Klogctl(syslogSizeBuffer, nil)
	if err != nil {
		return nil, fmt.Errorf("size of the kernel's log: %w", err)
	}
	b := make([]byte, size)
	n, err := unix.Klogctl(syslogReadAll, b)
	if err != nil {
		return nil, fmt.Errorf("the kernel's log: %w", err)
	}
	var lines []message
	for l := range strings.Lines(string(b[:n])) {
		if m := logLine.FindStringSubmatch(strings.TrimRight(l, "\n")); m != nil {
			var level int
			fmt.Sscan(m[1], &level)
			lines = append(lines, message{level & 7, m[2]})
		}
	}
	return lines, nil
}

const (
	ffaTestFile   = "/ffa_test.ko"
	ffaTestFolder = "/sys/kernel/debug/ffa_test"
)

// ffaTest lets our test driver work with these partitions, or with every one that serves it: count direct requests, a
// tenth of that of the second generation and of notifications both ways, and memory in many small ranges, which takes
// many fragments, and in large ones, up to 64 MiB.
func ffaTest(vms []int, count int) (string, error) {
	tenth := max(count/10, 1)
	large := min(max(tenth, 16), 256)
	return testServers(vms, fmt.Sprint("direct ", count), fmt.Sprint("direct2 ", tenth),
		fmt.Sprint("notified ", tenth), fmt.Sprint("notify ", tenth),
		"share 1 1", "share 700 1", "lend 300 1", fmt.Sprint("share ", large, " 64"), "lend 16 64")
}

const (
	ffaSchedFile   = "/ffa_sched.ko"
	ffaSchedModule = "ffa_sched"
	ffaSchedFolder = "/sys/kernel/debug/ffa_sched"
)

// ffaStart runs VMs that live by themselves, from now on. Each vCPU of one is an entry of vms.
func ffaStart(vms []int) (string, error) {
	if err := loadKernelModules("ffa-core", "ffa-module"); err != nil {
		return "", err
	}
	var ids, vcpus []string
	sorted := slices.Sorted(slices.Values(vms))
	for len(sorted) > 0 {
		id := sorted[0]
		others := slices.IndexFunc(sorted, func(other int) bool { return other != id })
		if others < 0 {
			others = len(sorted)
		}
		ids, vcpus = append(ids, fmt.Sprint(id)), append(vcpus, fmt.Sprint(others))
		sorted = sorted[others:]
	}
	params := fmt.Sprintf("vms=%s vcpus=%s", strings.Join(ids, ","), strings.Join(vcpus, ","))
	return params, loadModule(ffaSchedFile, params)
}

// ffaNice makes the threads of VMs that were started give way to others that want a CPU, most of the time.
func ffaNice(vms []int) (string, error) {
	const niceness = 10 // a tenth of the share of others
	n := 0
	for _, id := range vms {
		threads, err := threadsNamed(fmt.Sprintf("vm%d/*", id))
		if err != nil {
			return "", err
		}
		for _, t := range threads {
			if err := unix.Setpriority(unix.PRIO_PROCESS, t, niceness); err != nil {
				return "", err
			}
			n++
		}
	}
	return fmt.Sprintf("%d threads", n), nil
}

// ffaStop waits until these VMs, which were started, have ended, and runs no VM any more.
func ffaStop(vms []int) (string, error) {
	for _, id := range vms {
		if _, err := ffaRuns(id, "ended"); err != nil { // waits
			return "", err
		}
	}
	all, err := os.ReadDir(ffaSchedFolder)
	if err != nil {
		return "", err
	}
	for _, vm := range all {
		id, err := strconv.Atoi(vm.Name())
		if err != nil {
			return "", err
		}
		runs, err := ffaRuns(id, "stats")
		if err != nil {
			return "", err
		}
		fmt.Printf("  VM %d: %s\n", id, runs)
	}
	return fmt.Sprintf("%d VMs ended, %d did not", len(vms), len(all)-len(vms)), unix.DeleteModule(ffaSchedModule, 0)
}

// ffaRuns says how a VM was run.
func ffaRuns(id int, file string) (string, error) {
	b, err := os.ReadFile(filepath.Join(ffaSchedFolder, fmt.Sprint(id), file))
	return strings.Join(strings.Fields(string(b)), " "), err
}

// ffaSchedule runs a VM that lives by itself until it ends.
func ffaSchedule(vms []int) (string, error) {
	if _, err := ffaStart(vms); err != nil {
		return "", err
	}
	return ffaStop(vms)
}

// testServers makes tests, each a file and what is written to it, with each partition, or with all that there are.
func testServers(partitions []int, tests ...string) (string, error) {
	if err := loadKernelModules("ffa-core", "ffa-module"); err != nil {
		return "", err
	}
	if err := loadModule(ffaTestFile, ""); err != nil && !errors.Is(err, unix.EEXIST) {
		return "", err
	}
	var servers []string
	for _, p := range partitions {
		servers = append(servers, fmt.Sprint(p))
	}
	if partitions == nil {
		all, err := os.ReadDir(ffaTestFolder)
		if err != nil {
			return "", err
		}
		for _, s := range all {
			servers = append(servers, s.Name())
		}
	}
	if len(servers) == 0 {
		return "", errors.New("no partition serves the test driver")
	}
	for _, s := range servers {
		for _, t := range tests {
			file, text, _ := strings.Cut(t, " ")
			start := time.Now()
			if err := os.WriteFile(filepath.Join(ffaTestFolder, s, file), []byte(text), 0); err != nil {
				return "", fmt.Errorf("partition %s, %s: %w", s, t, err)
			}
			fmt.Printf("  partition %s: %s in %v\n", s, t, time.Since(start).Round(time.Millisecond))
		}
	}
	return fmt.Sprintf("%d partitions, %s", len(servers), strings.Join(tests, ", ")), nil
}
