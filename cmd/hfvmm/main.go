package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hfvmm/hfvmm/vmm"
)

func main() {
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, host: thisHost{}}
	os.Exit(a.main(context.Background(), os.Args[1:]))
}

// app is the command with the world around it, which tests replace.
type app struct {
	stdin  *os.File
	stdout *os.File
	stderr io.Writer
	host   host
}

// host is what runs machines.
type host interface {
	// run runs a machine on this host's KVM.
	run(ctx context.Context, cfg vmm.Config) (vmm.Ending, error)
}

// main runs the command line and returns the exit code.
func (a *app) main(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	if e, ok := err.(*exitError); err != nil && !(ok && e.err == nil) {
		fmt.Fprintf(a.stderr, "hfvmm: %v\n", err)
	}
	return codeOf(err)
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "hfvmm",
		Short:         "Run a primary VM that schedules secondary VMs, on KVM/arm64",
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageErrorf("%q is not a command; see `hfvmm --help`", args[0])
			}
			return cmd.Help()
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageErrorf("%w (see `%s --help`)", err, cmd.CommandPath())
	})
	root.AddCommand(a.runCommand(), a.versionCommand())
	return root
}

// noArgs refuses words that belong to no flag.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageErrorf("%q belongs to no flag; see `%s --help`", args[0], cmd.CommandPath())
}
