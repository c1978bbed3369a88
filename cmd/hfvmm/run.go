package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
)

const runLong = `Run boots a machine and connects its serial line to this terminal.

The primary VM gets --cpus vCPUs and the RAM that --mem leaves after the secondaries. Each secondary
gets memory of its own from the top of RAM, is loaded at its first byte, and runs when the primary
says so.

On a terminal, Ctrl-A x quits, Ctrl-A h helps and Ctrl-A Ctrl-A sends Ctrl-A.

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
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context(), o) },
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (a *app) run(ctx context.Context, o *options) error {
	cfg, err := o.config()
	if err != nil {
		return err
	}
	cfg.Log = a.logger(o)
	cfg.ConsoleIn, cfg.ConsoleOut = a.stdin, a.stdout
	if o.timeout != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(o.timeout))
		defer cancel()
	}
	how, err := a.host.run(ctx, cfg)
	if err != nil {
		return err
	}
	return ended(how, context.Cause(ctx))
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

var errNoMachine = errors.New("this build of hfvmm has no machine")
