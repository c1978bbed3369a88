package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// Function identifiers of FF-A (DEN0077A §11 to §18), SMC32 form where there is one. They are calls, and what calls
// return in w0.
const (
	ffaError               hypercall.FuncID = 0x84000060
	ffaSuccess             hypercall.FuncID = 0x84000061
	ffaInterrupt           hypercall.FuncID = 0x84000062
	ffaVersion             hypercall.FuncID = 0x84000063
	ffaFeatures            hypercall.FuncID = 0x84000064
	ffaRXRelease           hypercall.FuncID = 0x84000065
	ffaRXTXMap             hypercall.FuncID = 0x84000066
	ffaRXTXUnmap           hypercall.FuncID = 0x84000067
	ffaPartitionInfoGet    hypercall.FuncID = 0x84000068
	ffaIDGet               hypercall.FuncID = 0x84000069
	ffaMsgPoll             hypercall.FuncID = 0x8400006A
	ffaMsgWait             hypercall.FuncID = 0x8400006B
	ffaYield               hypercall.FuncID = 0x8400006C
	ffaRun                 hypercall.FuncID = 0x8400006D
	ffaMsgSend             hypercall.FuncID = 0x8400006E
	ffaDirectReq           hypercall.FuncID = 0x8400006F
	ffaDirectResp          hypercall.FuncID = 0x84000070
	ffaMemDonate           hypercall.FuncID = 0x84000071
	ffaMemLend             hypercall.FuncID = 0x84000072
	ffaMemShare            hypercall.FuncID = 0x84000073
	ffaMemRetrieveReq      hypercall.FuncID = 0x84000074
	ffaMemRetrieveResp     hypercall.FuncID = 0x84000075
	ffaMemRelinquish       hypercall.FuncID = 0x84000076
	ffaMemReclaim          hypercall.FuncID = 0x84000077
	ffaMemFragRX           hypercall.FuncID = 0x8400007A
	ffaMemFragTX           hypercall.FuncID = 0x8400007B
	ffaNotificationBind    hypercall.FuncID = 0x8400007F
	ffaNotificationUnbind  hypercall.FuncID = 0x84000080
	ffaNotificationSet     hypercall.FuncID = 0x84000081
	ffaNotificationGet     hypercall.FuncID = 0x84000082
	ffaNotificationInfoGet hypercall.FuncID = 0x84000083
	ffaSPMIDGet            hypercall.FuncID = 0x84000085
	ffaMsgSend2            hypercall.FuncID = 0x84000086
	ffaSecondaryEPRegister hypercall.FuncID = 0x84000087
	ffaConsoleLog          hypercall.FuncID = 0x8400008A
	ffaPartitionInfoRegs   hypercall.FuncID = 0x8400008B // SMC64 only
	ffaDirectReq2          hypercall.FuncID = 0x8400008D // SMC64 only
	ffaDirectResp2         hypercall.FuncID = 0x8400008E // SMC64 only
)

// Hafnium's own function identifiers beside FF-A.
const (
	hafInterruptEnable hypercall.FuncID = 0xFF03
	hafInterruptGet    hypercall.FuncID = 0xFF04
	hafRunWFI          hypercall.FuncID = 0xFF06 // only ever a result of ffaRun
)

// Error codes in w2 beside ffaError (DEN0077A §12.2).
const (
	ffaNotSupported int64 = -1
	ffaAborted      int64 = -8
	ffaNoData       int64 = -9
)

// ffaCodes are the error codes of the core's statuses.
var ffaCodes = [...]int64{
	notSupported: ffaNotSupported,
	invalid:      -2,
	noMemory:     -3,
	busy:         -4,
	interrupted:  -5,
	denied:       -6,
	retry:        -7,
	isAborted:    ffaAborted,
	noData:       ffaNoData,
}

// Features that FFA_FEATURES knows beside functions (DEN0077A §13.3): interrupts.
const (
	featureNPI = 1 // notification pending
	featureSRI = 2 // schedule receiver
	featureME  = 3 // managed exit
)

// Identifiers of endpoints: VM i of the core has i+1, a secure partition i with bit 15 (DEN0077A §6.1).
const (
	ffaSecure = 1 << 15
	ffaSPMC   = ffaSecure // the partition manager, as secure partitions know it

	ffaHypervisor = 0 // the partition manager, as VMs know it
)

// maxMailboxPages is the size of the largest RX/TX buffers, in pages.
const maxMailboxPages = 16
