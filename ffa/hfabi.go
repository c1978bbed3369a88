package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// Function identifiers of Hafnium's interface in January 2019. Only the numbers of this interface start
// with jan: the SPCI one gives other meanings to most of them.
const (
	janVMGetID            hypercall.FuncID = 0xFF00
	janVMGetCount         hypercall.FuncID = 0xFF01
	janVCPUGetCount       hypercall.FuncID = 0xFF02
	janVCPURun            hypercall.FuncID = 0xFF03
	janVCPUYield          hypercall.FuncID = 0xFF04
	janVMConfigure        hypercall.FuncID = 0xFF05
	janMailboxSend        hypercall.FuncID = 0xFF06
	janMailboxReceive     hypercall.FuncID = 0xFF07
	janMailboxClear       hypercall.FuncID = 0xFF08
	janMailboxWritableGet hypercall.FuncID = 0xFF09
	janMailboxWaiterGet   hypercall.FuncID = 0xFF0A
	janInterruptEnable    hypercall.FuncID = 0xFF0B
	janInterruptGet       hypercall.FuncID = 0xFF0C
	janInterruptInject    hypercall.FuncID = 0xFF0D
)

// Codes of a run result, in bits [7:0].
const (
	janPreempted        = 0
	janYield            = 1
	janWaitForInterrupt = 2 // also of a vCPU that cannot be run, whatever the reason
	janWakeUp           = 3 // VM in [63:32], vCPU in [31:16]
	janMessage          = 4 // for the primary: size in [63:32]
	janSleep            = 5 // ns in [63:8]
	janNotifyWaiters    = 6
)

const (
	janNoVM   = 0xFFFF_FFFF // the sender where there is no message
	janNoVCPU = 0xFFFF      // the vCPU where the scheduler chooses one

	janSleepMax = 1<<56 - 1 // ns
)

// HFBoot is the state in which vCPU 0 of a secondary starts in the interface of January 2019: at the first
// byte of its memory, with nothing in x0.
func HFBoot(ram Span) hypercall.Boot { return hypercall.Boot{Entry: ram.Base} }
