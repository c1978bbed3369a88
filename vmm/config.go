package vmm

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/ffa"
	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/vmm/boot"
	"github.com/hfvmm/hfvmm/vmm/scheduler"
)

// Config describes a machine. It is what the command line, a manifest or a test fills in.
type Config struct {
	Primary     Primary // without a kernel hfvmm is the primary itself
	Memory      uint64  // RAM of the whole machine in bytes, whole pages; secondaries are carved from its top
	CPUs        int     // vCPUs of the primary, 1 to 123, which are the machine's physical CPUs
	Secondaries []Secondary

	// ReportedCPUs is how many vCPUs the primary is told that it has, by vcpu_get_count and
	// PARTITION_INFO_GET, 1 to 512, or 0 for CPUs. Schedulers of 2019 want to hear 8.
	ReportedCPUs int

	Scheduler scheduler.Policy // of hfvmm as the primary

	ABI     ABI           // what VMs call
	FFA     wire.Version  // the latest version of FF-A that VMs can negotiate, or 0: 1.2
	Strict  bool          // FF-A's memory transactions are checked as Hafnium does, see ffa.Config
	SMC     bool          // the device tree tells Linux to call with SMC, not HVC
	SMCCC   SMCCC         // the version of calls that VMs are told
	PVSched Scope         // who has PV_SCHED
	SDEI    Scope         // who has SDEI
	IDRegs  IDRegs        // what the ID registers of the processor tell VMs
	Check   Check         // whether the primary's scheduler is held to its duties
	Slice   time.Duration // the longest that a secondary runs before its primary vCPU is asked again, at least 10 µs

	// Watchdog is the first timeout of the primary's watchdog, or 0 for none. It counts from when the primary
	// enables it. The primary must have SDEI.
	Watchdog time.Duration

	// The primary's PL011. If hfvmm is the primary, lines that are messages for the first secondary, and
	// messages to the primary as lines.
	ConsoleIn  io.Reader // nil for none
	ConsoleOut io.Writer
	DebugLog   PartitionLog
	Duties     func([]duty.Tally) // gets what Check counted, when the machine has ended
	Log        *slog.Logger

	API net.Listener // where the machine is controlled from outside, closed at its end; nil for nowhere
}

// ABI is an interface between the VMs and the partition manager. A machine serves one to all VMs.
type ABI uint8

// The interfaces.
const (
	SPCI ABI = iota // Hafnium's of November 2019: SPCI 0.9
	HF              // Hafnium's of January 2019
	FFA             // FF-A 1.0 to 1.2
)

// ABIs are all interfaces, in the order of their values.
var ABIs = [...]ABI{SPCI, HF, FFA}

func (a ABI) String() string { return [...]string{"spci", "hf", "ffa"}[a] }

// PartitionLog receives the lines that VMs print with the debug-log call. A pCPU waits for it, and the machine's end for
// that: it must not wait for a reader for long, and neither must what is behind Config.Log.
type PartitionLog func(vm string, line []byte)

// Primary is what the primary VM boots.
type Primary struct {
	Kernel  string // path of an arm64 Linux image, or of a flat binary; "" for the built-in scheduler
	Initrd  string // path, or "" for none
	Cmdline string
}

// Secondary is one secondary VM.
type Secondary struct {
	Name   string
	Image  string // path of a flat binary, loaded at the first byte of its memory; with GIC, as of Primary.Kernel
	VCPUs  int    // 1 to 256, with GIC to 123
	Memory uint64 // bytes, a multiple of 4 KiB

	// GIC gives it an interrupt controller, timers, a UART and a device tree of its own, and boots it as a primary is.
	GIC     bool
	Initrd  string // path, or "" for none
	Cmdline string

	UUIDs  []wire.UUID // of its FF-A services, by which others find it
	Secure bool        // its FF-A id is a secure partition's
	Notify Notify

	// Manifest is that of an FF-A partition, or nil. It says more than the rest, and must be there if the image is a
	// package of both.
	Manifest     *boot.PartitionManifest
	ManifestFile string // its path, which nothing reads here
}

// services are what the secondary offers by FF-A, by all ways of messaging.
func (s *Secondary) services() (all []ffa.Service) {
	if s.Manifest != nil {
		for _, u := range s.Manifest.Services {
			all = append(all, ffa.Service{UUID: u.UUID, Methods: u.Messaging})
		}
		return all
	}
	for _, u := range s.UUIDs {
		all = append(all, ffa.Service{UUID: u, Methods: ffa.AllMethods})
	}
	return all
}

// Ending says how a machine ended.
type Ending uint8

// The endings.
const (
	PoweredOff   Ending = iota // the primary asked for SYSTEM_OFF, or hfvmm was it and all is done
	WasReset                   // the primary asked for SYSTEM_RESET
	Crashed                    // the primary did something that hfvmm cannot serve
	Misscheduled               // the primary broke a rule to which Check held it
	Failed                     // hfvmm was the primary and a secondary failed
	BadInput                   // hfvmm was the primary and cannot make messages of its input
	Hung                       // the primary did not pet the watchdog
	Cancelled                  // the context was cancelled or its deadline passed
	NotBuilt                   // there never was a machine
)

var (
	// ErrUsage marks mistakes in a Config, such as an image that cannot be booted.
	ErrUsage = errors.New("bad configuration")
	// ErrNoKVM marks a host on which KVM cannot be used.
	ErrNoKVM = errors.New("no usable KVM")
)

func (e Ending) String() string {
	return [...]string{"powered off", "reset", "crashed", "misscheduled", "failed", "bad input", "hung", "cancelled", "not built"}[e]
}
