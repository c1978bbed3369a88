package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// Function identifiers of SPCI 0.9, SMC32 form. They are calls, and what calls return in w0.
const (
	spciError            hypercall.FuncID = 0x84000060
	spciSuccess          hypercall.FuncID = 0x84000061
	spciInterrupt        hypercall.FuncID = 0x84000062
	spciVersion          hypercall.FuncID = 0x84000063
	spciFeatures         hypercall.FuncID = 0x84000064
	spciRXRelease        hypercall.FuncID = 0x84000065
	spciRXTXMap          hypercall.FuncID = 0x84000066
	spciPartitionInfoGet hypercall.FuncID = 0x84000068
	spciIDGet            hypercall.FuncID = 0x84000069
	spciMsgPoll          hypercall.FuncID = 0x8400006A
	spciMsgWait          hypercall.FuncID = 0x8400006B
	spciYield            hypercall.FuncID = 0x8400006C
	spciRun              hypercall.FuncID = 0x8400006D
	spciMsgSend          hypercall.FuncID = 0x8400006E
)

// Hafnium's own function identifiers beside SPCI.
const (
	hfVMGetCount         hypercall.FuncID = 0xFF01
	hfVCPUGetCount       hypercall.FuncID = 0xFF02
	hfMailboxWritableGet hypercall.FuncID = 0xFF03
	hfMailboxWaiterGet   hypercall.FuncID = 0xFF04
	hfInterruptEnable    hypercall.FuncID = 0xFF05
	hfInterruptGet       hypercall.FuncID = 0xFF06
	hfInterruptInject    hypercall.FuncID = 0xFF07
	hfShareMemory        hypercall.FuncID = 0xFF08
	hfRunWFI             hypercall.FuncID = 0xFF09 // only ever a result of spciRun
	hfRunWakeUp          hypercall.FuncID = 0xFF0A // only ever a result of spciRun
)

// failed is -1, what Hafnium's own calls return when they fail.
const failed = ^uint64(0)

// spciCodes are the error codes that stand in w2 beside spciError.
var spciCodes = [...]int64{
	notSupported: -1,
	invalid:      -2,
	noMemory:     -3,
	busy:         -4,
	interrupted:  -5,
	denied:       -6,
	retry:        -7,
}

// spciAborted is the error code that only a run result has.
const spciAborted int64 = -8

// spciVersion09 is version 0.9: major in [30:16], minor in [15:0].
const spciVersion09 = 9

// Attributes of a message in w4 of spciMsgSend.
const (
	spciNotify = 1 << 0 // tell me when the receiver's mailbox becomes writable
	spciMemory = 1 << 1 // the message transfers memory
)

// spciInfoSize is the size, in bytes, of what spciPartitionInfoGet tells of a partition: u16 id, u16
// number of vCPUs, u32 properties.
const spciInfoSize = 8

// spciID is the id that SPCI gives VM index: 0 is the hypervisor.
func spciID(index uint16) uint64 { return uint64(index) + 1 }

// spciPair packs two 16-bit numbers into one register, as sender and receiver or VM and vCPU.
func spciPair(high, low uint64) uint64 { return high<<16 | low }

func spciVCPU(id hypercall.VCPUID) uint64 { return spciPair(spciID(id.VM), uint64(id.Index)) }
