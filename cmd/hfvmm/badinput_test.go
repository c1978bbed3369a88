package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/dt"

	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/vmm/lab"
)

func TestBadInputIsRefusedWithItsNameAndARemedy(t *testing.T) {
	tests := []struct {
		name string
		args []string
		says []string // the thing, then the remedy
	}{
		{"nothing to run", []string{}, []string{"nothing to run", "give --primary IMAGE, --secondary IMAGE"}},
		{"initrd without primary", []string{"--secondary=echo", "--initrd=Image"}, []string{"--initrd is for a primary", "give --primary IMAGE as well"}},
		{"command line without primary", []string{"--secondary=echo", "--cmdline=quiet"}, []string{"--cmdline is for a primary", "or drop it"}},
		{"device tree without primary", []string{"--secondary=echo", "--dump-dtb=x"}, []string{"--dump-dtb is for a primary", "or drop it"}},
		{"count of vCPUs without primary", []string{"--secondary=echo", "--primary-vcpu-count-reported=8"}, []string{"--primary-vcpu-count-reported is for", "or drop it"}},
		{"SDEI of no primary", []string{"--secondary=echo", "--sdei=primary"}, []string{"--sdei primary is for a primary", "or --sdei all"}},
		{"PV_SCHED of no primary", []string{"--secondary=echo", "--pvsched=primary"}, []string{"--pvsched primary is for a primary", "or --pvsched all"}},
		{"scheduler beside a primary", []string{"--primary=Image", "--scheduler=fifo"}, []string{"--scheduler is for machines without a primary", "drop"}},
		{"unknown scheduler", []string{"--secondary=echo", "--scheduler=fair"}, []string{"--scheduler", `"fair"`, "give rr or fifo"}},
		{"missing secondary without primary", []string{"--secondary=gone"}, []string{`secondary "gone": cannot read "gone"`, "give the path"}},
		{"missing kernel", []string{"--primary", "gone"}, []string{`--primary: cannot read "gone": no such file`, "give the path"}},
		{"kernel is a directory", []string{"--primary", "dir"}, []string{`"dir" is a directory`, "give the path"}},
		{"kernel is empty", []string{"--primary", "empty"}, []string{`"empty" is empty`, "give the path"}},
		{"kernel is a device", []string{"--primary", os.DevNull}, []string{`is not a regular file`, "give the path"}},
		{"missing initrd", []string{"--primary=Image", "--initrd=gone"}, []string{`--initrd: cannot read "gone"`, "give the path"}},
		{"missing secondary", []string{"--primary=Image", "--secondary=gone"}, []string{`secondary "gone": cannot read "gone"`, "give the path"}},
		{"secondary is empty", []string{"--primary=Image", "--secondary=empty"}, []string{`"empty" is empty`, "give the path"}},
		{"missing lab kernel", []string{"--primary=Image", "--lab-kernel=gone"}, []string{`--lab-kernel: cannot read "gone"`, "give the path"}},

		{"no CPUs", []string{"--primary=Image", "--cpus=0"}, []string{`--cpus`, `"0"`, "give 1 or more"}},
		{"negative CPUs", []string{"--primary=Image", "--cpus=-1"}, []string{`--cpus`, `"-1"`, "give 1 or more"}},
		{"half a CPU", []string{"--primary=Image", "--cpus=1.5"}, []string{`--cpus`, `"1.5"`, "give 1 or more"}},
		{"no memory", []string{"--primary=Image", "--mem=0"}, []string{`--mem`, `"0"`, "such as 512M"}},
		{"memory is a word", []string{"--primary=Image", "--mem=much"}, []string{`--mem`, `"much"`, "such as 512M"}},
		{"negative memory", []string{"--primary=Image", "--mem=-1M"}, []string{`--mem`, `"-1M"`, "such as 512M"}},
		{"memory overflows", []string{"--primary=Image", "--mem=99999999999G"}, []string{`--mem`, "99999999999G", "give a smaller one"}},
		{"half a page", []string{"--primary=Image", "--mem=2049"}, []string{`--mem`, `"2049"`, "4 KiB"}},
		{"negative slice", []string{"--primary=Image", "--slice=-1ms"}, []string{`--slice`, `"-1ms"`, "like 1ms"}},
		{"no slice", []string{"--primary=Image", "--slice=0"}, []string{`--slice`, `"0"`, "like 1ms"}},
		{"slice without unit", []string{"--primary=Image", "--slice=5"}, []string{`--slice`, `"5"`, "like 1ms"}},
		{"negative timeout", []string{"--primary=Image", "--timeout=-1s"}, []string{`--timeout`, `"-1s"`, "30s"}},
		{"unknown role", []string{"--primary=Image", "--secondary=a.bin,role=tee"}, []string{"role", `"tee"`, "give vm or sp"}},
		{"unknown way to be notified", []string{"--primary=Image", "--secondary=a.bin,notify=usual"}, []string{"notify", `"usual"`, "give npi or sri or both or none"}},
		{"unknown abi", []string{"--primary=Image", "--abi=xen"}, []string{`--abi`, `"xen"`, "give spci, hf or ffa"}},
		{"unknown scope of SDEI", []string{"--primary=Image", "--sdei=some"}, []string{`--sdei`, `"some"`, "give off, primary or all"}},
		{"unknown check of the scheduler", []string{"--primary=Image", "--check-scheduler=hard"}, []string{`--check-scheduler`, `"hard"`, "give off, warn or strict"}},
		{"unknown scope of PV_SCHED", []string{"--primary=Image", "--pvsched=some"}, []string{`--pvsched`, `"some"`, "give off, primary or all"}},
		{"unknown host", []string{"--primary=Image", "--host=moon"}, []string{`--host`, `"moon"`, "give auto, kvm or lab"}},
		{"unknown log format", []string{"--primary=Image", "--log-format=xml"}, []string{`"xml"`, "give text or json"}},
		{"unknown serial", []string{"--primary=Image", "--serial=tty"}, []string{`--serial`, `"tty"`, "give stdio"}},
		{"serial without path", []string{"--primary=Image", "--serial=unix="}, []string{`--serial`, `"unix="`, "unix=PATH"}},

		{"secondary without image", []string{"--primary=Image", "--secondary=name=x"}, []string{"--secondary", "no image", "flat binary"}},
		{"secondary without anything", []string{"--primary=Image", "--secondary="}, []string{"--secondary", "image", "IMAGE[,name"}},
		{"secondary with unknown key", []string{"--primary=Image", "--secondary=echo,cpu=1"}, []string{`"cpu" is not a key`, "the keys are"}},
		{"secondary with a key twice", []string{"--primary=Image", "--secondary=echo,mem=1M,mem=2M"}, []string{"mem is given twice", "once"}},
		{"secondary with two images", []string{"--primary=Image", "--secondary=echo,image=x"}, []string{"image is given twice", "once"}},
		{"secondary with a bare word", []string{"--primary=Image", "--secondary=echo,fast"}, []string{`"fast" has no key`, "key=value"}},
		{"secondary with no vCPUs", []string{"--primary=Image", "--secondary=echo,vcpus=0"}, []string{"vcpus", `"0"`, "give 1 or more"}},
		{"secondary with odd memory", []string{"--primary=Image", "--secondary=echo,mem=100"}, []string{"mem", `"100"`, "4 KiB"}},
		{"secondary with an open quote", []string{"--primary=Image", "--secondary='echo"}, []string{"quote", "close it"}},
		{"two secondaries of one name", []string{"--primary=Image", "--secondary=echo,name=a", "--secondary=echo,name=a"}, []string{`name "a" is taken`, "another"}},

		{"manifest and primary", []string{"--manifest=m.dts", "--primary=Image"}, []string{`--manifest "m.dts"`, "drop"}},
		{"manifest and secondary", []string{"--manifest=m.dts", "--secondary=echo"}, []string{`--manifest "m.dts"`, "drop"}},
		{"unknown flag", []string{"--frobnicate"}, []string{"--frobnicate", "hfvmm run --help"}},
		{"flag without value", []string{"--primary"}, []string{"--primary", "hfvmm run --help"}},
		{"word without flag", []string{"Image"}, []string{`"Image" belongs to no flag`, "hfvmm run --help"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files(t, "Image", "echo", "m.dts")
			if err := os.WriteFile("empty", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir("dir", 0o700); err != nil {
				t.Fatal(err)
			}
			var h fakeHost
			r := runApp(t, &h, append([]string{"run"}, tt.args...)...)
			if r.code != exitUsage {
				t.Errorf("exit code %d, want %d", r.code, exitUsage)
			}
			if len(h.ran) > 0 {
				t.Error("a machine was started")
			}
			if r.stdout != "" {
				t.Errorf("stdout is %q, want nothing", r.stdout)
			}
			if !strings.HasPrefix(r.stderr, "hfvmm: ") || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("stderr is not one sentence:\n%s", r.stderr)
			}
			for _, s := range tt.says {
				if !strings.Contains(r.stderr, s) {
					t.Errorf("stderr lacks %q:\n%s", s, r.stderr)
				}
			}
		})
	}
}

// What is wrong with the machine is told without a host, before one is emulated.
func TestABadMachineIsRefusedBeforeAHostIsEmulated(t *testing.T) {
	tests := []struct {
		name string
		args []string
		says []string
	}{
		{"slice of nothing", []string{"--primary=Image", "--slice=3ns"}, []string{"a slice of 3ns", "give it 10µs or more"}},
		{"600 CPUs", []string{"--primary=Image", "--cpus=600"}, []string{"600 CPUs", "give the primary 1 to"}},
		{"600 vCPUs", []string{"--primary=Image", "--secondary=echo,vcpus=600"}, []string{"secondary echo has 600 vCPUs", "give it 1 to"}},
		{"secondary larger than RAM", []string{"--primary=Image", "--secondary=echo,mem=1G"}, []string{"secondary echo wants", "raise --mem"}},
		{"secondary larger than RAM, no primary", []string{"--secondary=echo,mem=1G"}, []string{"secondary echo wants", "raise --mem"}},
		{"FF-A without primary", []string{"--secondary=echo", "--abi=ffa"}, []string{"the built-in scheduler does not speak ffa", "choose --abi spci or hf"}},
		{"64 secondaries", append([]string{"--primary=Image", "--mem=1G"}, slices.Repeat([]string{"--secondary=echo"}, 64)...), []string{"64 secondaries", "give at most 63"}},
		{"two partitions of one id", []string{"--primary=Image", "--abi=ffa", "--secondary=echo,name=a,manifest=p.dtb", "--secondary=echo,name=b,manifest=p.dtb"}, []string{"secondaries a and b both have the FF-A id 0x8005", "give one of them another"}},
		{"600 threads", []string{"--secondary=echo", "--cpus=600"}, []string{"600 CPUs", "give the primary 1 to"}},
		{"image larger than its memory, no primary", []string{"--secondary=large,mem=4K"}, []string{`"large" is larger`, "more memory"}},
		{"secondaries that leave nothing", []string{"--primary=Image", "--mem=4M", "--secondary=echo,mem=4M"}, []string{"leave the primary", "raise --mem"}},
		{"image larger than its memory", []string{"--primary=Image", "--secondary=large,mem=4K"}, []string{`"large" is larger`, "more memory"}},
		{"kernel larger than memory", []string{"--primary=huge", "--mem=2M"}, []string{`"huge" is larger`, "more memory"}},
		{"x86 kernel", []string{"--primary=x86"}, []string{`"x86" is`, "arm64"}},
		{"truncated gzip", []string{"--primary=gzip"}, []string{`"gzip"`, "again"}},
		{"manifest that is text", []string{"--manifest=text"}, []string{`"text" is no device tree`, "give a source"}},
		{"VM list and secondary", []string{"--manifest=vms.txt", "--secondary=echo"}, []string{`--manifest "vms.txt"`, "drop --secondary"}},
		{"VM list that is missing", []string{"--manifest=gone.txt"}, []string{`"gone.txt": no such file`, "check the path"}},
		{"manifest that is missing", []string{"--manifest=gone"}, []string{`"gone": no such file`, "check the path"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files(t, "Image", "echo")
			x86 := make([]byte, 4096)
			copy(x86[0x1fe:], "\x55\xaa")
			copy(x86[0x202:], "HdrS")
			for name, b := range map[string][]byte{
				"large": append(code, make([]byte, 4096)...), "huge": append(code, make([]byte, 4<<20)...),
				"p.dtb": partitionBlob(t, dt.Property{Name: "id", Value: []byte{0, 0, 0x80, 5}}),
				"x86":   x86, "gzip": {0x1f, 0x8b, 8, 0, 0}, "text": []byte("hello\n"),
			} {
				if err := os.WriteFile(name, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			h := fakeHost{noKVM: kvmarm.ErrUnsupported}
			r := runApp(t, &h, append([]string{"run"}, tt.args...)...)
			if r.code != exitUsage || len(h.jobs) > 0 {
				t.Errorf("exit code %d, want %d; %d labs", r.code, exitUsage, len(h.jobs))
			}
			if !strings.HasPrefix(r.stderr, "hfvmm: ") || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("stderr is not one sentence:\n%s", r.stderr)
			}
			for _, s := range tt.says {
				if !strings.Contains(r.stderr, s) {
					t.Errorf("stderr lacks %q:\n%s", s, r.stderr)
				}
			}
		})
	}
}

func TestAHostThatCannotBeEmulatedIsToldWhy(t *testing.T) {
	files(t, "Image")
	check := func(says ...string) {
		t.Helper()
		r := runApp(t, thisHost{}, "run", "--primary=Image", "--host=lab")
		if r.code != exitNoKVM || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
		for _, s := range append(says, "none can be emulated") {
			if !strings.Contains(r.stderr, s) {
				t.Errorf("stderr lacks %q: %s", s, r.stderr)
			}
		}
	}
	if inside, err := lab.Executable(); err != nil {
		check("-linux-arm64", "make build") // this test is not installed beside an hfvmm for arm64
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		inside = self + "-linux-arm64"
		if err := os.WriteFile(inside, code, 0o700); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(inside)
	} else {
		t.Log("the lab would run", inside)
	}
	t.Setenv("PATH", "")
	t.Setenv("HFVMM_CACHE", t.TempDir())
	check("qemu-system-aarch64", "apt install qemu-system-arm")
}

func TestAnUnreadableKernelIsRefused(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	files(t, "Image")
	if err := os.Chmod("Image", 0); err != nil {
		t.Fatal(err)
	}
	r := runApp(t, &fakeHost{}, "run", "--primary", "Image")
	if r.code != exitUsage || !strings.Contains(r.stderr, `cannot read "Image": permission denied`) {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

func TestAnUnknownCommandIsRefused(t *testing.T) {
	r := runApp(t, &fakeHost{}, "boot")
	if r.code != exitUsage || !strings.Contains(r.stderr, `"boot" is not a command; see`) {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}
