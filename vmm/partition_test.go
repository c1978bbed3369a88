package vmm

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/vmm/boot"
	"github.com/hfvmm/hfvmm/vmm/vmmtest"
)

// manifest is that of a partition of program ffa_boot. Its blob only begins like one.
func manifest(order int) *boot.PartitionManifest {
	return &boot.PartitionManifest{
		Version: 1<<16 | 1, Contexts: 2, Secure: true, BootOrder: order, BootInformation: true, NSInterrupts: boot.NSInterruptManagedExit, VMMessages: boot.VMCreated,
		Services: []boot.PartitionService{{UUID: [16]byte{1}, Messaging: boot.MessagingDirectReceive}},
		Blob:     []byte{0xd0, 0x0d, 0xfe, 0xed},
	}
}

// pack makes a package of an image, as the tools of Trusted Firmware lay it out.
func pack(t *testing.T, image string, blob []byte) string {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 0x4000)
	copy(p, "SPKG")
	for i, n := range []int{1, 0x1000, len(blob), 0x4000, len(b)} {
		binary.LittleEndian.PutUint32(p[4+4*i:], uint32(n))
	}
	copy(p[0x1000:], blob)
	file := filepath.Join(t.TempDir(), "partition.pkg")
	if err := os.WriteFile(file, append(p, b...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPartitionsWithManifestsStartInTheirOrderBeforeThePrimary(t *testing.T) {
	var r record
	cfg := machine(t, &r, 2, "ffa_boot", "ffa_boot*2", "ffa_boot*2", "ffa_boot*2")
	cfg.Secondaries[0].Manifest, cfg.Secondaries[1].Manifest = manifest(7), manifest(3)
	cfg.Secondaries = cfg.Secondaries[:2]
	cfg.Secondaries[1].Image = pack(t, cfg.Secondaries[1].Image, cfg.Secondaries[1].Manifest.Blob)
	if ending, err := run(t, cfg); ending != PoweredOff || err != nil || !strings.HasSuffix(r.console.String(), "PASS\r\n") {
		t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
	}
	want := []string{
		"ffa_boot1: ffa_boot: partition 0x8002", "ffa_boot1: ffa_boot: VM 1 created",
		"ffa_boot0: ffa_boot: partition 0x8001", "ffa_boot0: ffa_boot: VM 1 created",
	}
	if !slices.Equal(r.lines, want) {
		t.Errorf("debug log %q, want %q", r.lines, want)
	}
}

func TestPartitionsAreToldOfVMsThatDieAndCPUsThatGoOff(t *testing.T) {
	var r record
	cfg := machine(t, &r, 2, "ffa_told", "ffa_told*2", "ffa_told*2", "ffa_told")
	cfg.SDEI = AllVMs
	for i := range cfg.Secondaries[:2] {
		f := manifest(i)
		f.NSInterrupts, f.VMMessages, f.PowerMessages = boot.NSInterruptSignaled, boot.VMCreated|boot.VMDestroyed, boot.PowerCPUOff
		cfg.Secondaries[i].Manifest = f
	}
	if ending, err := run(t, cfg); ending != PoweredOff || err != nil || !strings.HasSuffix(r.console.String(), "PASS\r\n") {
		t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
	}
	var want []string
	for _, second := range []string{"goes off", "goes off", "stays on", "goes off"} {
		want = append(want, "ffa_told0: ffa_told: CPU 1 goes off", "ffa_told1: ffa_told: CPU 1 "+second)
	}
	want = append(want, "ffa_told0: ffa_told: VM 4 is gone", "ffa_told1: ffa_told: VM 4 is gone")
	if !slices.Equal(r.lines, want) {
		t.Errorf("debug log %q, want %q", r.lines, want)
	}
}

// withRegions gives a manifest the memory regions of program ffa_region.
func withRegions(f *boot.PartitionManifest) *boot.PartitionManifest {
	f.Contexts, f.NSInterrupts, f.VMMessages = 1, boot.NSInterruptSignaled, 0
	f.Services[0].Messaging = boot.MessagingDirectReceive
	f.Regions = []boot.PartitionRegion{
		{Name: "rx", Handle: 1, Offset: 0x20000, Pages: 1},
		{Name: "tx", Handle: 2, Offset: 0x21000, Pages: 1, Write: true},
		{Name: "constants", Offset: 0x22000, Pages: 2},
	}
	f.RX, f.TX = &f.Regions[0], &f.Regions[1]
	return f
}

func TestPartitionHasTheMemoryThatItsManifestDescribes(t *testing.T) {
	var r record
	cfg := machine(t, &r, 1, "ffa_region", "ffa_region", "ffa_region")
	for i := range cfg.Secondaries {
		cfg.Secondaries[i].Manifest = withRegions(manifest(i))
	}
	if ending, err := run(t, cfg); ending != PoweredOff || err != nil || !strings.HasSuffix(r.console.String(), "PASS\r\n") {
		t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
	}
}

func TestRegionsThatAreNotFreeAreRefused(t *testing.T) {
	vmmtest.NeedKVM(t)
	for want, offset := range map[string]uint64{"where its manifest goes": 1<<20 - pageSize, "beyond its 1048576 bytes": 1 << 20} {
		var r record
		cfg := machine(t, &r, 1, "ffa_region", "ffa_region")
		f := withRegions(manifest(0))
		f.Regions[2].Offset, f.Regions[2].Pages = offset, 1
		cfg.Secondaries[0].Manifest = f
		if ending, err := run(t, cfg); ending != NotBuilt || !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v, %v", want, ending, err)
		}
	}
}

func TestMoreRegionsThanStage2HoldsAreRefused(t *testing.T) {
	var r record
	cfg := machine(t, &r, 1, "ffa_region", "ffa_region@8")
	f := withRegions(manifest(0))
	for i := range uint64(300) { // with a page between any two
		f.Regions = append(f.Regions, boot.PartitionRegion{Name: "r", Offset: 0x100000 + 2*i*pageSize, Pages: 1})
	}
	cfg.Secondaries[0].Manifest = f
	if ending, err := run(t, cfg); ending != NotBuilt || !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "fewer regions") {
		t.Errorf("ending %v, error %v", ending, err)
	}
}

// queued is a machine with a partition whose runs the primary's interrupts wait for.
func queued(t *testing.T, r *record, primary string) Config {
	cfg := machine(t, r, 1, primary, "ffa_told*2")
	cfg.Secondaries[0].Manifest = manifest(0)
	cfg.Secondaries[0].Manifest.NSInterrupts = boot.NSInterruptQueued
	return cfg
}

func TestInterruptsOfThePrimaryWaitForAPartitionThatIsNotToBeDisturbed(t *testing.T) {
	var r record
	cfg := queued(t, &r, "ffa_queued")
	if ending, err := run(t, cfg); ending != PoweredOff || err != nil || !strings.HasSuffix(r.console.String(), "PASS\r\n") {
		t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
	}
}

func TestMachineWhosePartitionKeepsItsCPUForEverCanBeStopped(t *testing.T) {
	var r record
	cfg := queued(t, &r, "ffa_queued")
	cfg.Primary.Cmdline = "forever"
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	enough := errors.New("enough")
	cfg.DebugLog = func(_ string, line []byte) {
		if string(line) == "ffa_told: spins" {
			cancel(enough)
		}
	}
	if ending, err := Run(ctx, cfg); ending != Cancelled || !errors.Is(err, enough) {
		t.Errorf("ending %v, error %v\n%v", ending, err, &r)
	}
}

// An id that a manifest gives, or the place among the secondaries, belongs to one partition.
func TestPartitionsOfOneIDAreRefused(t *testing.T) {
	vm := func(id uint16) *boot.PartitionManifest {
		f := manifest(0)
		f.Secure, f.ID = false, id
		return f
	}
	sp := func(id uint16) *boot.PartitionManifest {
		f := manifest(0)
		f.ID = id
		return f
	}
	for _, tt := range []struct {
		name   string
		p, q   *boot.PartitionManifest
		secure bool // q
		want   string
	}{
		{"both say so", sp(0x8005), sp(0x8005), false, "secondaries p and q both have the FF-A id 0x8005"},
		{"the first says so, the other is there", sp(0x8002), nil, true, "secondaries p and q both have the FF-A id 0x8002"},
		{"the second says so, the other is there", nil, vm(2), false, "secondaries p and q both have the FF-A id 0x2"},
		{"of the primary", vm(1), nil, false, "secondary p has the FF-A id 0x1 of the primary"},
		{"of the partition manager", sp(0x8000), nil, false, "secondary p has the id 0x8000 in its manifest, which is the partition manager's"},
		{"all differ", sp(0x8005), vm(5), false, ""},
	} {
		cfg := Config{ABI: FFA, CPUs: 1, Slice: time.Millisecond, Primary: Primary{Kernel: "Image"}, Memory: 64 << 20, Secondaries: []Secondary{
			{Name: "p", VCPUs: 2, Memory: 1 << 20, Manifest: tt.p}, {Name: "q", VCPUs: 2, Memory: 1 << 20, Manifest: tt.q, Secure: tt.secure},
		}}
		if _, err := plan(&cfg); tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: want an error with %q, got %v", tt.name, tt.want, err)
		}
	}
}

func TestPartitionThatDoesNotFitItsManifestIsRefused(t *testing.T) {
	for want, edit := range map[string]func(cfg *Config, s *Secondary){
		"give --abi ffa":                      func(cfg *Config, _ *Secondary) { cfg.ABI = SPCI },
		"execution-ctx-count of 2":            func(_ *Config, s *Secondary) { s.VCPUs = 1 },
		"bit 15 belongs to partitions of":     func(_ *Config, s *Secondary) { s.Manifest.ID = 5 },
		"has UUIDs of its own and a manifest": func(_ *Config, s *Secondary) { s.UUIDs = append(s.UUIDs, [16]byte{1}) },
	} {
		cfg := Config{ABI: FFA, CPUs: 1, Slice: time.Millisecond, Primary: Primary{Kernel: "Image"}, Memory: 64 << 20, Secondaries: []Secondary{{Name: "p", VCPUs: 2, Memory: 1 << 20, Manifest: manifest(0)}}}
		edit(&cfg, &cfg.Secondaries[0])
		if _, err := plan(&cfg); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}
