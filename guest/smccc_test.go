package guest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/vmm"
)

// ffaKernel is a kernel whose own driver speaks FF-A.
const ffaKernel = build + "/tools/ffa-kernel"

// errSeen ends a machine that has printed what a test waits for.
var errSeen = errors.New("seen")

// finder is a console that ends the machine when it has printed a match.
type finder struct {
	output
	want *regexp.Regexp
	end  context.CancelCauseFunc
}

func (f *finder) Write(p []byte) (int, error) {
	n, err := f.output.Write(p)
	f.mu.Lock()
	defer f.mu.Unlock()
	if bytes.IndexByte(p, '\n') >= 0 && f.want.Match(f.b.Bytes()) {
		f.end(errSeen)
	}
	return n, err
}

// Linux says which version it found when it has asked, long before anything else could fail.
func TestLinuxIsToldTheSMCCCVersion(t *testing.T) {
	said := regexp.MustCompile(`psci: SMC Calling Convention v(\d+\.\d+)\r?\n`)
	for _, c := range []struct {
		kernel, options string
		smc             bool
		smccc           vmm.SMCCC
		want            string
	}{
		{kernel, "", false, vmm.SMCCC12, "1.2"},
		{kernel, "nokaslr", true, vmm.SMCCC12, "1.2"},
		{ffaKernel, "", false, vmm.SMCCC12, "1.2"},
		{ffaKernel, "", true, vmm.SMCCC12, "1.2"},
		{ffaKernel, "nokaslr", false, vmm.SMCCC12, "1.2"},
		{ffaKernel, "nokaslr", true, vmm.SMCCC12, "1.2"},
		{ffaKernel, "", false, vmm.SMCCCOfHost, "1.1"},
	} {
		t.Run(fmt.Sprintf("%s %s smc=%v %v", c.kernel[len(build)+1:], c.options, c.smc, c.smccc), func(t *testing.T) {
			needKVM(t)
			ctx, end := context.WithCancelCause(t.Context())
			console := &finder{want: said, end: end}
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			_, err := vmm.Run(ctx, vmm.Config{
				Primary:    vmm.Primary{Kernel: c.kernel, Cmdline: "earlycon=pl011,0x9000000 " + c.options},
				Memory:     512 << 20,
				CPUs:       1,
				SMC:        c.smc,
				SMCCC:      c.smccc,
				Slice:      time.Millisecond,
				ConsoleOut: console,
				DebugLog:   func(string, []byte) {},
				Log:        slog.New(slog.NewTextHandler(console, nil)),
			})
			text := console.String()
			m := said.FindStringSubmatch(text)
			if !errors.Is(err, errSeen) || m == nil || m[1] != c.want {
				t.Fatalf("error %v, found %q, want %s\n%s", err, m, c.want, text)
			}
			if on := regexp.MustCompile("KASLR enabled").MatchString(text); on != (c.options == "") {
				t.Errorf("KASLR %v\n%s", on, text)
			}
		})
	}
}
