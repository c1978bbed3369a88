//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
	for _, l := range lines {
		if l.ffa() && l.level <= warning {
			return "", fmt.Errorf("the kernel complains: %s", l.text)
		}
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

var ffaLine = regexp.MustCompile(`^(ARM FF-A|arm[-_]ffa)`)

// ffa says whether the line comes from the driver or the bus of FF-A.
func (m message) ffa() bool { return ffaLine.MatchString(m.text) }

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

// ffaTest lets our test driver work with every partition that serves it: count direct requests of each kind, a tenth of
// that of notifications both ways, and memory in many small ranges, which takes many fragments, and in few large ones.
func ffaTest(_ []int, count int) (string, error) {
	return testServers(fmt.Sprintf("direct %d", count), fmt.Sprintf("direct2 %d", count),
		fmt.Sprintf("notified %d", max(count/10, 1)), fmt.Sprintf("notify %d", max(count/10, 1)),
		"share 1 1", "share 700 1", "lend 300 1", "share 16 64", "lend 16 64")
}

const (
	ffaSchedFile   = "/ffa_sched.ko"
	ffaSchedFolder = "/sys/kernel/debug/ffa_sched"
)

// ffaSchedule runs a VM that lives by itself until it ends.
func ffaSchedule(vms []int) (string, error) {
	if err := loadKernelModules("ffa-core", "ffa-module"); err != nil {
		return "", err
	}
	if err := loadModule(ffaSchedFile, fmt.Sprint("vms=", vms[0])); err != nil {
		return "", err
	}
	b, err := os.ReadFile(filepath.Join(ffaSchedFolder, fmt.Sprint(vms[0]))) // waits
	if err != nil {
		return "", err
	}
	return strings.Join(strings.Fields(string(b)), " "), unix.DeleteModule("ffa_sched", 0)
}

// testServers makes tests, each a file and what is written to it, with each partition.
func testServers(tests ...string) (string, error) {
	if err := loadKernelModules("ffa-core", "ffa-module"); err != nil {
		return "", err
	}
	if err := loadModule(ffaTestFile, ""); err != nil && !errors.Is(err, unix.EEXIST) {
		return "", err
	}
	servers, err := os.ReadDir(ffaTestFolder)
	if err != nil {
		return "", err
	}
	if len(servers) == 0 {
		return "", errors.New("no partition serves the test driver")
	}
	for _, s := range servers {
		for _, t := range tests {
			file, text, _ := strings.Cut(t, " ")
			start := time.Now()
			if err := os.WriteFile(filepath.Join(ffaTestFolder, s.Name(), file), []byte(text), 0); err != nil {
				return "", fmt.Errorf("partition %s, %s: %w", s.Name(), t, err)
			}
			fmt.Printf("  partition %s: %s in %v\n", s.Name(), t, time.Since(start).Round(time.Millisecond))
		}
	}
	return fmt.Sprintf("%d partitions, %s", len(servers), strings.Join(tests, ", ")), nil
}
