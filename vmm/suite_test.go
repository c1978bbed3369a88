package vmm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/vmm/vmmtest"
)

// suiteTime is how long a test of a suite may take where its machine line does not say.
const suiteTime = 3 * time.Minute

// suiteTest is a line that an image of guest/baremetal/suite prints for "list".
type suiteTest struct {
	suite, name string
	machine     []string // words, see guest/baremetal/lib/suite.h
}

// suiteMachine is what the words ask for.
type suiteMachine struct {
	cfg  Config
	time time.Duration
	soak bool
	ends Ending // how its primary ends it

	hostCPUs int // that the test needs

	raiser     *raiser                   // raises events for the primary, or nil
	bystanders map[int][sha256.Size]byte // VMs whose memory nobody may change, by number, and its hash
}

// run runs the machine.
func (s *suiteMachine) run(ctx context.Context, t *testing.T) (Ending, error) {
	m, err := build(s.cfg)
	if err != nil {
		return NotBuilt, err
	}
	defer m.close()
	if s.raiser != nil {
		defer s.raiser.serve(t, m)()
	}
	hash := func(vm int) [sha256.Size]byte {
		ram := m.vms[vm].ram
		return sha256.Sum256(m.ram.Slice(ram.base, ram.size))
	}
	for vm := range s.bystanders {
		s.bystanders[vm] = hash(vm)
	}
	ending, err := m.run(ctx)
	for vm, before := range s.bystanders {
		if hash(vm) != before {
			return ending, errors.Join(err, fmt.Errorf("the memory of bystander %q has changed", m.vms[vm].name))
		}
	}
	return ending, err
}

// configure returns the machine of a test whose primary boots the image.
func (s suiteTest) configure(t *testing.T, r *record, image string) (suiteMachine, error) {
	cpus, secondaries := 1, []string(nil)
	m := suiteMachine{time: suiteTime, ends: PoweredOff, bystanders: map[int][sha256.Size]byte{}}
	var apply []func(*Config)
	for _, w := range s.machine {
		key, value, _ := strings.Cut(w, "=")
		var err error
		switch key {
		case "abi":
			abi, ok := map[string]ABI{"spci": SPCI, "hf": HF, "ffa": FFA}[value]
			if !ok {
				err = fmt.Errorf("no such interface")
			}
			apply = append(apply, func(c *Config) { c.ABI = abi })
		case "cpus":
			cpus, err = strconv.Atoi(value)
		case "vm":
			secondaries = append(secondaries, value)
		case "bystander":
			m.bystanders[1+len(secondaries)] = [sha256.Size]byte{}
			secondaries = append(secondaries, value)
		case "sdei", "pvsched":
			scope, ok := map[string]Scope{"primary": ThePrimary, "all": AllVMs}[value]
			if !ok {
				err = fmt.Errorf("no such VMs")
			}
			apply = append(apply, func(c *Config) {
				if key == "sdei" {
					c.SDEI = scope
				} else {
					c.PVSched = scope
				}
			})
		case "smccc":
			version, ok := map[string]SMCCC{SMCCC12.String(): SMCCC12}[value]
			if !ok {
				err = fmt.Errorf("no such version")
			}
			apply = append(apply, func(c *Config) { c.SMCCC = version })
		case "id-regs":
			if value != HafniumIDRegs.String() {
				err = fmt.Errorf("no such ID registers")
			}
			apply = append(apply, func(c *Config) { c.IDRegs = HafniumIDRegs })
		case "slice":
			var d time.Duration
			d, err = time.ParseDuration(value)
			apply = append(apply, func(c *Config) { c.Slice = d })
		case "mem":
			var n uint64
			n, err = strconv.ParseUint(value, 10, 32)
			apply = append(apply, func(c *Config) { c.Memory = n << 20 })
		case "reported-cpus":
			var n int
			n, err = strconv.Atoi(value)
			apply = append(apply, func(c *Config) { c.ReportedCPUs = n })
		case "raise":
			m.raiser = newRaiser(&r.console)
			apply = append(apply, func(c *Config) { c.ConsoleIn, c.ConsoleOut = m.raiser.in, m.raiser })
		case "reset":
			m.ends = WasReset
		case "host-cpus":
			m.hostCPUs, err = strconv.Atoi(value)
		case "minutes":
			var n int
			n, err = strconv.Atoi(value)
			m.time = time.Duration(n) * time.Minute
		case "soak":
			m.soak = true
		default:
			err = fmt.Errorf("no such word")
		}
		if err != nil {
			return m, fmt.Errorf("%s %s: word %q of its machine: %w", s.suite, s.name, w, err)
		}
	}
	m.cfg = machine(t, r, cpus, "suite", secondaries...)
	m.cfg.Primary = Primary{Kernel: image, Cmdline: "run " + s.suite + " " + s.name}
	for _, f := range apply {
		f(&m.cfg)
	}
	return m, nil
}

// listSuite asks the image for its tests.
func listSuite(t *testing.T, image string) []suiteTest {
	t.Helper()
	var r record
	cfg := machine(t, &r, 1, "suite")
	cfg.Primary = Primary{Kernel: image, Cmdline: "list"}
	if ending, err := run(t, cfg); ending != PoweredOff || err != nil {
		t.Fatalf("list: ending %v, error %v\n%v", ending, err, &r)
	}
	var tests []suiteTest
	for line := range strings.Lines(r.console.String()) {
		words := strings.Fields(line)
		if len(words) < 2 {
			t.Fatalf("list printed %q\n%v", line, &r)
		}
		tests = append(tests, suiteTest{words[0], words[1], words[2:]})
	}
	if len(tests) == 0 {
		t.Fatalf("%s lists no tests", image)
	}
	return tests
}

// Each suite_*.bin is a primary with tests: it is asked which, and each is run in a machine of its own.
// HFVMM_SOAK=1 adds the long ones.
func TestSuites(t *testing.T) {
	vmmtest.NeedKVM(t)
	images, err := filepath.Glob(filepath.Join(guests, "suite_*.bin"))
	if err != nil || len(images) == 0 {
		t.Fatalf("no suites in %s (error %v); make baremetal", guests, err)
	}
	for _, image := range images {
		for _, test := range listSuite(t, image) {
			t.Run(test.suite+"/"+test.name, func(t *testing.T) {
				var r record
				m, err := test.configure(t, &r, image)
				if err != nil {
					t.Fatal(err)
				}
				if m.soak && !vmmtest.Soak() {
					t.Skip("this takes long: make soak")
				}
				needHostCPUs(t, m.hostCPUs)
				ctx, cancel := context.WithTimeout(t.Context(), m.time)
				defer cancel()
				ending, err := m.run(ctx, t)
				if ending != m.ends || err != nil || !strings.HasSuffix(r.console.String(), "PASS\r\n") {
					t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
				}
				t.Log(strings.ReplaceAll(r.console.String(), "\r\n", "\n"))
			})
		}
	}
}
