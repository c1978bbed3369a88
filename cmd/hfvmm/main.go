package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hfvmm/hfvmm/vmm/console"
	"github.com/hfvmm/hfvmm/vmm/lab"
)

func main() {
	lab.Init()
	console.Guard()
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: console.NewStderr(os.Stderr), host: thisHost{}}
	os.Exit(a.main(context.Background(), os.Args[1:]))
}

// app is the command with the world around it, which tests replace.
type app struct {
	stdin, stdout *os.File
	stderr        *console.Stderr
	host          host
}

// main runs the command line and returns the exit code.
func (a *app) main(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	var e *exitError
	if err != nil && !(errors.As(err, &e) && e.err == nil) {
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
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.runCommand(), a.doctorCommand(), a.versionCommand())
	root.AddCommand(a.controlCommands()...)
	return root
}

// flagError words a mistake in a flag.
func flagError(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		return usageErrorf("--%s: %w", bad.GetFlag().Name, bad.Unwrap())
	}
	return usageErrorf("%w; see `%s --help`", err, cmd.CommandPath())
}

// noArgs refuses words that belong to no flag.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageErrorf("%q belongs to no flag; see `%s --help`", args[0], cmd.CommandPath())
}
