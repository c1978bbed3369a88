package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/vmm/debian"
	"github.com/hfvmm/hfvmm/vmm/hostsched"
	"github.com/hfvmm/hfvmm/vmm/lab"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this host offers, what is missing, and what mends it",
		Long: `Doctor says what this host offers to hfvmm, what is missing, and what mends it.

The exit code is 0 if hfvmm run works here, on KVM or on an emulated host, and 3 if not.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return report(a.stdout, examine())
		},
	}
}

// diagnosis is what was found out about a host.
type diagnosis struct {
	platform string // GOOS/GOARCH
	noKVM    error  // why there is no KVM at all
	kvm      []found
	lab      []remark
	extras   []remark
}

// remark is one line about something that is not KVM.
type remark struct {
	name  string
	value string
	err   error // says what mends it
}

// examine looks at this host. It changes and fetches nothing.
func examine() diagnosis {
	d := diagnosis{platform: runtime.GOOS + "/" + runtime.GOARCH}
	d.kvm, d.noKVM = probeKVM()
	d.lab = []remark{
		fetched("QEMU", lab.FindQEMU, "install qemu-system-aarch64 (Debian: `apt install qemu-system-arm`)"),
		fetched("lab kernel", lab.FindKernel, "give --lab-kernel an arm64 kernel of Linux 6.4 or later"),
		existing("hfvmm for the lab", lab.Executable),
	}
	d.extras = []remark{
		existing("dtc, for manifests in source form", findDTC),
		existing("PV_SCHED for the primary", traceScheduler),
	}
	return d
}

// existing is a remark about something that is here or not.
func existing(name string, find func() (string, error)) remark {
	path, err := find()
	return remark{name, path, err}
}

// fetched is a remark about something that hfvmm run fetches when it is not here.
func fetched(name string, find func() (string, error), remedy string) remark {
	path, err := find()
	if errors.Is(err, fs.ErrNotExist) {
		if err = debian.Ready(); err == nil {
			return remark{name, "not here; hfvmm run fetches it from Debian", nil}
		}
		err = fmt.Errorf("%w, or %s", err, remedy)
	}
	return remark{name, path, err}
}

// findDTC returns the compiler of device trees: the one in PATH, or else the cache's.
func findDTC() (string, error) {
	if path, err := exec.LookPath("dtc"); err == nil {
		return path, nil
	}
	if dir := cachedDTC(); dir != "" {
		return filepath.Join(dir, "dtc"), nil
	}
	return "", errors.New("missing: install the package device-tree-compiler")
}

// traceScheduler tells whether the flags of PV_SCHED can follow the host's scheduler.
func traceScheduler() (string, error) {
	t, err := hostsched.Open(1, 1)
	if err != nil {
		return "", fmt.Errorf("told that there is none: %w", err)
	}
	return "yes: BPF sees the host's scheduler", t.Close()
}

// report prints a diagnosis. The error says that no machine can run.
func report(w io.Writer, d diagnosis) error {
	native := d.noKVM
	if native == nil {
		native = usableKVM(d.kvm)
	}
	var emulated error
	for _, r := range d.lab {
		emulated = errors.Join(emulated, r.err)
	}

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "KVM (%s)\n", d.platform)
	if d.noKVM != nil {
		line(t, kvmDevice, "", d.noKVM)
	} else {
		line(t, kvmDevice, "yes", nil)
	}
	for _, f := range d.kvm {
		err := f.err
		if err != nil {
			err = fmt.Errorf("%w: %s", err, f.remedy)
		}
		line(t, f.name, f.value, err)
	}
	fmt.Fprintln(t, "Emulated host")
	for _, r := range d.lab {
		line(t, r.name, r.value, r.err)
	}
	fmt.Fprintln(t, "Others")
	for _, r := range d.extras {
		line(t, r.name, r.value, r.err)
	}
	if err := t.Flush(); err != nil {
		return err
	}

	switch {
	case native == nil:
		fmt.Fprintln(w, "hfvmm run uses KVM here.")
	case emulated != nil:
		return &exitError{exitNoKVM, errors.New("hfvmm run does not work here; mend KVM or the emulated host as said above")}
	case errors.Is(native, kvmarm.ErrUnsupported):
		fmt.Fprintln(w, "hfvmm run emulates a host here, which is slow.")
	default:
		fmt.Fprintln(w, "hfvmm run emulates a host here, which is slow; mend KVM as said above to make it fast.")
	}
	return nil
}

// line prints one finding.
func line(w io.Writer, name, value string, err error) {
	mark := "ok"
	if err != nil {
		mark, value = "--", err.Error()
	}
	fmt.Fprintf(w, "  %s\t%s\t%s\n", mark, name, value)
}
