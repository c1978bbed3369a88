package sdei

import "github.com/hfvmm/hfvmm/hypercall"

// The functions (DEN0054C §5.1), SMC64 only.
const (
	Version             hypercall.FuncID = 0xC4000020
	EventRegister       hypercall.FuncID = 0xC4000021
	EventEnable         hypercall.FuncID = 0xC4000022
	EventDisable        hypercall.FuncID = 0xC4000023
	EventContext        hypercall.FuncID = 0xC4000024
	EventComplete       hypercall.FuncID = 0xC4000025
	EventCompleteResume hypercall.FuncID = 0xC4000026
	EventUnregister     hypercall.FuncID = 0xC4000027
	EventStatus         hypercall.FuncID = 0xC4000028
	EventGetInfo        hypercall.FuncID = 0xC4000029
	EventRoutingSet     hypercall.FuncID = 0xC400002A
	PEMask              hypercall.FuncID = 0xC400002B
	PEUnmask            hypercall.FuncID = 0xC400002C
	InterruptBind       hypercall.FuncID = 0xC400002D
	InterruptRelease    hypercall.FuncID = 0xC400002E
	EventSignal         hypercall.FuncID = 0xC400002F
	Features            hypercall.FuncID = 0xC4000030
	PrivateReset        hypercall.FuncID = 0xC4000031
	SharedReset         hypercall.FuncID = 0xC4000032
	rangeSize                            = 0x20 // functions that belong to the interface, served or not
	numCalls                             = int(SharedReset-Version) + 1
)

// result is what a call returns in x0 (DEN0054C §5.1.1): an error, or something that is not negative.
type result int64

const (
	success       result = 0
	notSupported  result = -1
	invalid       result = -2
	denied        result = -3
	pending       result = -5
	outOfResource result = -10

	// noResult leaves x0 as it is.
	noResult result = -1 << 63
)

// VersionResult is what VERSION returns: 1.1 of the vendor "hfvm".
const VersionResult = 1<<48 | 1<<32 | 0x6866766D

// Event numbers (DEN0054C §4.3): bit 30 marks those of a vendor, bits 29 to 24 and 31 are zero.
const (
	SoftwareSignaled uint32 = 0 // the one event that EVENT_SIGNAL takes
	VendorEvents     uint32 = 0x4000_0000
	eventReserved    uint32 = 0xBF00_0000

	// Events of bound interrupts: one for each slot.
	privateSlotEvents = VendorEvents | 0x100
	sharedSlotEvents  = VendorEvents | 0x200
)

// Slots for bound interrupts, as FEATURES reports them.
const (
	PrivateSlots = 2
	SharedSlots  = 4
)

// Flags of EVENT_REGISTER (DEN0054C §5.1.2).
const (
	flagRouteToPE = 1 << 0
	flagRelative  = 1 << 1 // the handler is an offset from VBAR_EL1
	flagsKnown    = flagRouteToPE | flagRelative
)

// Routing modes of shared events.
const (
	routeAny  = 0
	routeToPE = 1
)

// What EVENT_GET_INFO tells (DEN0054C §5.1.10).
const (
	infoType = iota
	infoSignaled
	infoPriority
	infoRoutingMode
	infoRoutingAffinity
)

// What FEATURES tells (DEN0054C §5.1.17).
const (
	featureBindSlots = iota
	featureRelativeMode
)

// INTIDs of the GIC.
const (
	firstPPI = 16
	firstSPI = 32
	endSPI   = 1020
)
