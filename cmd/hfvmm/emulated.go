package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/boot"
	"github.com/hfvmm/hfvmm/vmm/lab"
)

// startTime is how long an emulated host may take to boot. It takes seconds.
const startTime = 5 * time.Minute

// emulated runs hfvmm with the same machine on an emulated host. The console stays on this side.
func (s *session) emulated(ctx context.Context) error {
	if err := check(s.cfg); err != nil {
		return err
	}
	remove, err := packManifests(&s.cfg)
	defer remove()
	if err != nil {
		return err
	}
	job := s.job()
	if err := s.host.provide(ctx, &job); err != nil {
		if ctx.Err() != nil {
			return s.cancelled(context.Cause(ctx))
		}
		return asNoKVM(fmt.Errorf("no KVM on this host, and none can be emulated: %w", err))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	starting := time.AfterFunc(startTime, func() { cancel(errNotStarted) })
	defer starting.Stop()
	job.Started = func() {
		starting.Stop()
		if s.o.timeout != 0 {
			time.AfterFunc(time.Duration(s.o.timeout), func() { cancel(context.DeadlineExceeded) })
		}
		s.start()
	}
	code, err := s.host.lab(ctx, job)
	s.port.Close() // before anything is said about the end
	switch {
	case errors.Is(err, context.Canceled): // not ctx.Err(): a job may have ended as the time ran out
		return s.cancelled(context.Cause(ctx))
	case err != nil:
		return err
	case code != exitOK:
		return &exitError{code: code} // hfvmm in the lab has said why
	}
	return nil
}

// check finds the mistakes in a machine that do not need a host to be seen.
func check(cfg vmm.Config) error {
	if err := vmm.Validate(cfg); err != nil {
		return err
	}
	for _, s := range cfg.Secondaries {
		if s.GIC {
			continue // it boots as a primary does
		}
		if _, err := boot.ReadFlat(s.Image, s.Memory); err != nil {
			return usageErrorf("secondary %s: %w", s.Name, err)
		}
	}
	return nil
}

var errNotStarted = fmt.Errorf("the emulated host has not started after %v; try again when this one is less busy", startTime)

// labSocket is where the machine in the lab is controlled. The lab joins it to the socket on this side.
const labSocket = "/run/hfvmm.sock"

// job is the command line that runs the machine in the lab, with its files.
func (s *session) job() lab.Job {
	job := lab.Job{
		Files:  map[string]string{},
		Memory: s.cfg.Memory,
		CPUs:   labCPUs(s.cfg.CPUs, runtime.NumCPU()),
		Kernel: s.o.labKernel,
		Stdin:  s.port,
		Stdout: s.port,
		Stderr: s.stderr,
	}
	pack := func(file string) string {
		inside := path.Join("/files", strconv.Itoa(len(job.Files)), filepath.Base(file))
		job.Files[inside] = file
		return inside
	}
	job.Args = machineArgs(s.cfg, pack)
	job.Args = append(job.Args, "--host=kvm", "--abi="+s.cfg.ABI.String(), "--conduit="+s.o.conduit.value, "--smccc-version="+s.cfg.SMCCC.String(), "--id-regs="+s.cfg.IDRegs.String(), "--sdei="+s.o.sdei.value, "--pvsched="+s.o.pvsched.value, "--log-format="+s.o.logFormat.value,
		"--check-scheduler="+s.o.check.value, "--check-format="+s.o.checkFormat.value)
	if s.api != nil {
		job.Listener, job.Socket = s.api, labSocket
		job.Args = append(job.Args, "--api-socket="+labSocket)
	}
	if s.cfg.FFA != 0 {
		job.Args = append(job.Args, "--ffa-version="+s.cfg.FFA.String())
	}
	if s.o.strict {
		job.Args = append(job.Args, "--ffa-strict")
	}
	if s.o.verbose {
		job.Args = append(job.Args, "--verbose")
	}
	return job
}

// labCPUs is how many CPUs the lab has for a machine's: no more than this host, which emulates them, unless that is one.
func labCPUs(machine, host int) int {
	return max(2, min(machine, host, lab.MaxCPUs))
}

// machineArgs is the command line that describes cfg, with the names that pack gives its files.
func machineArgs(cfg vmm.Config, pack func(file string) string) []string {
	args := []string{"run",
		"--mem=" + strconv.FormatUint(cfg.Memory, 10),
		"--cpus=" + strconv.Itoa(cfg.CPUs),
		"--slice=" + cfg.Slice.String(),
	}
	if cfg.Builtin() {
		args = append(args, "--scheduler="+cfg.Scheduler.String())
	} else {
		args = append(args, "--primary="+pack(cfg.Primary.Kernel), "--cmdline="+cfg.Primary.Cmdline)
	}
	if cfg.ReportedCPUs != 0 {
		args = append(args, "--primary-vcpu-count-reported="+strconv.Itoa(cfg.ReportedCPUs))
	}
	if cfg.Watchdog != 0 {
		args = append(args, "--watchdog="+cfg.Watchdog.String())
	}
	if cfg.Primary.Initrd != "" {
		args = append(args, "--initrd="+pack(cfg.Primary.Initrd))
	}
	for _, s := range cfg.Secondaries {
		initrd := ""
		if s.Initrd != "" {
			initrd = pack(s.Initrd)
		}
		manifest := ""
		if s.ManifestFile != "" {
			manifest = pack(s.ManifestFile)
		}
		args = append(args, "--secondary="+formatSecondary(s, pack(s.Image), initrd, manifest))
	}
	return args
}
