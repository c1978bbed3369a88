package kvmarm

import "strconv"

// Exit says why KVM_RUN came back (KVM API §5, exit_reason).
type Exit uint32

// The exits that arm64 has.
const (
	ExitHypercall     Exit = 3  // see [VCPU.Hypercall]
	ExitDebug         Exit = 4  // see [VCPU.Debug]
	ExitMMIO          Exit = 6  // see [VCPU.MMIO]
	ExitShutdown      Exit = 8  // the vCPU cannot go on
	ExitFailEntry     Exit = 9  // see [VCPU.Failure]
	ExitIntr          Exit = 10 // what stands there after some EINTR; Run never returns nil with it
	ExitInternalError Exit = 17 // see [VCPU.Failure]
	ExitSystemEvent   Exit = 24 // see [VCPU.SystemEvent]
	ExitARMNISV       Exit = 28 // see [VCPU.NISV]
	ExitMemoryFault   Exit = 39 // KVM_RUN failed with EFAULT on memory of its own
)

var exitNames = map[Exit]string{
	ExitHypercall:     "hypercall",
	ExitDebug:         "debug",
	ExitMMIO:          "MMIO",
	ExitShutdown:      "shutdown",
	ExitFailEntry:     "failed entry",
	ExitIntr:          "interrupted",
	ExitInternalError: "internal error",
	ExitSystemEvent:   "system event",
	ExitARMNISV:       "data abort without syndrome",
	ExitMemoryFault:   "memory fault",
}

func (e Exit) String() string {
	if s, ok := exitNames[e]; ok {
		return s
	}
	return "exit " + strconv.FormatUint(uint64(e), 10)
}

// HypercallFlags describe the instruction of an [ExitHypercall].
type HypercallFlags uint64

const (
	// HypercallSMC is set for SMC and clear for HVC.
	HypercallSMC HypercallFlags = 1 << 0
	// Hypercall16Bit is set when the instruction is two bytes long; only AArch32 guests have such.
	Hypercall16Bit HypercallFlags = 1 << 1
)

// MMIO is a data access to an address without a memslot, or a write to a read-only one.
type MMIO struct {
	Addr  uint64 // IPA
	Data  uint64 // what is written, zero-extended; 0 for a read
	Len   int    // 1, 2, 4 or 8 bytes
	Write bool
}

// SystemEventType says what a guest asked the kernel for, or what woke it.
type SystemEventType uint32

// The types of a system event.
const (
	SystemEventShutdown SystemEventType = 1
	SystemEventReset    SystemEventType = 2
	SystemEventCrash    SystemEventType = 3
	SystemEventWakeup   SystemEventType = 4 // an interrupt is pending for a vCPU in MPSuspended
	SystemEventSuspend  SystemEventType = 5
)

// DeviceIRQ is the set of in-kernel devices that drive an interrupt line high, for a VM whose
// interrupt controller is not in the kernel (CapARMUserIRQ).
type DeviceIRQ uint64

// The devices of a DeviceIRQ.
const (
	DeviceIRQVirtualTimer  DeviceIRQ = 1 << 0
	DeviceIRQPhysicalTimer DeviceIRQ = 1 << 1
	DeviceIRQPMU           DeviceIRQ = 1 << 2
)
