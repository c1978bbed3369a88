package vmm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/vmm/console"
	"github.com/hfvmm/hfvmm/vmm/vmmtest"
)

// guests is where `make guests` puts the bare-metal programs.
const guests = "../build/guest"

// record is what a machine printed.
type record struct {
	console vmmtest.Output // of the primary's UART
	log     vmmtest.Output // of hfvmm

	mu    sync.Mutex
	lines []string // of the debug log, "vm: line"
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("console:\n%s\ndebug log:\n%s\nlog:\n%s", &r.console, strings.Join(r.lines, "\n"), &r.log)
}

// machine returns the configuration of a bare-metal primary with these secondaries; "name*2@4" gives
// a secondary two vCPUs and 4 MiB instead of one of each. The name of the primary says which interface
// it was written for.
func machine(t *testing.T, r *record, cpus int, primary string, secondaries ...string) Config {
	t.Helper()
	vmmtest.NeedKVM(t)
	cfg := Config{
		Primary:    Primary{Kernel: filepath.Join(guests, "primary_"+primary+".bin")},
		Memory:     64 << 20,
		CPUs:       cpus,
		Slice:      time.Millisecond,
		ConsoleOut: &r.console,
		DebugLog: func(vm string, line []byte) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.lines = append(r.lines, vm+": "+string(line))
		},
		Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	}
	switch {
	case strings.HasPrefix(primary, "hf_"):
		cfg.ABI = HF
	case strings.HasPrefix(primary, "ffa_"):
		cfg.ABI = FFA
	}
	for i, s := range secondaries {
		s, mib, sized := strings.Cut(s, "@")
		name, count, several := strings.Cut(s, "*")
		vcpus, memory := 1, uint64(1)
		if several {
			if _, err := fmt.Sscan(count, &vcpus); err != nil {
				t.Fatal(err)
			}
		}
		if sized {
			if _, err := fmt.Sscan(mib, &memory); err != nil {
				t.Fatal(err)
			}
		}
		cfg.Secondaries = append(cfg.Secondaries, Secondary{
			Name: fmt.Sprintf("%s%d", name, i), Image: filepath.Join(guests, name+".bin"), VCPUs: vcpus, Memory: memory << 20,
		})
	}
	return cfg
}

// machineTime is the longest that a machine of a test runs: many times what it takes on an idle host.
const machineTime = 5 * time.Minute

// run runs the machine.
func run(t *testing.T, cfg Config) (Ending, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), machineTime)
	defer cancel()
	return Run(ctx, cfg)
}

// Each program checks a capability from inside of guests and says PASS.
func TestGuestProgramsPass(t *testing.T) {
	for _, c := range []struct {
		rule        string
		cpus        int
		primary     string
		secondaries []string
	}{
		{"a primary without secondaries runs and powers off", 1, "smoke", nil},
		{"messages of all sizes come back from a service", 1, "echo", []string{"echo"}},
		{"the primary's timer goes on ticking while a secondary spins", 1, "preempt", []string{"busy"}},
		{"a secondary in WFI is woken by its own timer through the primary", 1, "timer", []string{"timer"}},
		{"a VM that touches what is not its own dies alone", 1, "fault", []string{"fault", "fault", "fault", "fault", "echo"}},
		{"full mailboxes are reported when they become writable and nothing is lost", 1, "flood", []string{"flood", "sink", "echo"}},
		{"two secondaries pass a message round", 1, "relay", []string{"relay", "relay"}},
		{"a secondary powers on and signals its second vCPU", 1, "two", []string{"two*2"}},
		{"in the interface of January 2019, messages come back and full mailboxes are reported", 1, "hf_echo", []string{"hf/echo", "hf_flood"}},
		{"in FF-A, partitions are found and answer direct requests", 1, "ffa_echo", []string{"ffa_echo", "ffa_echo"}},
		{"in FF-A, requests that go on from partition to partition are answered or refused, from two CPUs at once", 2, "ffa_storm", []string{"ffa_relay", "ffa_relay", "ffa_relay", "busy"}},
		{"in FF-A, each notification arrives, with an interrupt for who is to be run", 1, "ffa_notify", []string{"ffa_notify"}},
		{"memory that changes hands is zeroed, and out of reach of those without a right to it", 2, "memory", []string{"memory", "memory"}},
		{"of two CPUs that run one vCPU one is told BUSY and no turn is lost", 2, "race", []string{"turns"}},
		{"SDEI interrupts a vCPU wherever it is, and puts it back", 2, "sdei", []string{"busy", "sdei*2"}},
	} {
		t.Run(c.primary, func(t *testing.T) {
			var r record
			cfg := machine(t, &r, c.cpus, c.primary, c.secondaries...)
			cfg.PVSched, cfg.SDEI = AllVMs, AllVMs
			ending, err := run(t, cfg)
			if ending != PoweredOff || err != nil || !strings.HasSuffix(r.console.String(), "PASS\r\n") {
				t.Errorf("rule: %s\nending %v, error %v\n%v", c.rule, ending, err, &r)
			}
		})
	}
}

func TestAbortOfASecondaryIsLoggedWithVMAndVCPUAndPCAndAddressAndAccess(t *testing.T) {
	var r record
	if ending, err := run(t, machine(t, &r, 1, "fault", "fault", "fault", "fault", "fault", "echo")); err != nil || ending != PoweredOff {
		t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
	}
	log := r.log.String()
	for _, want := range []string{"secondary aborted", "vm=fault0", "vcpu=0", "pc=0x", "address=0x", "access=write", "access=read"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

func TestCancelledMachineStopsAndNamesTheCause(t *testing.T) {
	var r record
	cfg := machine(t, &r, 2, "preempt", "busy")
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cfg.Slice = time.Hour
	time.AfterFunc(2*time.Second, func() { cancel(cause) })
	cfg.Primary.Kernel = filepath.Join(guests, "busy.bin") // a primary that never ends
	if ending, err := Run(ctx, cfg); ending != Cancelled || !errors.Is(err, cause) {
		t.Errorf("ending %v, error %v; want %v because of %v\n%v", ending, err, Cancelled, cause, &r)
	}
}

func TestPrimaryThatTouchesEmptyAddressesIsLoggedSoManyTimes(t *testing.T) {
	code := make([]uint32, 0x200/4, 0x220/4)
	copy(code, []uint32{
		0x10000003, // adr x3, .
		0xD518C003, // msr vbar_el1, x3
		0xD2800C82, // mov x2, #100
		0xD2800001, // mov x1, #0, an address where nothing is
		0x1400007C, // b vectors + 0x200
	})
	code = append(code, // where the abort goes, too
		0xF1000442, // sub x2, x2, #1
		0xB4000042, // cbz x2, 1f
		0xB9400020, // ldr w0, [x1]
		0x52800100, // 1: mov w0, #0x84000008, SYSTEM_OFF
		0x72B08000,
		0xD4000002, // hvc #0
		0x14000000) // b .
	var r record
	cfg := machine(t, &r, 1, "smoke")
	cfg.Primary.Kernel = flatImage(t, code...)
	if ending, err := run(t, cfg); ending != PoweredOff || err != nil {
		t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
	}
	if n := strings.Count(r.log.String(), "touched an address where nothing is"); n != maxReports {
		t.Errorf("%d of 99 accesses are logged, want %d", n, maxReports)
	}
}

func TestMachineEndsThoughNobodyReadsItsLog(t *testing.T) {
	var r record
	cfg := machine(t, &r, 2, "smoke")
	cfg.Primary.Kernel = flatImage(t, // it logs empty lines for ever
		0x52B7A000, // 1: mov w0, #0xBD000000
		0x52800141, // mov w1, #'\n'
		0xD4000002, // hvc #0
		0x17FFFFFD) // b 1b
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close() // which ends the write that waits
	defer write.Close()
	log, full := console.NewStderr(write), make(chan struct{})
	lines := 0
	cfg.DebugLog = func(string, []byte) {
		if lines++; lines == 128 { // of 1 KiB: more than a pipe takes
			close(full)
		}
		log.Write(make([]byte, 1024))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-full
		cancel()
	}()
	ended := make(chan Ending, 1)
	go func() {
		ending, _ := Run(ctx, cfg)
		ended <- ending
	}()
	select {
	case ending := <-ended:
		if ending != Cancelled {
			t.Errorf("ending %v\n%v", ending, &r)
		}
	case <-time.After(time.Minute):
		t.Error("a minute later it has not ended")
	}
}

// Machines are built and freed again and again in one process.
func TestMachineLeavesNoThreadsAndDescriptorsBehind(t *testing.T) {
	var r record
	cfg := machine(t, &r, 1, "smoke", "echo")
	count := func() (fds int) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if _, err := run(t, cfg); err != nil { // the runtime opens its own descriptors once
		t.Fatal(err)
	}
	fds, goroutines := count(), runtime.NumGoroutine()
	for range 5 {
		if _, err := run(t, cfg); err != nil {
			t.Fatal(err)
		}
	}
	if f, g := count(), runtime.NumGoroutine(); f > fds || g > goroutines {
		t.Errorf("after five machines: %d descriptors and %d goroutines; before: %d and %d", f, g, fds, goroutines)
	}
}
