package kvmarm

// Cap is a capability number for [System.Capability] and [VM.EnableCap] (KVM API §4.4, §4.37).
type Cap uint32

// The capabilities that an arm64 VMM asks about.
const (
	CapNRVCPUs          Cap = 9   // recommended number of vCPUs per VM
	CapNRMemslots       Cap = 10  // number of memslots per VM
	CapMPState          Cap = 14  // MPState
	CapMaxVCPUs         Cap = 66  // greatest number of vCPUs per VM
	CapReadonlyMem      Cap = 81  // ReadOnly memslots
	CapGuestDebugHWBPs  Cap = 119 // number of hardware breakpoints
	CapImmediateExit    Cap = 136 // SetImmediateExit
	CapARMUserIRQ       Cap = 144 // DeviceIRQLevel of a VM without an interrupt controller in the kernel
	CapARMVMIPASize     Cap = 165 // greatest IPA size in bits for CreateVM
	CapARMIRQLineLayout Cap = 174 // more than 256 vCPUs in SetIRQLine
	CapARMNISVToUser    Cap = 177 // ExitARMNISV; must be enabled
	CapARMInjectExtDABT Cap = 178 // Events.ExtAbortPending
	CapBinaryStatsFD    Cap = 203 // Stats
	CapCounterOffset    Cap = 227 // SetCounterOffset
	CapRegMaskRanges    Cap = 230 // ID registers can be written (Linux 6.7)
)
