package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/console"
	"github.com/hfvmm/hfvmm/vmm/lab"
	"github.com/hfvmm/hfvmm/vmm/scheduler"
	"github.com/u-root/u-root/pkg/dt"
)

func TestFlagsDescribeTheMachine(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want vmm.Config
	}{
		{"defaults", []string{"--primary", "Image"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond, ABI: vmm.FFA, SMCCC: vmm.SMCCC12,
		}},
		{"everything", []string{"--primary=Image", "--initrd=initrd", "--cmdline", "console=ttyAMA0 quiet", "--mem=1G",
			"--cpus", "4", "--slice", "250us", "--abi=hf", "--primary-vcpu-count-reported=8", "--pvsched=all", "--sdei=primary", "--check-scheduler",
			"--conduit=smc", "--smccc-version=1.2", "--id-regs=hafnium",
			"--secondary", "echo.bin,mem=2M,vcpus=3,name=e", "--secondary", "busy.bin"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image", Initrd: "initrd", Cmdline: "console=ttyAMA0 quiet"},
			Memory:  1 << 30, CPUs: 4, Slice: 250 * time.Microsecond, ABI: vmm.HF, SMC: true, SMCCC: vmm.SMCCC12, IDRegs: vmm.HafniumIDRegs, ReportedCPUs: 8, PVSched: vmm.AllVMs, SDEI: vmm.ThePrimary, Check: vmm.CheckWarn,
			Secondaries: []vmm.Secondary{
				{Name: "e", Image: "echo.bin", VCPUs: 3, Memory: 2 << 20},
				{Name: "busy", Image: "busy.bin", VCPUs: 1, Memory: 1 << 20},
			},
		}},
		{"FF-A", []string{"--primary", "Image", "--abi=ffa"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond, ABI: vmm.FFA, SMCCC: vmm.SMCCC12,
		}},
		{"an older FF-A, with a secure partition", []string{"--primary", "Image", "--abi=ffa", "--ffa-version=1.1", "--secondary=echo.bin,role=sp,notify=none"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond, ABI: vmm.FFA, FFA: wire.Version11, SMCCC: vmm.SMCCC12,
			Secondaries: []vmm.Secondary{{Name: "echo", Image: "echo.bin", VCPUs: 1, Memory: 1 << 20, Secure: true, Notify: vmm.NotifyNone}},
		}},
		{"FF-A without what Linux needs", []string{"--primary", "Image", "--abi=ffa", "--smccc-version=host"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond, ABI: vmm.FFA,
		}},
		{"a Linux guest", []string{"--primary=Image", "--abi=ffa", "--secondary=Image,gic=v3,initrd=initrd,mem=256M,cmdline='console=ttyAMA0 a=b,c'"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond, ABI: vmm.FFA, SMCCC: vmm.SMCCC12,
			Secondaries: []vmm.Secondary{{Name: "Image", Image: "Image", VCPUs: 1, Memory: 256 << 20,
				GIC: true, Initrd: "initrd", Cmdline: "console=ttyAMA0 a=b,c"}},
		}},
		{"services of an FF-A partition", []string{"--primary=Image", "--secondary",
			"echo.bin,uuid=486178e0-e7f8-11e3-bc5e-0002a5d5c51b+17b862a4-1806-4faf-86b3-089a58353861"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond, ABI: vmm.FFA, SMCCC: vmm.SMCCC12,
			Secondaries: []vmm.Secondary{{Name: "echo", Image: "echo.bin", VCPUs: 1, Memory: 1 << 20, UUIDs: []wire.UUID{
				{0x48, 0x61, 0x78, 0xe0, 0xe7, 0xf8, 0x11, 0xe3, 0xbc, 0x5e, 0x00, 0x02, 0xa5, 0xd5, 0xc5, 0x1b},
				{0x17, 0xb8, 0x62, 0xa4, 0x18, 0x06, 0x4f, 0xaf, 0x86, 0xb3, 0x08, 0x9a, 0x58, 0x35, 0x38, 0x61},
			}}},
		}},
		{"one image twice", []string{"--primary=Image", "--secondary=echo.bin", "--secondary=image=echo.bin"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond, ABI: vmm.FFA, SMCCC: vmm.SMCCC12,
			Secondaries: []vmm.Secondary{
				{Name: "echo", Image: "echo.bin", VCPUs: 1, Memory: 1 << 20},
				{Name: "echo-2", Image: "echo.bin", VCPUs: 1, Memory: 1 << 20},
			},
		}},
		{"a scheduler that is checked", []string{"--primary=Image", "--check-scheduler"}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond, ABI: vmm.SPCI, Check: vmm.CheckWarn,
		}},
		{"no primary", []string{"--secondary=echo.bin"}, vmm.Config{
			Memory: 512 << 20, CPUs: 1, Slice: time.Millisecond,
			Secondaries: []vmm.Secondary{{Name: "echo", Image: "echo.bin", VCPUs: 1, Memory: 1 << 20}},
		}},
		{"no primary and a choice of scheduler", []string{"--secondary=echo.bin", "--scheduler=fifo", "--cpus=2", "--pvsched=all"}, vmm.Config{
			Memory: 512 << 20, CPUs: 2, Slice: time.Millisecond, Scheduler: scheduler.FIFO, PVSched: vmm.AllVMs,
			Secondaries: []vmm.Secondary{{Name: "echo", Image: "echo.bin", VCPUs: 1, Memory: 1 << 20}},
		}},
		{"commas in quotes", []string{"--primary=Image", "--secondary", `'a,b=c.bin',name="x y"`}, vmm.Config{
			Primary: vmm.Primary{Kernel: "Image"},
			Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond, ABI: vmm.FFA, SMCCC: vmm.SMCCC12,
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
				cmpopts.IgnoreFields(vmm.Config{}, "Log", "ConsoleIn", "ConsoleOut", "DebugLog", "Duties", "API"))
			if diff != "" {
				t.Errorf("machine (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEndingsBecomeExitCodes(t *testing.T) {
	untilDone := func(ctx context.Context) { <-ctx.Done() }
	broken := errors.New("broken")
	tests := []struct {
		name string
		host fakeHost
		args []string
		code int
		says string // on stderr
	}{
		{"power off", fakeHost{ending: vmm.PoweredOff}, nil, 0, ""},
		{"reset", fakeHost{ending: vmm.WasReset}, nil, 32, "hfvmm: the primary asked for a reset\n"},
		{"crash", fakeHost{ending: vmm.Crashed, err: broken}, nil, 33, "hfvmm: the primary crashed: broken\n"},
		{"bad scheduler", fakeHost{ending: vmm.Misscheduled, err: broken}, []string{"--check-scheduler=strict"}, 36, "hfvmm: the primary broke a rule of schedulers: broken\n"},
		{"failed secondary", fakeHost{ending: vmm.Failed, err: broken}, nil, 35, "hfvmm: broken\n"},
		{"bad line", fakeHost{ending: vmm.BadInput, err: broken}, nil, 2, "hfvmm: broken\n"},
		{"timeout", fakeHost{ending: vmm.Cancelled, err: context.DeadlineExceeded, until: untilDone},
			[]string{"--timeout", "1ms"}, 34, "hfvmm: stopped after 1ms, as --timeout says\n"},
		{"power off in time", fakeHost{ending: vmm.PoweredOff}, []string{"--timeout", "1h"}, 0, ""},
		{"bad image", fakeHost{ending: vmm.NotBuilt, err: fmt.Errorf("%w: bad image", vmm.ErrUsage)}, nil, 2, "hfvmm: bad configuration: bad image\n"},
		{"KVM that went away", fakeHost{ending: vmm.NotBuilt, err: fmt.Errorf("%w: gone", vmm.ErrNoKVM)}, nil, 3, "hfvmm: no usable KVM: gone\n"},
		{"no KVM where it was asked for", fakeHost{noKVM: broken}, []string{"--host", "kvm"}, 3, "hfvmm: broken\n"},
		{"anything else", fakeHost{ending: vmm.NotBuilt, err: broken}, nil, 1, "hfvmm: broken\n"},

		{"lab: power off", fakeHost{}, []string{"--host", "lab"}, 0, ""},
		{"lab: reset", fakeHost{code: 32}, []string{"--host", "lab"}, 32, ""},
		{"lab: killed by a signal", fakeHost{code: 139}, []string{"--host", "lab"}, 139, ""},
		{"lab: timeout", fakeHost{err: context.Canceled, until: untilDone},
			[]string{"--host", "lab", "--timeout", "1ms"}, 34, "hfvmm: stopped after 1ms, as --timeout says\n"},
		{"lab: an end of its own as the time runs out", fakeHost{code: 35, until: untilDone},
			[]string{"--host", "lab", "--timeout", "1ms"}, 35, ""},
		{"lab: failure", fakeHost{err: broken}, []string{"--host", "lab"}, 1, "hfvmm: broken\n"},
		{"lab: nothing to make it of", fakeHost{noLab: broken}, []string{"--host", "lab"}, 3,
			"hfvmm: no KVM on this host, and none can be emulated: broken\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files(t, "Image")
			r := runApp(t, &tt.host, append([]string{"run", "--primary", "Image"}, tt.args...)...)
			if r.code != tt.code {
				t.Errorf("exit code %d, want %d", r.code, tt.code)
			}
			if r.stderr != tt.says {
				t.Errorf("stderr is %q, want %q", r.stderr, tt.says)
			}
		})
	}
}

func TestAutoEmulatesAHostThatHasNoKVM(t *testing.T) {
	files(t, "Image")
	for _, tt := range []struct {
		noKVM     error
		ran, jobs int
		warns     bool
	}{
		{nil, 1, 0, false},
		{kvmarm.ErrUnsupported, 0, 1, false},
		{errors.New("no permission: join the group kvm"), 0, 1, true}, // for this there is a remedy
	} {
		h := fakeHost{noKVM: tt.noKVM}
		r := runApp(t, &h, "run", "--primary", "Image")
		if r.code != 0 || len(h.ran) != tt.ran || len(h.jobs) != tt.jobs {
			t.Errorf("%v: exit code %d, %d native machines, %d jobs", tt.noKVM, r.code, len(h.ran), len(h.jobs))
		}
		if warns := strings.Contains(r.stderr, "join the group kvm"); warns != tt.warns {
			t.Errorf("%v: stderr is %q", tt.noKVM, r.stderr)
		}
	}
}

// TestTheLabGetsTheSameMachine parses the command line that is run in the lab, with the lab's files
// where it would find them.
func TestTheLabGetsTheSameMachine(t *testing.T) {
	files(t, "Image", "initrd", "echo.bin", "it's, \"odd\".bin")
	for _, args := range [][]string{
		{"run", "--primary=Image", "--initrd=initrd", "--cmdline", `console=ttyAMA0 init="/a b"`, "--mem=64M", "--cpus=3",
			"--slice=2ms", "--check-scheduler=strict", "--pvsched=primary", "--sdei=all", "--watchdog=90s", "--conduit=smc", "--smccc-version=1.2", "--id-regs=hafnium", "--secondary=echo.bin,vcpus=2,mem=8K,uuid=486178e0-e7f8-11e3-bc5e-0002a5d5c51b", "--secondary", `"it's, "'"odd".bin',name="x,y"`},
		{"run", "--mem=64M", "--scheduler=fifo", "--secondary=echo.bin,vcpus=2", "--secondary=echo.bin"},
	} {
		sameInTheLab(t, args)
	}
}

func sameInTheLab(t *testing.T, args []string) {
	t.Helper()
	var outer, inner fakeHost
	if r := runApp(t, &outer, args...); r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	h := fakeHost{noKVM: kvmarm.ErrUnsupported}
	if r := runApp(t, &h, append(args, "--serial=null", "--timeout=1h", "-v", "--log-format=json", "--check-format=json")...); r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	job := h.jobs[0]
	if job.Memory != 64<<20 {
		t.Errorf("the lab gets %d bytes for the machine", job.Memory)
	}
	root := t.TempDir()
	for i, a := range job.Args {
		job.Args[i] = strings.ReplaceAll(a, "/files/", root+"/")
	}
	outside := map[string]string{}
	for inside, file := range job.Files {
		inside = strings.Replace(inside, "/files/", root+"/", 1)
		outside[inside] = file
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(inside), 0o700), os.WriteFile(inside, b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if r := runApp(t, &inner, job.Args...); r.code != 0 {
		t.Fatalf("in the lab: exit code %d: %s", r.code, r.stderr)
	}
	got := inner.ran[0]
	for _, path := range []*string{&got.Primary.Kernel, &got.Primary.Initrd, &got.Secondaries[0].Image, &got.Secondaries[1].Image} {
		*path = outside[*path]
	}
	diff := cmp.Diff(outer.ran[0], got, cmpopts.IgnoreFields(vmm.Config{}, "Log", "ConsoleIn", "ConsoleOut", "DebugLog", "Duties", "API"))
	if diff != "" {
		t.Errorf("machine in the lab (-want +got):\n%s", diff)
	}
	for _, want := range []string{"--host=kvm", "--verbose", "--log-format=json", "--check-format=json", "--abi=spci"} {
		if !slices.Contains(job.Args, want) {
			t.Errorf("the lab's command line lacks %s: %q", want, job.Args)
		}
	}
}

func TestTheLabHasNoMoreCPUsThanTheMachineTheHostOrAnyLab(t *testing.T) {
	for _, c := range []struct{ machine, host, want int }{
		{3, 8, 3}, {8, 3, 3}, {100, 128, lab.MaxCPUs}, {1, 8, 2}, {8, 1, 2},
	} {
		if got := labCPUs(c.machine, c.host); got != c.want {
			t.Errorf("%d CPUs of a machine on a host of %d: the lab has %d, want %d", c.machine, c.host, got, c.want)
		}
	}
}

func TestDumpDTBWritesTheTreeAndRunsNothing(t *testing.T) {
	files(t, "Image")
	var h fakeHost
	if r := runApp(t, &h, "run", "--primary=Image", "--dump-dtb=out.dtb"); r.code != 0 || r.stderr+r.stdout != "" {
		t.Fatalf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	b, err := os.ReadFile("out.dtb")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, []byte{0xd0, 0x0d, 0xfe, 0xed}) {
		t.Errorf("out.dtb begins with %x", b[:min(4, len(b))])
	}
	if len(h.ran)+len(h.jobs) > 0 {
		t.Error("a machine was started")
	}
}

func TestAManifestDescribesTheMachine(t *testing.T) {
	files(t)
	dir := "a folder"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Image", "initrd", "tee.bin"} {
		if err := os.WriteFile(filepath.Join(dir, name), code, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	vm := func(name string, p ...dt.Property) *dt.Node { return dt.NewNode(name, dt.WithProperty(p...)) }
	tree := dt.FDT{Header: dt.Header{Magic: dt.Magic, Version: 17, LastCompVersion: 16}, RootNode: dt.NewNode("/", dt.WithChildren(dt.NewNode("hypervisor",
		dt.WithProperty(dt.PropertyString("compatible", "hafnium,hafnium")),
		dt.WithChildren(
			vm("vm1", dt.PropertyString("debug_name", "linux"), dt.PropertyString("kernel_filename", "Image"), dt.PropertyString("ramdisk_filename", "initrd")),
			vm("vm2", dt.PropertyString("debug_name", "tee"), dt.PropertyString("kernel_filename", "tee.bin"),
				dt.PropertyU32("vcpu_count", 4), dt.PropertyU32("mem_size", 0x200000)),
		))))}
	var blob bytes.Buffer
	if _, err := tree.Write(&blob); err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(dir, "m.dtb")
	if err := os.WriteFile(manifest, blob.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var h fakeHost
	if r := runApp(t, &h, "run", "--manifest", manifest, "--cmdline=quiet"); r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	want := vmm.Config{
		Primary: vmm.Primary{Kernel: dir + "/Image", Initrd: dir + "/initrd", Cmdline: "quiet"},
		Memory:  512 << 20, CPUs: 2, Slice: time.Millisecond, ABI: vmm.FFA, SMCCC: vmm.SMCCC12,
		Secondaries: []vmm.Secondary{{Name: "tee", Image: dir + "/tee.bin", VCPUs: 4, Memory: 0x200000}},
	}
	if diff := cmp.Diff(want, h.ran[0], cmpopts.IgnoreFields(vmm.Config{}, "Log", "ConsoleIn", "ConsoleOut", "DebugLog", "Duties", "API")); diff != "" {
		t.Errorf("machine (-want +got):\n%s", diff)
	}
}

func TestAVMListDescribesTheSecondaries(t *testing.T) {
	files(t, "Image")
	if err := os.Mkdir("disk", 0o700); err != nil {
		t.Fatal(err)
	}
	list := "2097152 4 tee.bin\n1048576 1 tee.bin\n"
	for name, data := range map[string][]byte{"vmlinuz": code, "initrd.img": code, "tee.bin": code, "vms.txt": []byte(list)} {
		if err := os.WriteFile(filepath.Join("disk", name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args    []string
		without string // a file
		primary vmm.Primary
		cpus    int
	}{
		{nil, "", vmm.Primary{Kernel: "disk/vmlinuz", Initrd: "disk/initrd.img"}, 2},
		{[]string{"--primary=Image"}, "", vmm.Primary{Kernel: "Image"}, 2},
		{nil, "disk/initrd.img", vmm.Primary{Kernel: "disk/vmlinuz"}, 2},
		{nil, "disk/vmlinuz", vmm.Primary{}, 1},
	} {
		if c.without != "" {
			if err := os.Remove(c.without); err != nil {
				t.Fatal(err)
			}
		}
		var h fakeHost
		if r := runApp(t, &h, append([]string{"run", "--manifest=disk/vms.txt", "--abi=spci"}, c.args...)...); r.code != 0 {
			t.Fatalf("exit code %d: %s", r.code, r.stderr)
		}
		want := vmm.Config{
			Primary: c.primary,
			Memory:  512 << 20, CPUs: c.cpus, Slice: time.Millisecond,
			Secondaries: []vmm.Secondary{
				{Name: "tee", Image: "disk/tee.bin", VCPUs: 4, Memory: 2 << 20},
				{Name: "tee-2", Image: "disk/tee.bin", VCPUs: 1, Memory: 1 << 20},
			},
		}
		if diff := cmp.Diff(want, h.ran[0], cmpopts.IgnoreFields(vmm.Config{}, "Log", "ConsoleIn", "ConsoleOut", "DebugLog", "Duties", "API")); diff != "" {
			t.Errorf("machine (-want +got):\n%s", diff)
		}
	}
}

func TestLinesOfTheDebugLogCarryTheVMsName(t *testing.T) {
	files(t, "Image")
	for format, want := range map[string]string{"text": "[tee] hello\n", "json": `"vm":"tee","line":"hello"`} {
		h := &fakeHost{}
		logging := &loggingHost{h}
		if r := runApp(t, logging, "run", "--primary=Image", "--log-format", format); !strings.Contains(r.stderr, want) {
			t.Errorf("%s: stderr is %q, want %q in it", format, r.stderr, want)
		}
	}
}

func TestMachineEndsThoughNobodyReadsStandardError(t *testing.T) {
	files(t, "Image")
	for _, where := range []string{"kvm", "lab"} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		stdin, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		a := &app{stdin: stdin, stdout: stdin, stderr: console.NewStderr(write), host: &floodingHost{&fakeHost{}}}
		code := make(chan int, 1)
		go func() {
			code <- a.main(t.Context(), []string{"run", "--primary=Image", "--timeout=100ms", "--host", where})
		}()
		select {
		case c := <-code:
			if c != exitTimeout {
				t.Errorf("%s: exit code %d", where, c)
			}
		case <-time.After(4 * time.Minute):
			t.Errorf("%s: it has not ended after four minutes", where)
		}
		read.Close() // a write that waits ends
		write.Close()
		stdin.Close()
	}
}

// floodingHost runs machines that log more than a pipe holds, until they are stopped.
type floodingHost struct{ *fakeHost }

func (h *floodingHost) run(ctx context.Context, cfg vmm.Config) (vmm.Ending, error) {
	flood(ctx, func(line []byte) {
		cfg.DebugLog("tee", line)
		cfg.Log.Info(string(line))
	})
	return vmm.Cancelled, context.Cause(ctx)
}

func (h *floodingHost) lab(ctx context.Context, job lab.Job) (int, error) {
	job.Started()
	flood(ctx, func(line []byte) { _, _ = job.Stderr.Write(line) })
	return 0, ctx.Err()
}

func flood(ctx context.Context, log func(line []byte)) {
	line := bytes.Repeat([]byte("x"), 200)
	for n := 0; n < 1000 || ctx.Err() == nil; n++ {
		log(line)
	}
}

// loggingHost runs machines in which a VM logs a line.
type loggingHost struct{ *fakeHost }

func (h *loggingHost) run(ctx context.Context, cfg vmm.Config) (vmm.Ending, error) {
	cfg.DebugLog("tee", []byte("hello"))
	return h.fakeHost.run(ctx, cfg)
}
