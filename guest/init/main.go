//go:build linux

// Command init is PID 1 of the initramfs in which the primary VM shows and tests what hfvmm does. It
// loads the driver /hfvmm.ko, does the jobs that the kernel command line names, and powers off:
//
//	hftest=JOB@VM[+VM…][*COUNT],…  the jobs of [jobs], each with the ids of the VMs it needs, and how much
//	                               it is to do; without ids it takes the first VMs
//	hfdemo[=VM]                    the demonstration with the service echo
//	hfreboot                       reboots in the end
//
// Each job ends with one line "HFTEST name PASS|FAIL|SKIP detail"; the last line is "HFTEST all PASS" or
// "HFTEST all FAIL". It runs inside the guest, and so knows nothing of the project outside of guests.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hfvmm/hfvmm/guest/mailbox"
)

func main() {
	defer finish()
	if err := mountAll(); err != nil {
		report("mount", err, "")
		return
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		report("cmdline", err, "")
		return
	}
	order, err := parseCommandLine(string(line))
	if err != nil {
		report("cmdline", err, "")
		return
	}
	// An initramfs for FF-A alone has none.
	if err := loadModule(driverFile, ""); err != nil && !errors.Is(err, fs.ErrNotExist) {
		report("driver", err, "")
	} else {
		runAll(order.jobs)
	}
	if order.reboot {
		end = unix.LINUX_REBOOT_CMD_RESTART
	}
}

// end is what becomes of the machine.
var end = unix.LINUX_REBOOT_CMD_POWER_OFF

// runAll does the jobs in order and prints the verdict.
func runAll(jobs []jobOrder) {
	verdict := "PASS"
	for _, j := range jobs {
		detail, err := runJob(j)
		if err != nil && !errors.As(err, new(skip)) {
			verdict = "FAIL"
		}
		report(j.name, err, detail)
	}
	fmt.Println("HFTEST all", verdict)
}

// runJob turns a panic of the job into its error: PID 1 must not die.
func runJob(j jobOrder) (detail string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	job, vms := jobs[j.name], j.vms
	if vms == nil && job.vms > 0 {
		if vms, err = mailbox.VMs(); err != nil {
			return "", err
		}
		if len(vms) < job.vms {
			return "", fmt.Errorf("it needs %d secondaries, and there are %d", job.vms, len(vms))
		}
		vms = vms[:job.vms]
	}
	if job.doTimes != nil {
		return job.doTimes(vms, j.count)
	}
	return job.do(vms)
}

// A skip is the error of a job that cannot be done here, with the reason.
type skip string

func (s skip) Error() string { return string(s) }

func report(name string, err error, detail string) {
	var s skip
	switch {
	case errors.As(err, &s):
		fmt.Printf("HFTEST %s SKIP %v\n", name, s)
		return
	case err != nil:
		fmt.Printf("HFTEST %s FAIL %v\n", name, err)
		return
	}
	fmt.Printf("HFTEST %s PASS %s\n", name, detail)
}

func mountAll() error {
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"devtmpfs", "/dev"},
		{"debugfs", "/sys/kernel/debug"},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		// A kernel may have mounted devtmpfs itself.
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.at, err)
		}
	}
	return nil
}

// The driver of the secondaries.
const (
	driverFile = "/hfvmm.ko"
	driverName = "hfvmm"
)

// compressedFile makes the kernel unpack a module (linux/module.h, MODULE_INIT_COMPRESSED_FILE).
const compressedFile = 4

func loadModule(file, params string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := 0
	if strings.HasSuffix(file, ".xz") {
		flags = compressedFile
	}
	if err := unix.FinitModule(int(f.Fd()), params, flags); err != nil {
		return fmt.Errorf("load %s: %w", file, err)
	}
	return nil
}

// finish ends the machine when the console has printed everything, since the kernel would not wait.
func finish() {
	if p := recover(); p != nil {
		fmt.Println("HFTEST init FAIL panic:", p)
	}
	_ = unix.IoctlSetInt(int(os.Stdout.Fd()), unix.TCSBRK, 1)
	err := unix.Reboot(end)
	fmt.Println("init: the end:", err)
}

// kernelRelease is what uname -r prints.
func kernelRelease() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(b))
}
