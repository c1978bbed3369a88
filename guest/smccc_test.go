package guest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/vmmtest"
)

// ffaKernel is a kernel whose own driver speaks FF-A.
const ffaKernel = build + "/tools/ffa-kernel"

// errSeen ends a machine that has printed what a test waits for.
var errSeen = errors.New("seen")

// finder is a console that ends the machine when it has printed a match.
type finder struct {
	vmmtest.Output
	want *regexp.Regexp
	end  context.CancelCauseFunc
}

func (f *finder) Write(p []byte) (int, error) {
	n, err := f.Output.Write(p)
	if bytes.IndexByte(p, '\n') >= 0 && f.want.MatchString(f.String()) {
		f.end(errSeen)
	}
	return n, err
}

// said is what Linux says when it has asked for the version, long before anything else could fail.
var said = regexp.MustCompile(`psci: SMC Calling Convention v(\d+\.\d+)\r?\n`)

// booting runs the machine until Linux, has said the version, which is want.
func booting(t *testing.T, cfg vmm.Config, options, want string) {
	t.Helper()
	vmmtest.NeedKVM(t)
	ctx, end := context.WithCancelCause(t.Context())
	console := &finder{want: said, end: end}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cfg.CPUs = 1
	cfg.Slice = time.Millisecond
	cfg.ConsoleOut = console
	cfg.DebugLog = func(vm string, line []byte) { fmt.Fprintf(console, "[%s] %s\n", vm, line) }
	cfg.Log = slog.New(slog.NewTextHandler(console, nil))
	_, err := vmm.Run(ctx, cfg)
	text := console.String()
	m := said.FindStringSubmatch(text)
	if !errors.Is(err, errSeen) || m == nil || m[1] != want {
		t.Fatalf("error %v, found %q, want %s\n%s", err, m, want, text)
	}
	if on := regexp.MustCompile("KASLR enabled").MatchString(text); on != (options == "") {
		t.Errorf("KASLR %v\n%s", on, text)
	}
}

// earlyConsole makes Linux speak from the beginning.
const earlyConsole = "earlycon=pl011,0x9000000 "

func TestLinuxIsToldTheSMCCCVersion(t *testing.T) {
	for _, image := range []string{kernel, ffaKernel} {
		for _, options := range []string{"", "nokaslr"} {
			for _, smc := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s smc=%v", filepath.Base(image), options, smc), func(t *testing.T) {
					booting(t, vmm.Config{
						Primary: vmm.Primary{Kernel: image, Cmdline: earlyConsole + options},
						Memory:  512 << 20,
						SMC:     smc,
						SMCCC:   vmm.SMCCC12,
					}, options, "1.2")
				})
			}
		}
	}
}

func TestLinuxIsToldTheHostsSMCCCVersion(t *testing.T) {
	booting(t, vmm.Config{
		Primary: vmm.Primary{Kernel: ffaKernel, Cmdline: earlyConsole},
		Memory:  512 << 20,
		SMCCC:   vmm.SMCCCOfHost,
	}, "", "1.1")
}

func TestLinuxAsASecondaryIsToldTheSMCCCVersion(t *testing.T) {
	for _, image := range []string{kernel, ffaKernel} {
		for _, smc := range []bool{false, true} {
			for _, options := range []string{"", "nokaslr"} {
				t.Run(fmt.Sprintf("%s %s smc=%v", filepath.Base(image), options, smc), func(t *testing.T) {
					booting(t, vmm.Config{
						Primary: vmm.Primary{Kernel: filepath.Join(build, "guest/primary_ffa_run.bin")},
						Secondaries: []vmm.Secondary{{
							Name: "linux", Image: image, GIC: true, VCPUs: 1, Memory: 320 << 20, Cmdline: earlyConsole + options,
						}},
						Memory: 512 << 20,
						ABI:    vmm.FFA,
						SMC:    smc,
						SMCCC:  vmm.SMCCC12,
					}, options, "1.2")
				})
			}
		}
	}
}
