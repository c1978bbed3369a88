package ffa

import (
	"math"

	"github.com/hfvmm/hfvmm/hypercall"
)

// spci is the personality of Hafnium in November 2019: SPCI 0.9 and Hafnium's own calls.
type spci struct{ *Core }

// SPCI returns the service of the interface that Hafnium had in November 2019. It serves the primary
// and the secondaries, by HVC.
func (c *Core) SPCI() hypercall.Service { return &spci{c} }

// spciCount is how many identifiers there are of each kind: SMC32, SMC64, and Hafnium's own.
const spciCount = 0x10

// Ranges implements hypercall.Service.
func (*spci) Ranges() []hypercall.Range {
	return []hypercall.Range{
		{First: spciError, Count: spciCount},
		{First: spciError | hypercall.SMC64, Count: spciCount},
		{First: hfVMGetCount &^ (spciCount - 1), Count: spciCount},
	}
}

// spciArgs are the registers of a call that it takes arguments from, by number.
type spciArgs [5]uint64

// pair returns the two 16-bit numbers in w1.
func (a *spciArgs) pair() (high, low uint64) {
	return uint64(uint32(a[1]) >> 16), uint64(uint16(a[1]))
}

// spciCall is a row of the table of calls. serve runs with the core locked.
type spciCall struct {
	args  string // the digits of the registers that it takes arguments from
	serve func(s *spci, v *vcpu, a spciArgs) hypercall.Outcome
}

// The calls, indexed by the lowest four bits of their identifiers. Rows without a function are unknown.
var (
	spciCalls = [spciCount]spciCall{
		spciVersion % spciCount:          {"", (*spci).version},
		spciFeatures % spciCount:         {"1", (*spci).features},
		spciRXRelease % spciCount:        {"", (*spci).rxRelease},
		spciRXTXMap % spciCount:          {"123", (*spci).rxtxMap},
		spciPartitionInfoGet % spciCount: {"1234", (*spci).partitionInfoGet},
		spciIDGet % spciCount:            {"", (*spci).idGet},
		spciMsgPoll % spciCount:          {"", (*spci).msgPoll},
		spciMsgWait % spciCount:          {"", (*spci).msgWait},
		spciYield % spciCount:            {"", (*spci).yielding},
		spciRun % spciCount:              {"1", (*spci).running},
		spciMsgSend % spciCount:          {"134", (*spci).msgSend},
	}
	hfCalls = [spciCount]spciCall{
		hfVMGetCount % spciCount:         {"", (*spci).vmGetCount},
		hfVCPUGetCount % spciCount:       {"1", (*spci).vcpuGetCount},
		hfMailboxWritableGet % spciCount: {"", (*spci).mailboxWritableGet},
		hfMailboxWaiterGet % spciCount:   {"1", (*spci).mailboxWaiterGet},
		hfInterruptEnable % spciCount:    {"12", (*spci).interruptEnable},
		hfInterruptGet % spciCount:       {"", (*spci).interruptGet},
		hfInterruptInject % spciCount:    {"123", (*spci).interruptInject},
		hfShareMemory % spciCount:        {"123", (*spci).shareMemory},
	}
)

// Call implements hypercall.Service.
func (s *spci) Call(v *hypercall.VCPU, fn hypercall.FuncID, conduit hypercall.Conduit) hypercall.Outcome {
	call := &spciCalls[fn%spciCount]
	if fn < spciError {
		call = &hfCalls[fn%spciCount]
	}
	if call.serve == nil || conduit != hypercall.HVC {
		v.Regs.SetX(0, hypercall.NotSupported)
		return hypercall.Outcome{}
	}
	var a spciArgs
	for i := range len(call.args) {
		n := call.args[i] - '0'
		a[n] = v.Regs.X(int(n))
	}
	s.mu.Lock()
	out := call.serve(s, s.caller(v), a)
	s.mu.Unlock()
	return out
}

// vm finds a VM by its SPCI id.
func (s *spci) vm(id uint64) *partition {
	if id > math.MaxUint16 {
		return nil
	}
	return s.find(int(id) - 1)
}
