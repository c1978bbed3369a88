package main

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hfvmm/hfvmm/vmm"
)

func TestFlagsDescribeTheMachine(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want vmm.Config
	}{
		{"defaults", []string{"--primary", "Image"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond,
		}},
		{"everything", []string{"--primary=Image", "--initrd=initrd", "--cmdline", "console=ttyAMA0 quiet", "--mem=1G",
			"--cpus", "4", "--slice", "250us", "--abi=spci",
			"--secondary", "echo.bin,mem=2M,vcpus=3,name=e", "--secondary", "busy.bin"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image", Initrd: "initrd", Cmdline: "console=ttyAMA0 quiet"},
			Memory:  1 << 30, CPUs: 4, Slice: 250 * time.Microsecond,
			Secondaries: []vmm.Secondary{
				{Name: "e", Image: "echo.bin", VCPUs: 3, Memory: 2 << 20},
				{Name: "busy", Image: "busy.bin", VCPUs: 1, Memory: 1 << 20},
			},
		}},
		{"one image twice", []string{"--primary=Image", "--secondary=echo.bin", "--secondary=image=echo.bin"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond,
			Secondaries: []vmm.Secondary{
				{Name: "echo", Image: "echo.bin", VCPUs: 1, Memory: 1 << 20},
				{Name: "echo-2", Image: "echo.bin", VCPUs: 1, Memory: 1 << 20},
			},
		}},
		{"commas in quotes", []string{"--primary=Image", "--secondary", `'a,b=c.bin',name="x y"`}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond,
			Secondaries: []vmm.Secondary{{Name: "x y", Image: "a,b=c.bin", VCPUs: 1, Memory: 1 << 20}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files(t, "Image", "initrd", "echo.bin", "busy.bin", "a,b=c.bin")
			var h fakeHost
			if r := runApp(t, &h, append([]string{"run"}, tt.args...)...); r.code != 0 {
				t.Fatalf("exit code %d: %s", r.code, r.stderr)
			}
			diff := cmp.Diff([]vmm.Config{tt.want}, h.ran, cmpopts.EquateEmpty(),
				cmpopts.IgnoreFields(vmm.Config{}, "Log", "ConsoleIn", "ConsoleOut", "DebugLog"))
			if diff != "" {
				t.Errorf("machine (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEndingsBecomeExitCodes(t *testing.T) {
	untilDone := func(ctx context.Context) { <-ctx.Done() }
	tests := []struct {
		name string
		host fakeHost
		args []string
		want int
	}{
		{"power off", fakeHost{ending: vmm.PoweredOff}, nil, 0},
		{"reset", fakeHost{ending: vmm.WasReset}, nil, 32},
		{"crash", fakeHost{ending: vmm.Crashed}, nil, 33},
		{"timeout", fakeHost{ending: vmm.Cancelled, until: untilDone}, []string{"--timeout", "1ms"}, 34},
		{"power off in time", fakeHost{ending: vmm.PoweredOff}, []string{"--timeout", "1h"}, 0},
		{"no KVM", fakeHost{err: vmm.ErrNoKVM}, nil, 3},
		{"bad image", fakeHost{err: vmm.ErrUsage}, nil, 2},
		{"anything else", fakeHost{err: context.Canceled}, nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files(t, "Image")
			r := runApp(t, &tt.host, append([]string{"run", "--primary", "Image"}, tt.args...)...)
			if r.code != tt.want {
				t.Errorf("exit code %d, want %d; stderr: %s", r.code, tt.want, r.stderr)
			}
			if said := r.stderr != ""; said != (tt.host.err != nil) {
				t.Errorf("stderr is %q", r.stderr)
			}
		})
	}
}
