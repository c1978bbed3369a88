//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hfvmm/hfvmm/guest/mailbox"
)

// The module that tries SDEI from inside of the kernel, and its files.
const (
	sdeiModule = "sdei_test"
	sdeiFile   = "/sdei_test.ko"
	sdeiDir    = "/sys/kernel/debug/sdei_test/"
)

// withSDEI runs f while the module has event 0.
func withSDEI(f func() error) (err error) {
	if err := loadModule(sdeiFile, ""); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.DeleteModule(sdeiModule, 0)) }()
	return f()
}

// sdeiTest makes the module do a test.
func sdeiTest(name string, args ...int) error {
	text := strings.Trim(fmt.Sprint(args), "[]")
	if err := os.WriteFile(sdeiDir+name, []byte(text), 0); err != nil {
		return fmt.Errorf("SDEI test %s %s: %w", name, text, err)
	}
	return nil
}

// sdeiSignals signals the own CPU and another one, count times in all, and compares what was handled.
func sdeiSignals(_ []int, count int) (string, error) {
	if err := printLogged(`^sdei: SDEIv1\.1 \(0x[0-9a-f]+\) detected in firmware\.`); err != nil {
		return "", err
	}
	var s mailbox.Stats
	start := time.Now()
	err := withSDEI(func() error {
		part := max(count/5, 1)
		stop, err := occupy(1)
		if err != nil {
			return err
		}
		err = onCPU0(func() error { return sdeiTest("running", 1, part) })
		stop()
		if err := errors.Join(
			err,
			sdeiTest("masked", part),
			sdeiTest("unmasked", part),
			onCPU0(func() error { return sdeiTest("sibling", 1, part) }),
			onCPU0(func() error { return sdeiTest("flood", 1, part) }),
		); err != nil {
			return err
		}
		s, err = mailbox.ReadStats(sdeiDir + "stats")
		return err
	})
	if err != nil {
		return "", err
	}
	took := time.Since(start)
	if err := printLogged(`^sdei_test: CPU `); err != nil {
		return "", err
	}
	if s["handled"]+s["coalesced"] != s["signals"] || s["completed"] == 0 || s["resumed"] == 0 || s["in_user"] == 0 {
		return "", fmt.Errorf("%v: every signal is handled or coalesces, both ways to complete are used, and processes interrupted", s)
	}
	return fmt.Sprintf("%d signals, %d coalesced; %d handlers ended by COMPLETE, %d by COMPLETE_AND_RESUME, %d of them struck a process; %v each",
		s["signals"], s["coalesced"], s["completed"], s["resumed"], s["in_user"], (took / time.Duration(s["signals"])).Round(time.Microsecond)), nil
}

// sdeiHotplug takes CPU 1 away and brings it back. The kernel registers its events anew there.
func sdeiHotplug(_ []int, count int) (string, error) {
	err := withSDEI(func() error {
		for n := range count {
			if err := setOnline(1, false); err != nil {
				return err
			}
			if err := sdeiTest("masked", 1); err != nil {
				return fmt.Errorf("round %d, CPU 1 is off: %w", n, err)
			}
			if err := sdeiTest("sibling", 1, 1); !errors.Is(err, unix.ENODEV) {
				return fmt.Errorf("round %d, CPU 1 is off: %v, want %v", n, err, unix.ENODEV)
			}
			if err := setOnline(1, true); err != nil {
				return err
			}
			if err := onCPU0(func() error { return sdeiTest("sibling", 1, 3) }); err != nil {
				return fmt.Errorf("round %d, CPU 1 is back: %w", n, err)
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("CPU 1 went and came %d times, and took events each time", count), complaints()
}

// sdeiFreeze suspends to idle until the RTC's alarm. The kernel masks SDEI on all CPUs meanwhile.
func sdeiFreeze([]int) (string, error) {
	const alarm = "/sys/class/rtc/rtc0/wakealarm"
	const nap = 2 // seconds; the alarm of the PL031 has no fractions
	var slept time.Duration
	err := withSDEI(func() error {
		if err := os.WriteFile(alarm, []byte("+"+strconv.Itoa(nap)), 0); err != nil {
			return err
		}
		start := time.Now()
		if err := os.WriteFile("/sys/power/state", []byte("freeze"), 0); err != nil {
			return err
		}
		slept = time.Since(start)
		return errors.Join(sdeiTest("masked", 3), onCPU0(func() error { return sdeiTest("sibling", 1, 3) }))
	})
	if err != nil {
		return "", err
	}
	if err := printLogged("^PM: suspend exit"); err != nil {
		return "", err
	}
	return fmt.Sprintf("suspended to idle, woken by the RTC, back after %v", slept.Round(time.Millisecond)), complaints()
}

// sdeiNMI lets a kernel that uses event 0 itself look into a CPU that takes no interrupts.
func sdeiNMI([]int) (string, error) {
	found, err := logged("^sdei_nmi: using SDEI cross-CPU NMI")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", skip("Linux " + kernelRelease() + " has no CONFIG_ARM_SDEI_NMI (Linux 7.3), so its backtraces do not use SDEI")
	}
	if err := loadModule(sdeiFile, "spin_only=1"); err != nil {
		return "", err
	}
	const ms = 2000
	err = onCPU0(func() error {
		if err := sdeiTest("spin", 1, ms); err != nil {
			return err
		}
		return os.WriteFile("/proc/sysrq-trigger", []byte("l"), 0)
	})
	if err := errors.Join(err, unix.DeleteModule(sdeiModule, 0)); err != nil {
		return "", err
	}
	// The backtrace of a CPU names where it was struck as "pc : FUNCTION+…".
	if err := printLogged(`^pc : spin\+`); err != nil {
		return "", err
	}
	return "the backtrace of all CPUs shows the one that spins with interrupts masked", nil
}

// onCPU0 runs f on CPU 0.
func onCPU0(f func() error) error {
	result := make(chan error)
	go func() {
		err := lockedTo(0)
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

// lockedTo locks the calling goroutine to a thread that runs on one CPU. Both end together.
func lockedTo(cpu int) error {
	runtime.LockOSThread()
	return pinTo(0, cpu)
}

// logged are the lines of the kernel's log that match.
func logged(pattern string) ([]string, error) {
	log, err := kernelLog()
	if err != nil {
		return nil, err
	}
	want := regexp.MustCompile(pattern)
	var found []string
	for _, m := range log {
		if want.MatchString(m.text) {
			found = append(found, m.text)
		}
	}
	return found, nil
}

// printLogged prints what the kernel logged that matches. It is an error if nothing does.
func printLogged(pattern string) error {
	found, err := logged(pattern)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("the kernel logged nothing like %q", pattern)
	}
	for _, line := range found {
		fmt.Println(line)
	}
	return nil
}

// complaints is an error if SDEI failed somewhere in the kernel, or if anything at all warned.
func complaints() error {
	found, err := logged(`^sdei: .*([Ff]ailed|disabling)|^WARNING: |^rcu: INFO: |soft lockup`)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("the kernel logged %q", found)
	}
	return err
}
