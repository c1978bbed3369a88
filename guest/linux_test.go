// Package guest_test runs Linux as the primary of real machines, with the driver and the init of this
// folder and the services beside them.
package guest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/vmm"
)

// What `make guests` builds and fetches.
const (
	build  = "../build"
	kernel = build + "/tools/guest-kernel"
	initrd = build + "/primary.cpio"
)

// patience is how long Linux may take to boot and do its jobs where everything is emulated twice.
const patience = 8 * time.Minute

// linux is a machine whose primary does jobs: "JOB SERVICE SERVICE…", a service for each VM that the job
// needs; "two*2" has two vCPUs. "JOB =JOB" takes the VMs of an earlier job.
type linux struct {
	cpus int
	jobs []string
}

// config returns the configuration of the machine and the names of its jobs.
func (l linux) config() (cfg vmm.Config, names []string) {
	cfg = vmm.Config{
		Primary: vmm.Primary{Kernel: kernel, Initrd: initrd},
		Memory:  512 << 20,
		CPUs:    l.cpus,
		Slice:   time.Millisecond,
	}
	const firstID = 2
	var orders []string
	vms := map[string]string{}
	for _, j := range l.jobs {
		words := strings.Fields(j)
		name, services := words[0], words[1:]
		names = append(names, name)
		if len(services) == 1 && services[0][0] == '=' {
			vms[name] = vms[services[0][1:]]
		} else {
			var ids []string
			for _, s := range services {
				ids = append(ids, fmt.Sprint(firstID+len(cfg.Secondaries)))
				image, two := strings.CutSuffix(s, "*2")
				vcpus := 1
				if two {
					vcpus = 2
				}
				cfg.Secondaries = append(cfg.Secondaries, vmm.Secondary{
					Name: s + ids[len(ids)-1], Image: filepath.Join(build, "guest", image+".bin"), VCPUs: vcpus, Memory: 1 << 20,
				})
			}
			vms[name] = strings.Join(ids, "+")
		}
		order := name
		if vms[name] != "" {
			order += "@" + vms[name]
		}
		orders = append(orders, order)
	}
	cfg.Primary.Cmdline = "console=ttyAMA0 quiet panic=-1 hftest=" + strings.Join(orders, ",")
	return cfg, names
}

func TestJobsOfALinuxPrimaryPass(t *testing.T) {
	for name, l := range map[string]linux{
		"on two CPUs": {2, []string{
			"echo echo", "errors =echo", "poll =echo", "hotplug =echo", "timer timer", "two two*2", "inject waiter",
			"relay relay relay", "flood flood sink", "fault fault fault fault", "unload",
		}},
		"on one CPU beside a service that spins": {1, []string{"busy busy", "echo echo", "unload"}},
	} {
		t.Run(name, func(t *testing.T) {
			needKVM(t)
			cfg, jobs := l.config()
			var console output
			cfg.ConsoleOut = &console
			cfg.DebugLog = func(vm string, line []byte) { fmt.Fprintf(&console, "[%s] %s\r\n", vm, line) }
			cfg.Log = slog.New(slog.NewTextHandler(&console, nil))
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			ending, err := vmm.Run(ctx, cfg)
			if err != nil || ending != vmm.PoweredOff {
				t.Errorf("ending %v, error %v", ending, err)
			}
			text := console.String()
			for _, j := range append(jobs, "all") {
				if !regexp.MustCompile(`(?m)^HFTEST ` + j + ` PASS`).MatchString(text) {
					t.Errorf("job %s did not pass", j)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

// needKVM skips a test where hfvmm cannot run a machine itself, or fails where it must be able to.
func needKVM(t *testing.T) {
	t.Helper()
	err := errors.New("a Linux primary needs linux/arm64")
	if runtime.GOOS == "linux" && runtime.GOARCH == "arm64" {
		_, err = os.Stat("/dev/kvm")
	}
	switch {
	case err == nil:
	case os.Getenv("HFVMM_REQUIRE_LAB") != "" && runtime.GOARCH == "arm64":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// output is what a machine prints, from several threads.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
