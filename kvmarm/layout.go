package kvmarm

// The structures that cross the kernel boundary, from linux/kvm.h and arch/arm64's asm/kvm.h. They
// hold no bool, no Go pointer and no implicit padding, and are the same on every 64-bit machine.

// Where the union of exit data lies in struct kvm_run.
const (
	exitOffset = 32
	exitSize   = 256
)

// runPage is the part of struct kvm_run that arm64 uses.
type runPage struct {
	requests       uint32 // byte 0: request_interrupt_window; byte 1: immediate_exit
	_              uint32
	exitReason     uint32
	_              [4]uint8
	_              [2]uint64 // x86: cr8, apic_base
	exit           [exitSize]uint8
	_              [2]uint64 // kvm_valid_regs, kvm_dirty_regs
	deviceIRQLevel uint64    // s.regs
}

// immediateExit is the byte immediate_exit, seen in runPage.requests on a little-endian machine.
const immediateExit = 1 << 8

type exitHypercall struct {
	nr    uint64
	_     [7]uint64 // args, ret
	flags uint64
}

type exitDebug struct {
	hsr     uint32
	hsrHigh uint32
	far     uint64
}

type exitMMIO struct {
	physAddr uint64
	data     [8]uint8
	len      uint32
	isWrite  uint8
	_        [3]uint8
}

type exitFailEntry struct {
	reason uint64
	cpu    uint32
	_      uint32
}

type exitInternal struct {
	suberror uint32
	_        uint32     // ndata
	_        [16]uint64 // data
}

type exitSystemEvent struct {
	kind uint32
	_    uint32     // ndata
	_    [16]uint64 // data
}

type exitNISV struct {
	esrISS   uint64
	faultIPA uint64
}

type memoryRegion struct {
	slot          uint32
	flags         uint32
	guestPhysAddr uint64
	memorySize    uint64
	userspaceAddr uint64
}

type irqLevel struct {
	irq   uint32
	level uint32
}

type enableCap struct {
	cap   uint32
	flags uint32
	args  [4]uint64
	_     [64]uint8
}

type oneReg struct {
	id   uint64
	addr uint64
}

type vcpuInit struct {
	target   uint32
	features [7]uint32
}

type deviceAttr struct {
	flags uint32
	group uint32
	attr  uint64
	addr  uint64
}

type createDevice struct {
	kind  uint32
	fd    uint32
	flags uint32
}

type smcccFilter struct {
	base        uint32
	nrFunctions uint32
	action      uint8
	_           [15]uint8
}

const debugRegisters = 16

type guestDebug struct {
	control uint32
	_       uint32
	bcr     [debugRegisters]uint64
	bvr     [debugRegisters]uint64
	wcr     [debugRegisters]uint64
	wvr     [debugRegisters]uint64
}

type vcpuEvents struct {
	serrorPending  uint8
	serrorHasESR   uint8
	extDABTPending uint8
	_              [5]uint8
	serrorESR      uint64
	_              [12]uint32
}

type counterOffset struct {
	offset uint64
	_      uint64
}

// statsHeader and statsDesc are read from a file; their fields are exported for encoding/binary.
type statsHeader struct {
	Flags      uint32
	NameSize   uint32
	NumDesc    uint32
	IDOffset   uint32
	DescOffset uint32
	DataOffset uint32
}

// statsDesc is followed by NameSize bytes of name.
type statsDesc struct {
	Flags      uint32
	Exponent   int16
	Size       uint16
	Offset     uint32
	BucketSize uint32
}
