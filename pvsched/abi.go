package pvsched

import "github.com/hfvmm/hfvmm/hypercall"

// The functions, of the range of Standard Hypervisor Services (DEN0028 §6), SMC64 only
// (openEuler Documentation/virtual/kvm/arm/pvsched.txt; KickCPU came with its kernel 5.10).
const (
	Features   hypercall.FuncID = 0xC5000090 // w1: a function of these
	IPAInit    hypercall.FuncID = 0xC5000091 // x1: IPA of the calling vCPU's state
	IPARelease hypercall.FuncID = 0xC5000092
	KickCPU    hypercall.FuncID = 0xC5000093 // w1: index of a vCPU of the calling VM
)

// rangeSize is how many functions belong to the service, served or not.
const rangeSize = 0x10

// What the calls return in x0 (DEN0028 §5.2). x1 to x3 are zero.
const (
	success          = uint64(0)
	notSupported     = ^uint64(0)     // -1
	invalidParameter = ^uint64(3) + 1 // -3
)

// StateSize is the size and the alignment of a vCPU's state, bytes. Its first word, little-endian, is
// `preempted`; the others are never read or written.
const StateSize = 64

// Values of `preempted`.
const (
	running   = 0
	preempted = 1
)
