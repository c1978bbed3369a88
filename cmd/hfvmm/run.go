package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/console"
)

const runLong = `Run boots a machine and connects its serial line to this terminal.

The primary VM gets --cpus vCPUs and the RAM that --mem leaves after the secondaries. Each secondary
gets memory of its own from the top of RAM, is loaded at its first byte, and runs when the primary
says so.

On a terminal, Ctrl-A x quits, Ctrl-A h helps and Ctrl-A Ctrl-A sends Ctrl-A. Lines that secondaries
log go to standard error, after the VM's name.

`

const runExample = `  hfvmm run --primary Image --initrd initrd.img --secondary echo.bin
  hfvmm run --primary Image --secondary tee.bin,name=tee,vcpus=2,mem=4M --serial unix=tee.sock
  hfvmm run --manifest board.dts --mem 1G --timeout 30s`

func (a *app) runCommand() *cobra.Command {
	o := newOptions()
	cmd := &cobra.Command{
		Use:     "run",
		Short:   "Boot a primary VM and its secondaries",
		Long:    runLong + exitCodeHelp(),
		Example: runExample,
		Args:    noArgs,

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context(), o) },
	}
	o.addFlags(cmd.Flags())
	completeFlags(cmd)
	return cmd
}

func (a *app) run(ctx context.Context, o *options) error {
	log := a.logger(o)
	cfg, err := o.config(log)
	if err != nil {
		return err
	}
	if o.dumpDTB != "" {
		return dumpDTB(o.dumpDTB, cfg)
	}
	emulated, err := a.chooseHost(o, log)
	if err != nil {
		return err
	}

	ctx, quit := context.WithCancelCause(ctx)
	defer quit(nil)
	defer quitOnSignals(quit)()
	port, err := console.Open(o.serial, console.Streams{In: a.stdin, Out: a.stdout, Err: a.stderr}, func() { quit(errQuit) })
	if err != nil {
		return usageErrorf("--serial %s: %w", o.serial.String(), err)
	}
	defer port.Close()
	defer closeLater(ctx, port)()

	s := &session{app: a, o: o, cfg: cfg, log: log, port: port, quit: quit}
	if emulated {
		return s.emulated(ctx)
	}
	return s.native(ctx)
}

// chooseHost decides whether the host is to be emulated.
func (a *app) chooseHost(o *options, log *slog.Logger) (emulated bool, err error) {
	if o.host.value == "lab" {
		return true, nil
	}
	err = a.host.usable()
	if err == nil || o.host.value == "kvm" {
		return false, asNoKVM(err)
	}
	level := slog.LevelWarn
	if errors.Is(err, kvmarm.ErrUnsupported) {
		level = slog.LevelDebug // nothing that anybody could mend
	}
	log.Log(context.Background(), level, "this host is emulated, which is slow", "because", err)
	return true, nil
}

// asNoKVM gives err the exit code of a host without KVM.
func asNoKVM(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitNoKVM, err}
}

// session is one run of a machine.
type session struct {
	*app
	o    *options
	cfg  vmm.Config
	log  *slog.Logger
	port console.Port
	quit context.CancelCauseFunc
}

// native runs the machine on this host's KVM.
func (s *session) native(ctx context.Context) error {
	s.cfg.Log, s.cfg.DebugLog = s.log, s.debugLog
	s.cfg.ConsoleIn, s.cfg.ConsoleOut = &startReader{s: s}, s.port
	ctx, stop := s.withTimeout(ctx)
	defer stop()
	how, err := s.host.run(ctx, s.cfg)
	s.port.Close() // before anything is said about the end
	return s.ended(how, err, context.Cause(ctx))
}

// ended is what the command returns for the end of a machine. cause is the cause of its context.
func (s *session) ended(how vmm.Ending, err, cause error) error {
	switch {
	case how == vmm.Cancelled:
		return s.cancelled(cause)
	case how == vmm.WasReset:
		return &exitError{exitReset, errors.New("the primary asked for a reset")}
	case how == vmm.Crashed:
		return &exitError{exitCrash, fmt.Errorf("the primary crashed: %w", err)}
	}
	return err
}

// cancelled is what the command returns when a machine was stopped from outside.
func (s *session) cancelled(cause error) error {
	switch {
	case errors.Is(cause, errQuit):
		return &exitError{code: exitQuit}
	case errors.Is(cause, context.DeadlineExceeded):
		return &exitError{exitTimeout, fmt.Errorf("stopped after %v, as --timeout says", time.Duration(s.o.timeout))}
	}
	return cause
}

// withTimeout bounds ctx as --timeout says, from now on.
func (s *session) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.o.timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Duration(s.o.timeout))
}

// start makes the console live, now that there is a machine.
func (s *session) start() {
	if err := s.port.Start(); err != nil {
		s.quit(err)
	}
}

// debugLog prints a line that a VM logged.
func (s *session) debugLog(vm string, line []byte) {
	if s.o.logFormat.value == "json" {
		s.log.Info("debug log", "vm", vm, "line", string(line))
		return
	}
	fmt.Fprintf(s.stderr, "[%s] %s\n", vm, line)
}

// startReader is the console's input, which comes to live with the first Read: the machine is built
// then, and what is wrong with it has been said on a terminal that is not raw.
type startReader struct {
	s       *session
	started bool
}

func (r *startReader) Read(p []byte) (int, error) {
	if !r.started {
		r.started = true
		r.s.start()
	}
	return r.s.port.Read(p)
}

// drainTime is how long a machine that was stopped may write to a console that nobody reads.
const drainTime = 3 * time.Second

// closeLater closes port some time after ctx is done, so that a write to it that blocks ends.
func closeLater(ctx context.Context, port console.Port) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		time.AfterFunc(drainTime, func() { port.Close() })
	})
}

// dumpDTB writes the device tree that the primary would get.
func dumpDTB(path string, cfg vmm.Config) error {
	dtb, err := vmm.DeviceTree(cfg)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, dtb, 0o644); err != nil {
		return usageErrorf("--dump-dtb: cannot write %q: %w; give the path of a file that you may write", path, reason(err))
	}
	return nil
}

// logger is the log on standard error.
func (a *app) logger(o *options) *slog.Logger {
	opts := &slog.HandlerOptions{}
	if o.verbose {
		opts.Level = slog.LevelDebug
	}
	if o.logFormat.value == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, opts))
	}
	return slog.New(slog.NewTextHandler(a.stderr, opts))
}
