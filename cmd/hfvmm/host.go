package main

import (
	"context"

	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/lab"
)

// host is what runs machines.
type host interface {
	// usable says why KVM cannot be used here, if it cannot.
	usable() error
	// run runs a machine on this host's KVM.
	run(context.Context, vmm.Config) (vmm.Ending, error)
	// provide finds or fetches what a lab needs.
	provide(context.Context, *lab.Job) error
	// lab runs a job on an emulated host and returns its exit code.
	lab(context.Context, lab.Job) (int, error)
}

// thisHost is the host that hfvmm runs on.
type thisHost struct{}

func (thisHost) usable() error {
	features, err := probeKVM()
	if err != nil {
		return err
	}
	return usableKVM(features)
}

func (thisHost) run(ctx context.Context, cfg vmm.Config) (vmm.Ending, error) {
	return vmm.Run(ctx, cfg)
}

func (thisHost) provide(ctx context.Context, job *lab.Job) (err error) {
	if job.Init, err = lab.Executable(); err != nil {
		return err
	}
	return job.Provide(ctx)
}

func (thisHost) lab(ctx context.Context, job lab.Job) (int, error) { return lab.Run(ctx, job) }
