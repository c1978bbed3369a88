package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/vmm/console"
	"github.com/hfvmm/hfvmm/vmm/unixsocket"
)

const runLong = `Run boots a machine and connects its serial line to this terminal.

The primary VM gets --cpus vCPUs and the RAM that --mem leaves after the secondaries. Each secondary
gets memory of its own from the top of RAM, is loaded at its first byte, and runs when the primary
says so.

Without --primary hfvmm schedules the secondaries itself. Each line of standard input is then a message
to the first of them, each message to the primary is a line of standard output, and the machine ends
when the input has ended and nothing is left to do.

On the terminal of a primary, Ctrl-A x quits, Ctrl-A h helps and Ctrl-A Ctrl-A sends Ctrl-A. Lines that secondaries
log go to standard error, after the VM's name.

`

const runExample = `  hfvmm run --primary Image --initrd initrd.img --secondary ffa_echo.bin
  hfvmm run --primary Image --secondary tee.bin,name=tee,vcpus=2,mem=4M --serial unix=tee.sock
  hfvmm run --manifest board.dts --mem 1G --timeout 30s
  echo hello | hfvmm run --secondary echo.bin`

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
	port, err := console.Open(o.serial, console.Streams{In: a.stdin, Out: a.stdout, Err: a.stderr, Lines: cfg.Builtin()}, quit)
	if err != nil {
		return usageErrorf("--serial %s: %w", o.serial.String(), err)
	}
	defer port.Close()
	defer closeLater(ctx, port)()

	s := &session{app: a, o: o, cfg: cfg, log: log, port: port, quit: quit}
	if o.apiSocket != "" {
		if s.api, err = unixsocket.Listen(o.apiSocket); err != nil {
			return usageErrorf("--api-socket: %w", err)
		}
		defer s.api.Close()
	}
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

// drainTime is how long a machine that was stopped may write to a console that nobody reads.
const drainTime = 3 * time.Second

// closeLater closes port some time after ctx is done, so that a write to it that blocks ends.
func closeLater(ctx context.Context, port console.Port) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		time.AfterFunc(drainTime, func() { port.Close() })
	})
}
