package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completeFlags lets shells complete the values of flags that are neither free nor files.
func completeFlags(cmd *cobra.Command) {
	complete := func(flag string, words ...string) {
		fn := cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
		_ = cmd.RegisterFlagCompletionFunc(flag, fn) // fails only for a flag that is not there
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		switch v := f.Value.(type) {
		case *choice:
			complete(f.Name, v.words...)
		case *size, *span, *vcpuCount:
			complete(f.Name)
		}
	})
	complete("serial", "stdio", "null", "file=", "unix=")
	complete("cmdline")
	_ = cmd.MarkFlagFilename("manifest", "dts", "dtb")
}
