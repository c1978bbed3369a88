package main

import (
	"log/slog"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/console"
	"github.com/hfvmm/hfvmm/vmm/scheduler"
)

// options are the flags of `hfvmm run`.
type options struct {
	flags *pflag.FlagSet

	primary     string
	initrd      string
	cmdline     string
	mem         size
	cpus        vcpuCount
	reported    vcpuCount
	secondaries secondaries
	manifest    string
	scheduler   choice
	abi         choice
	strict      bool
	version     choice
	conduit     choice
	smccc       choice
	idRegs      choice
	sdei        choice
	pvsched     choice
	check       choice
	checkFormat choice
	slice       span
	watchdog    span
	serial      console.Spec
	timeout     span
	apiSocket   string
	host        choice
	labKernel   string
	dumpDTB     string
	verbose     bool
	logFormat   choice
}

// ffaVersions are the versions of FF-A that a machine can offer.
var ffaVersions = [...]wire.Version{wire.Version10, wire.Version11, wire.Version12, wire.Version13}

// The conduits.
const (
	hvc = "hvc"
	smc = "smc"
)

func newOptions() *options {
	return &options{
		mem:         512 << 20,
		cpus:        2,
		scheduler:   choice{scheduler.RoundRobin.String(), words(scheduler.Policies[:])},
		version:     choice{wire.Version12.String(), words(ffaVersions[:])},
		abi:         choice{"", words(vmm.ABIs[:])}, // see abiOf
		conduit:     choice{hvc, []string{hvc, smc}},
		smccc:       choice{"", words(vmm.SMCCCs[:])}, // as the interface wants it
		idRegs:      choice{vmm.HostIDRegs.String(), words(vmm.AllIDRegs[:])},
		sdei:        scopeChoice(),
		pvsched:     scopeChoice(),
		check:       choice{vmm.CheckOff.String(), words(vmm.Checks[:])},
		checkFormat: choice{"text", []string{"text", "json"}},
		slice:       span(time.Millisecond),
		host:        choice{"auto", []string{"auto", "kvm", "lab"}},
		logFormat:   choice{"text", []string{"text", "json"}},
	}
}

func (o *options) addFlags(f *pflag.FlagSet) {
	o.flags = f
	f.SortFlags = false
	f.StringVar(&o.primary, "primary", "", "kernel of the primary VM: an arm64 Linux `IMAGE` (plain, gzip or EFI zboot)")
	f.StringVar(&o.initrd, "initrd", "", "`FILE` with the initramfs of the primary")
	f.StringVar(&o.cmdline, "cmdline", "", "`STRING` that the primary gets as its kernel command line")
	f.Var(&o.mem, "mem", "RAM of the machine, secondaries included")
	f.Var(&o.cpus, "cpus", "vCPUs of the primary; without one, threads of hfvmm's scheduler, of which there is 1 unless this says more")
	f.Var(&o.reported, "primary-vcpu-count-reported", "vCPUs that the primary is told it has, for schedulers that want to hear 8; --cpus unless given")
	f.Var(&o.secondaries, "secondary", "a secondary VM, repeatable: a flat binary or an FF-A partition package, and any of name=NAME, vcpus=N (1), mem=SIZE (1M), uuid=UUID[+UUID]... of its FF-A services or manifest=FILE of an FF-A partition, role=vm|sp, notify=npi|sri|both|none; with gic=v3 a kernel that boots as the primary does, and initrd=FILE, cmdline=STRING. A value with a comma stands in quotes, which the shell must leave: '…,cmdline=\"a,b\"'")
	f.Var(&o.scheduler, "scheduler", "without a primary: rr runs the vCPUs of the secondaries in turn, fifo each until it blocks")
	f.StringVar(&o.manifest, "manifest", "", "`FILE` with a Hafnium manifest (.dts or .dtb), in place of --primary and --secondary, or Hafnium's older vms.txt (.txt), in place of --secondary")
	f.Var(&o.abi, "abi", "interface between the VMs and hfvmm; unless given ffa, but spci without a primary or with --check-scheduler")
	f.BoolVar(&o.strict, "ffa-strict", false, "refuse FF-A memory transactions that Hafnium refuses, though others accept them")
	f.Var(&o.version, "ffa-version", "latest version of FF-A that VMs can negotiate; of 1.3 there is no more than its descriptors of partitions")
	f.Var(&o.conduit, "conduit", "instruction with which Linux is told to call hfvmm")
	f.Var(&o.smccc, "smccc-version", "version of the calling convention that VMs are told: what the host's KVM says, which is 1.1, or 1.2, without which Linux's FF-A driver does not start; 1.2 with --abi=ffa unless given")
	f.Var(&o.idRegs, "id-regs", "what ID registers tell VMs: all of the host's processor, or no more than code written for Hafnium in 2019 takes (pages of 4 KiB, addresses of 48 bits)")
	f.Var(&o.sdei, "sdei", "VMs that can register for software delegated exceptions (SDEI)")
	f.Var(&o.pvsched, "pvsched", "VMs that can ask which of their vCPUs are scheduled out (PV_SCHED)")
	f.Var(&o.check, "check-scheduler", "hold the primary to the duties of a scheduler: warn reports each breach and counts, strict also ends the machine at the first breach of a MUST or MUST NOT")
	f.Lookup("check-scheduler").NoOptDefVal = vmm.CheckWarn.String()
	f.Var(&o.checkFormat, "check-format", "how --check-scheduler writes its table on standard error")
	f.Var(&o.slice, "slice", "longest run of a secondary before its CPU is given back to the primary")
	f.Var(&o.watchdog, "watchdog", "give the primary a watchdog: if it is not petted for this time it raises an SDEI event, and after as long again it ends the machine; needs --sdei")
	f.Var(&o.serial, "serial", "where the serial line of the primary goes, or without a primary the lines")
	f.StringVar(&o.apiSocket, "api-socket", "", "`PATH` of a Unix socket at which hfvmm status, pause, resume, event and power-off, or HTTP, control the machine")
	f.Var(&o.timeout, "timeout", "end the machine after this time")
	f.Var(&o.host, "host", "auto uses KVM where it can be used and otherwise an emulated arm64 host")
	f.StringVar(&o.labKernel, "lab-kernel", "", "`FILE` with the arm64 Linux kernel of the emulated host")
	f.StringVar(&o.dumpDTB, "dump-dtb", "", "write the primary's device tree to `FILE` and exit")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	f.Var(&o.logFormat, "log-format", "how to write the log on standard error")
}

// abiOf is the interface of the machine: FF-A, but for what only knows the interfaces of 2019.
func (o *options) abiOf(cfg *vmm.Config) vmm.ABI {
	switch {
	case o.abi.value != "":
		return vmm.ABI(o.abi.index())
	case cfg.Builtin(), cfg.Check != vmm.CheckOff:
		return vmm.SPCI
	}
	return vmm.FFA
}

// config is the machine that the flags describe. It looks at every file that they name, so that a
// mistake is told before anything starts.
func (o *options) config(log *slog.Logger) (vmm.Config, error) {
	cfg := vmm.Config{
		Primary:     vmm.Primary{Kernel: o.primary, Initrd: o.initrd, Cmdline: o.cmdline},
		Memory:      uint64(o.mem),
		CPUs:        int(o.cpus),
		Secondaries: o.secondaries,
		SMC:         o.conduit.value == smc,
		IDRegs:      vmm.IDRegs(o.idRegs.index()),
		SDEI:        scope(o.sdei),
		PVSched:     scope(o.pvsched),
		Check:       vmm.Check(o.check.index()),
		Scheduler:   scheduler.Policy(o.scheduler.index()),
		Slice:       time.Duration(o.slice),
		Watchdog:    time.Duration(o.watchdog),
	}
	cfg.ReportedCPUs = int(o.reported)
	if o.given("ffa-version") {
		cfg.FFA = ffaVersions[o.version.index()]
	}
	cfg.Strict = o.strict
	if err := o.readManifest(&cfg, log); err != nil {
		return cfg, err
	}
	cfg.ABI = o.abiOf(&cfg)
	if o.smccc.value != "" {
		cfg.SMCCC = vmm.SMCCC(o.smccc.index())
	} else if cfg.ABI == vmm.FFA {
		cfg.SMCCC = vmm.SMCCC12
	}
	if err := o.checkPrimary(&cfg); err != nil {
		return cfg, err
	}
	if err := o.checkFiles(&cfg); err != nil {
		return cfg, err
	}
	return cfg, readPartitions(&cfg)
}

// given reports whether the command line sets a flag.
func (o *options) given(flag string) bool { return o.flags.Changed(flag) }

// scopeChoice is a flag value that says which VMs have a service. At first none has.
func scopeChoice() choice {
	return choice{vmm.Nobody.String(), words(vmm.Scopes[:])}
}

// scope is the scope that such a value names.
func scope(c choice) vmm.Scope { return vmm.Scope(c.index()) }

// checkFiles refuses files that cannot be read or hold nothing.
func (o *options) checkFiles(cfg *vmm.Config) error {
	type named struct{ what, path, want string }
	var files []named
	if !cfg.Builtin() {
		files = append(files, named{"--primary", cfg.Primary.Kernel, "an arm64 Linux image"})
	}
	if cfg.Primary.Initrd != "" {
		files = append(files, named{"--initrd", cfg.Primary.Initrd, "an initramfs"})
	}
	for _, s := range cfg.Secondaries {
		what, want := "secondary "+strconv.Quote(s.Name), "a flat binary"
		if s.GIC {
			want = "an arm64 Linux image"
		}
		files = append(files, named{what, s.Image, want})
		if s.Initrd != "" {
			files = append(files, named{what, s.Initrd, "an initramfs"})
		}
		if s.ManifestFile != "" {
			files = append(files, named{"manifest of " + what, s.ManifestFile, "an FF-A partition manifest"})
		}
	}
	if o.labKernel != "" {
		files = append(files, named{"--lab-kernel", o.labKernel, "an arm64 Linux image"})
	}
	for _, f := range files {
		if err := checkFile(f.path); err != nil {
			return usageErrorf("%s: %w; give the path of %s", f.what, err, f.want)
		}
	}
	return nil
}
