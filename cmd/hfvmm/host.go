package main

import (
	"context"

	"github.com/hfvmm/hfvmm/vmm"
)

// thisHost is the machine that hfvmm runs on.
type thisHost struct{}

// run is set by the file that knows the machine.
var run func(context.Context, vmm.Config) (vmm.Ending, error)

func (thisHost) run(ctx context.Context, cfg vmm.Config) (vmm.Ending, error) {
	if run == nil {
		return 0, errNoMachine
	}
	return run(ctx, cfg)
}
