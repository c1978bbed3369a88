package main

import "github.com/hfvmm/hfvmm/vmm"

// forPrimaries are the flags that mean nothing where no primary is booted.
var forPrimaries = []string{"initrd", "cmdline", "primary-vcpu-count-reported", "dump-dtb", "watchdog"}

// checkPrimary refuses flags that do not fit a machine with a primary, or one without, whose secondaries are
// scheduled by hfvmm itself.
func (o *options) checkPrimary(cfg *vmm.Config) error {
	if !cfg.Builtin() {
		if o.given("scheduler") {
			return usageErrorf("--scheduler is for machines without a primary, and there is one, which schedules; drop --scheduler, or the primary")
		}
		return nil
	}
	if len(cfg.Secondaries) == 0 {
		return usageErrorf("nothing to run: give --primary IMAGE, --secondary IMAGE or --manifest FILE")
	}
	for _, flag := range forPrimaries {
		if o.given(flag) {
			return usageErrorf("--%s is for a primary, and there is none; give --primary IMAGE as well, or drop it", flag)
		}
	}
	for _, s := range []struct {
		flag  string
		scope vmm.Scope
	}{{"sdei", cfg.SDEI}, {"pvsched", cfg.PVSched}} {
		if s.scope == vmm.ThePrimary {
			return usageErrorf("--%s %v is for a primary, and there is none; give --primary IMAGE as well, or --%s %v", s.flag, s.scope, s.flag, vmm.AllVMs)
		}
	}
	if !o.given("cpus") {
		cfg.CPUs = 1
	}
	return nil
}
