package guest_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/vmmtest"
)

// ffaInitrd holds the kernel's own modules for FF-A.
const ffaInitrd = build + "/ffa.cpio"

// ffaMachine is a machine whose primary does jobs by FF-A, beside these secondaries.
func ffaMachine(cpus int, jobs string, secondaries ...string) vmm.Config {
	cfg := vmm.Config{
		Primary: vmm.Primary{Kernel: ffaKernel, Initrd: ffaInitrd, Cmdline: "console=ttyAMA0 quiet panic=-1 hftest=" + jobs},
		Memory:  512 << 20,
		CPUs:    cpus,
		ABI:     vmm.FFA,
		SMCCC:   vmm.SMCCC12,
		Slice:   4 * time.Millisecond, // a tick of Linux
	}
	for i, s := range secondaries {
		cfg.Secondaries = append(cfg.Secondaries, vmm.Secondary{
			Name: fmt.Sprint(s, i), Image: filepath.Join(build, "guest", s+".bin"), VCPUs: 1, Memory: 1 << 20,
		})
	}
	return cfg
}

// runFFA runs the machine until it powers off, and returns what it printed. Every job of the primary must pass.
func runFFA(t *testing.T, cfg vmm.Config) string {
	t.Helper()
	text := runMachine(t, cfg)
	if !regexp.MustCompile(`(?m)^HFTEST all PASS$`).MatchString(text) {
		t.Error("not every job passed")
	}
	return text
}

// runMachine runs the machine until it powers off, and returns what it printed.
func runMachine(t *testing.T, cfg vmm.Config) string {
	t.Helper()
	vmmtest.NeedKVM(t)
	var console vmmtest.Output
	var out io.Writer = &console
	wait := patience
	if vmmtest.Soak() { // and somebody who wants to know how far it is
		wait *= soakFactor
		out = io.MultiWriter(&console, os.Stdout)
	}
	cfg.ConsoleOut = out
	cfg.DebugLog = func(vm string, line []byte) { fmt.Fprintf(out, "[%s] %s\r\n", vm, line) }
	cfg.Log = slog.New(slog.NewTextHandler(out, nil))
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	ending, err := vmm.Run(ctx, cfg)
	text := strings.ReplaceAll(console.String(), "\r\n", "\n")
	if err != nil || ending != vmm.PoweredOff {
		t.Fatalf("ending %v, error %v\n%s", ending, err, text)
	}
	t.Log(text)
	return text
}

// The UUID for which Linux's OP-TEE driver looks.
var opteeUUID = uuid("486178e0-e7f8-11e3-bc5e-0002a5d5c51b")

func uuid(text string) wire.UUID {
	u, err := wire.ParseUUID(text)
	if err != nil {
		panic(err)
	}
	return u
}

// Nothing of the kernel is ours here. It calls by SMC; the other tests have it call by HVC.
func TestStockDriversFindThePartitionsAndAreServed(t *testing.T) {
	cfg := ffaMachine(1, "ffa,tee", "ffa_echo", "ffa_tee")
	cfg.SMC = true
	cfg.Secondaries[1].UUIDs = []wire.UUID{opteeUUID}
	text := runFFA(t, cfg)
	for _, want := range []string{
		"ARM FF-A: Firmware version 1.2 found",
		"partition 0x0002, UUID 00000000-0000-0000-0000-000000000000",
		"partition 0x0003, UUID " + opteeUUID.String(),
		"optee: revision 0.1",
		"optee: initialized driver",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the guest did not say %q", want)
		}
	}
}

// The UUID for which our test driver looks.
var serverUUID = uuid("8f3d0c52-1b7a-4e0f-9a64-6c1e2d7b5a90")

// A request is preempted again and again by a short slice.
func TestDriverOnTheFFABusExchangesMessagesAndMemory(t *testing.T) {
	count := 500
	if vmmtest.Soak() {
		count = 100_000
	}
	cfg := ffaMachine(2, fmt.Sprintf("ffa,ffa_test*%d", count), "ffa_server", "ffa_server")
	cfg.Slice = time.Millisecond
	for i := range cfg.Secondaries {
		cfg.Secondaries[i].UUIDs = []wire.UUID{serverUUID}
	}
	runFFA(t, cfg)
}

// linuxSecondary is a Linux VM that does jobs by FF-A.
func linuxSecondary(jobs string) vmm.Secondary {
	return vmm.Secondary{Name: "linux", Image: ffaKernel, Initrd: ffaInitrd, GIC: true, VCPUs: 1, Memory: 320 << 20,
		Cmdline: "console=ttyAMA0 quiet panic=-1 hftest=" + jobs}
}

func TestLinuxAsASecondaryFindsThePartitions(t *testing.T) {
	cfg := ffaMachine(1, "", "ffa_echo")
	cfg.Primary = vmm.Primary{Kernel: filepath.Join(build, "guest/primary_ffa_run.bin")}
	cfg.Secondaries = append([]vmm.Secondary{linuxSecondary("ffa,nap")}, cfg.Secondaries...)
	text := runMachine(t, cfg)
	for _, want := range []string{"[linux] HFTEST all PASS\n", "\nPASS\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not there", want)
		}
	}
}

// Everything at once: both Linux VMs exchange messages, notifications and memory with a partition each, while another,
// which never lets go of a CPU by itself, wants both of them. Where CPUs are emulated this is not for every day: a
// hundred requests and a boot took a minute on an idle host, and more than eight on a busy one.
func TestLinuxGuestsAreServedBesideAPartitionThatSpins(t *testing.T) {
	if !vmmtest.Soak() {
		t.Skip("this may take long; make soak runs it")
	}
	const count = 100_000
	const linux, forPrimary, forLinux, busy = 2, 3, 4, 5
	cfg := ffaMachine(2, fmt.Sprintf("ffa,ffa_start@%d+%d+%[2]d,ffa_nice@%[2]d,ffa_test@%[3]d*%[4]d,ffa_stop@%[1]d,ffa_log", linux, busy, forPrimary, count),
		"ffa_server", "ffa_server", "busy")
	for i := range 2 {
		cfg.Secondaries[i].UUIDs = []wire.UUID{serverUUID}
	}
	cfg.Secondaries[2].VCPUs = 2
	cfg.Secondaries = append([]vmm.Secondary{linuxSecondary(fmt.Sprintf("ffa,nap,ffa_test@%d*%d,ffa_log", forLinux, count))}, cfg.Secondaries...)
	cfg.Memory = 832 << 20
	text := runFFA(t, cfg)
	if want := "[linux] HFTEST all PASS\n"; !strings.Contains(text, want) {
		t.Errorf("%q is not there", want)
	}
	for _, vm := range []int{linux, busy} {
		if !regexp.MustCompile(fmt.Sprintf(`VM %d: runs \d+ interrupts [1-9]`, vm)).MatchString(text) {
			t.Errorf("VM %d was never preempted", vm)
		}
	}
}

// Both Linux VMs are endpoints of a stock FF-A driver. The secondary has no other interrupt than NPI for what it is
// notified of; that it is to be run then, the primary learns by SRI. A thread of the primary schedules each of its CPUs,
// which it switches on itself, and one of which wakes the other.
func TestLinuxSchedulesLinuxWithTwoCPUs(t *testing.T) {
	cfg := ffaMachine(2, "ffa,ffa_start@2+2,ffa_stop@2,ffa_log", "ffa_server")
	cfg.Secondaries[0].UUIDs = []wire.UUID{serverUUID}
	smp := linuxSecondary("ffa,cpus*2,ffa_test*50,ffa_log")
	smp.VCPUs = 2
	cfg.Secondaries = append([]vmm.Secondary{smp}, cfg.Secondaries...)
	cfg.Memory = 832 << 20
	text := runFFA(t, cfg)
	if want := "[linux] HFTEST all PASS\n"; !strings.Contains(text, want) {
		t.Errorf("%q is not there", want)
	}
	if !regexp.MustCompile(`VM 2: .*waits [1-9]`).MatchString(text) {
		t.Error("the secondary was never idle")
	}
}
