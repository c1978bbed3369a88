// Package guest_test runs Linux as the primary of real machines, with the driver and the init of this
// folder and the services beside them.
package guest_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/vmmtest"
)

// What `make guests` builds and fetches.
const (
	build  = "../build"
	kernel = build + "/tools/guest-kernel"
	initrd = build + "/primary.cpio"
)

// patience is how long Linux may take to boot and do its jobs where everything is emulated, on a host that others use
// too: many times what it takes otherwise.
const patience = 20 * time.Minute

// linux is a machine whose primary does jobs: "JOB SERVICE SERVICE…", a service for each VM that the job
// needs; "two*2" has two vCPUs. "=JOB" stands for the VMs of an earlier job. "JOB*COUNT" says how much the job does.
type linux struct {
	abi      vmm.ABI
	cpus     int
	check    vmm.Check
	services vmm.Scope // who has SDEI and PV_SCHED
	reboots  bool      // in the end
	jobs     []string
}

// soakFactor is how much more jobs do that have a count, where there is time.
const soakFactor = 100

// config returns the configuration of the machine and the names of its jobs.
func (l linux) config(t *testing.T) (cfg vmm.Config, names []string) {
	t.Helper()
	cfg = vmm.Config{
		Primary: vmm.Primary{Kernel: kernel, Initrd: initrd},
		Memory:  512 << 20,
		CPUs:    l.cpus,
		ABI:     l.abi,
		Check:   l.check,
		SDEI:    l.services,
		PVSched: l.services,
		Slice:   time.Millisecond,
	}
	images := filepath.Join(build, "guest")
	firstID := 2
	if l.abi == vmm.HF {
		images, firstID = filepath.Join(images, "hf"), 1
	}
	var orders []string
	vms := map[string][]string{}
	for _, j := range l.jobs {
		words := strings.Fields(j)
		name, count, counted := strings.Cut(words[0], "*")
		names = append(names, name)
		for _, s := range words[1:] {
			if earlier, ok := strings.CutPrefix(s, "="); ok {
				vms[name] = append(vms[name], vms[earlier]...)
				continue
			}
			id := fmt.Sprint(firstID + len(cfg.Secondaries))
			vms[name] = append(vms[name], id)
			image, two := strings.CutSuffix(s, "*2")
			vcpus := 1
			if two {
				vcpus = 2
			}
			cfg.Secondaries = append(cfg.Secondaries, vmm.Secondary{
				Name: image + id, Image: filepath.Join(images, image+".bin"), VCPUs: vcpus, Memory: 1 << 20,
			})
		}
		order := name
		if len(vms[name]) > 0 {
			order += "@" + strings.Join(vms[name], "+")
		}
		if counted {
			n, err := strconv.Atoi(count)
			if err != nil {
				t.Fatalf("job %s: %v", j, err)
			}
			if vmmtest.Soak() {
				n *= soakFactor
			}
			order += fmt.Sprintf("*%d", n)
		}
		orders = append(orders, order)
	}
	cfg.Primary.Cmdline = "console=ttyAMA0 quiet panic=-1 hftest=" + strings.Join(orders, ",")
	if l.reboots {
		cfg.Primary.Cmdline += " hfreboot"
	}
	return cfg, names
}

func TestJobsOfALinuxPrimaryPass(t *testing.T) {
	for name, l := range map[string]linux{
		"spci on two CPUs": {abi: vmm.SPCI, cpus: 2, check: vmm.CheckStrict, jobs: []string{
			"echo echo", "errors =echo", "hotplug =echo", "timer timer", "two two*2", "inject waiter",
			"hf_test*25 =echo relay relay flood sink", "fault fault fault fault", "unload",
		}},
		"spci on one CPU beside a service that spins": {abi: vmm.SPCI, cpus: 1, jobs: []string{"busy busy", "echo echo", "unload"}},
		"hf on two CPUs with SDEI and PV_SCHED": {
			abi: vmm.HF, cpus: 2, check: vmm.CheckStrict, services: vmm.ThePrimary, reboots: true, jobs: []string{
				"echo echo", "errors =echo", "hotplug =echo", "timer timer", "two two*2", "inject waiter",
				"hf_test*25 =echo relay relay flood sink", "silence fault =echo", "pvsched spin",
				"sdei*1000", "sdei_hotplug*3", "sdei_freeze", "sdei_nmi", "unload",
			}},
	} {
		t.Run(name, func(t *testing.T) {
			vmmtest.NeedKVM(t)
			cfg, jobs := l.config(t)
			limit := patience
			if vmmtest.Soak() {
				limit *= soakFactor
			}
			var console vmmtest.Output
			cfg.ConsoleOut = &console
			cfg.DebugLog = func(vm string, line []byte) { fmt.Fprintf(&console, "[%s] %s\r\n", vm, line) }
			cfg.Log = slog.New(slog.NewTextHandler(&console, nil))
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			ending, err := vmm.Run(ctx, cfg)
			wanted := vmm.PoweredOff
			if l.reboots {
				wanted = vmm.WasReset
			}
			if err != nil || ending != wanted {
				t.Errorf("ending %v, error %v", ending, err)
			}
			text := console.String()
			for _, j := range append(jobs, "all") {
				if !regexp.MustCompile(`(?m)^HFTEST ` + j + ` (PASS|SKIP .)`).MatchString(text) {
					t.Errorf("job %s did not pass", j)
				}
			}
			t.Log(text)
		})
	}
}
