package ffa

import (
	"bytes"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Of the machine of these tables, VM 1 has two vCPUs and VM 2 has one. VMs 0 and 1 have mailboxes, VM 2
// has none. vCPU 0 of VM 1 runs.
func newSPCI(t *testing.T) (r *rig, p, s *guest) {
	r = newRig(t, 2, 2, 1)
	r.mapped(0, 1)
	p, s = r.vms[0][0], r.vms[1][0]
	r.enter(p, s)
	return r, r.vms[0][1], s
}

const (
	p = "primary"
	s = "secondary"
)

const rubbish = 0xABCD_0000_0000_0000

func errorRegs(c int64) []uint64 { return []uint64{uint64(spciError), any64, code(c)} }

func TestSPCICallsReturnAtOnceWith(t *testing.T) {
	success := []uint64{uint64(spciSuccess)}
	minus1 := []uint64{failed}
	for _, c := range []struct {
		who, name string
		fn        hypercall.FuncID
		args      []uint64
		want      []uint64
	}{
		{p, "version 0.9", spciVersion, nil, []uint64{uint64(spciSuccess), any64, 9}},
		{p, "the same as SMC64", spciVersion | hypercall.SMC64, nil, []uint64{uint64(spciSuccess), any64, 9}},
		{p, "id 1 of the primary", spciIDGet, nil, []uint64{uint64(spciSuccess), any64, 1}},
		{s, "id 2 of the first secondary", spciIDGet, nil, []uint64{uint64(spciSuccess), any64, 2}},

		{p, "feature ERROR", spciFeatures, []uint64{uint64(spciError)}, success},
		{p, "feature SUCCESS", spciFeatures, []uint64{uint64(spciSuccess)}, success},
		{p, "feature ID_GET", spciFeatures, []uint64{uint64(spciIDGet)}, success},
		{p, "feature YIELD", spciFeatures, []uint64{uint64(spciYield)}, success},
		{p, "feature VERSION", spciFeatures, []uint64{rubbish | uint64(spciVersion)}, success},
		{p, "feature FEATURES", spciFeatures, []uint64{uint64(spciFeatures)}, success},
		{p, "feature MSG_SEND", spciFeatures, []uint64{uint64(spciMsgSend)}, success},
		{p, "feature MSG_POLL", spciFeatures, []uint64{uint64(spciMsgPoll)}, success},
		{s, "feature MSG_WAIT", spciFeatures, []uint64{uint64(spciMsgWait)}, success},
		{p, "no feature RUN", spciFeatures, []uint64{uint64(spciRun)}, errorRegs(-1)},
		{p, "no feature INTERRUPT", spciFeatures, []uint64{uint64(spciInterrupt)}, errorRegs(-1)},
		{p, "no feature RX_RELEASE", spciFeatures, []uint64{uint64(spciRXRelease)}, errorRegs(-1)},
		{p, "no feature RXTX_MAP", spciFeatures, []uint64{uint64(spciRXTXMap)}, errorRegs(-1)},
		{p, "no feature PARTITION_INFO_GET", spciFeatures, []uint64{uint64(spciPartitionInfoGet)}, errorRegs(-1)},
		{p, "no feature 0", spciFeatures, []uint64{0}, errorRegs(-1)},

		{p, "release of an empty mailbox", spciRXRelease, nil, success},
		{s, "release of an empty mailbox", spciRXRelease, nil, success},

		{p, "map twice", spciRXTXMap, []uint64{txOf(0), rxOf(0), 1}, errorRegs(-6)},
		{p, "map no page", spciRXTXMap, []uint64{txOf(0), rxOf(0), 0}, errorRegs(-2)},
		{p, "map two pages", spciRXTXMap, []uint64{txOf(0), rxOf(0), 2}, errorRegs(-2)},
		{p, "map an unaligned send page", spciRXTXMap, []uint64{txOf(0) + 8, rxOf(0), 1}, errorRegs(-2)},
		{p, "map an unaligned receive page", spciRXTXMap, []uint64{txOf(0), rxOf(0) + 1, 1}, errorRegs(-2)},
		{p, "map one page twice", spciRXTXMap, []uint64{txOf(0), txOf(0), 1}, errorRegs(-2)},

		{p, "poll by the primary", spciMsgPoll, nil, errorRegs(-1)},
		{p, "wait by the primary", spciMsgWait, nil, errorRegs(-1)},
		{s, "poll without a message", spciMsgPoll, nil, errorRegs(-7)},
		{p, "yield by the primary", spciYield, nil, success},

		{s, "run by a secondary", spciRun, []uint64{spciPair(2, 1)}, errorRegs(-6)},
		{p, "run of the primary", spciRun, []uint64{spciPair(1, 0)}, errorRegs(-2)},
		{p, "run of the hypervisor", spciRun, []uint64{spciPair(0, 0)}, errorRegs(-2)},
		{p, "run of no VM", spciRun, []uint64{spciPair(4, 0)}, errorRegs(-2)},
		{p, "run of VM ffff", spciRun, []uint64{spciPair(0xFFFF, 0)}, errorRegs(-2)},
		{p, "run of no vCPU", spciRun, []uint64{spciPair(2, 2)}, errorRegs(-2)},
		{p, "run of vCPU ffff", spciRun, []uint64{spciPair(2, 0xFFFF)}, errorRegs(-2)},
		{p, "run of a vCPU that is off", spciRun, []uint64{spciPair(2, 1)}, errorRegs(-2)},
		{p, "run of a running vCPU", spciRun, []uint64{rubbish | spciPair(2, 0)}, errorRegs(-4)},

		{p, "send as another", spciMsgSend, []uint64{spciPair(2, 1), 0, 0, 0}, errorRegs(-2)},
		{p, "send as the hypervisor", spciMsgSend, []uint64{spciPair(0, 2), 0, 0, 0}, errorRegs(-2)},
		{p, "send to itself", spciMsgSend, []uint64{spciPair(1, 1), 0, 0, 0}, errorRegs(-2)},
		{p, "send to the hypervisor", spciMsgSend, []uint64{spciPair(1, 0), 0, 0, 0}, errorRegs(-2)},
		{p, "send to no VM", spciMsgSend, []uint64{spciPair(1, 4), 0, 0, 0}, errorRegs(-2)},
		{p, "send too much", spciMsgSend, []uint64{spciPair(1, 2), 0, 4097, 0}, errorRegs(-2)},
		{p, "send far too much", spciMsgSend, []uint64{spciPair(1, 2), 0, 0xFFFF_FFFF, 0}, errorRegs(-2)},
		{p, "send to one without a mailbox", spciMsgSend, []uint64{spciPair(1, 3), 0, 1, 0}, errorRegs(-4)},
		{p, "send memory that nothing describes", spciMsgSend, []uint64{spciPair(1, 2), 0, 64, 2}, errorRegs(-2)},
		{p, "send looks at w1, w3 and w4 only", spciMsgSend, []uint64{rubbish | spciPair(1, 2), rubbish, rubbish | 4096, rubbish}, success},

		{p, "partition info of a UUID", spciPartitionInfoGet, []uint64{0, 0, 0, 1}, errorRegs(-2)},

		{p, "number of VMs", hfVMGetCount, nil, []uint64{3}},
		{s, "number of VMs", hfVMGetCount, nil, []uint64{3}},
		{p, "vCPUs of the primary", hfVCPUGetCount, []uint64{1}, []uint64{2}},
		{p, "vCPUs of a secondary", hfVCPUGetCount, []uint64{3}, []uint64{1}},
		{p, "vCPUs of the hypervisor", hfVCPUGetCount, []uint64{0}, minus1},
		{p, "vCPUs of no VM", hfVCPUGetCount, []uint64{4}, minus1},
		{p, "vCPUs of a wild VM", hfVCPUGetCount, []uint64{rubbish | 2}, minus1},
		{s, "vCPUs, asked by a secondary", hfVCPUGetCount, []uint64{2}, minus1},

		{p, "nothing writable", hfMailboxWritableGet, nil, minus1},
		{p, "no waiter", hfMailboxWaiterGet, []uint64{1}, minus1},
		{p, "waiter of no VM", hfMailboxWaiterGet, []uint64{9}, minus1},
		{s, "waiter, asked by a secondary", hfMailboxWaiterGet, []uint64{2}, minus1},

		{s, "enable 63", hfInterruptEnable, []uint64{63, 1}, []uint64{0}},
		{s, "disable 0", hfInterruptEnable, []uint64{0, 0}, []uint64{0}},
		{s, "enable 64", hfInterruptEnable, []uint64{64, 1}, minus1},
		{s, "enable a wild INTID", hfInterruptEnable, []uint64{rubbish, 1}, minus1},
		{s, "no interrupt", hfInterruptGet, nil, []uint64{0xFFFF_FFFF}},
		{p, "no interrupt", hfInterruptGet, nil, []uint64{0xFFFF_FFFF}},
		{p, "inject 64", hfInterruptInject, []uint64{2, 0, 64}, minus1},
		{p, "inject into no VM", hfInterruptInject, []uint64{4, 0, 1}, minus1},
		{p, "inject into the hypervisor", hfInterruptInject, []uint64{0, 0, 1}, minus1},
		{p, "inject into no vCPU", hfInterruptInject, []uint64{2, 2, 1}, minus1},
		{p, "inject into a wild vCPU", hfInterruptInject, []uint64{2, rubbish, 1}, minus1},
		{s, "inject into another VM", hfInterruptInject, []uint64{3, 0, 1}, minus1},
		{s, "inject into the primary", hfInterruptInject, []uint64{1, 0, 1}, minus1},
		{p, "inject what is not enabled", hfInterruptInject, []uint64{2, 1, 63}, []uint64{0}},

		{p, "share a page of its mailbox", hfShareMemory, []uint64{2 << 32, ramBase, PageSize}, minus1},
		{p, "call of a result: ERROR", spciError, nil, minus1},
		{p, "call of a result: SUCCESS", spciSuccess, nil, minus1},
		{p, "call of a result: WFI", hfRunWFI, nil, minus1},
		{s, "call of a result: WAKE_UP", hfRunWakeUp, nil, minus1},
		{p, "call without a meaning: 67", 0x84000067, nil, minus1},
		{p, "call without a meaning: ff00", 0xFF00, nil, minus1},
		{s, "call without a meaning: ff0f", 0xFF0F, nil, minus1},
	} {
		t.Run(c.who+": "+c.name, func(t *testing.T) {
			_, prim, sec := newSPCI(t)
			g := prim
			if c.who == s {
				g = sec
			}
			if out := g.call(c.fn, c.args...); out != (hypercall.Outcome{}) {
				t.Errorf("outcome %+v", out)
			}
			g.want(c.name, c.want...)
		})
	}
}

func TestSPCIMapRefusesMemoryThatTheCallerDoesNotOwn(t *testing.T) {
	for name, c := range map[string][2]uint64{
		"another VM's send page":    {txOf(0), rxOf(2)},
		"another VM's receive page": {txOf(2), rxOf(1)},
		"below RAM":                 {0, rxOf(2)},
		"the page below its own":    {ramOf(2).Base - PageSize, rxOf(2)},
		"the page behind its own":   {txOf(2), ramOf(2).Base + vmSize},
		"the top of the world":      {txOf(2), ^uint64(0) &^ (PageSize - 1)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, 1, 1)
			g := r.vms[2][0]
			r.enter(r.vms[0][0], g)
			g.call(spciRXTXMap, c[0], c[1], 1)
			g.want(name, errorRegs(-6)...)
			g.call(spciRXTXMap, txOf(2), rxOf(2), 1)
			g.want("map after a failure", uint64(spciSuccess))
		})
	}
}

func TestSPCIDoesNotWorkBySMC(t *testing.T) {
	_, prim, _ := newSPCI(t)
	prim.load(spciVersion)
	prim.dispatch(hypercall.SMC)
	prim.Regs.Flush()
	prim.want("version by SMC", hypercall.NotSupported)
}

func TestSPCIResultsLeaveOtherRegistersAlone(t *testing.T) {
	_, prim, _ := newSPCI(t)
	prim.call(spciIDGet)
	for n := 3; n < hypercall.NumRegs; n++ {
		if prim.x[n] != 0xDEAD_0000_0000_0000|uint64(n) {
			t.Errorf("x%d = %#x", n, prim.x[n])
		}
	}
}

func TestSendWithoutOwnMailboxIsInvalid(t *testing.T) {
	r := newRig(t, 1, 1)
	g := r.vms[0][0]
	g.call(spciMsgSend, spciPair(1, 2), 0, 1, 0)
	g.want("send", errorRegs(-2)...)
}

func TestPartitionInfoListsEveryVMInTheReceivePage(t *testing.T) {
	r := newRig(t, 2, 3, 1)
	r.mapped(0)
	r.core.primaryVCPUs = 8
	g := r.vms[0][0]
	g.call(spciPartitionInfoGet, 0, 0, 0, 0)
	g.want("partition info", uint64(spciSuccess), any64, 3)
	want := []byte{1, 0, 8, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 0, 0, 3, 0, 1, 0, 0, 0, 0, 0}
	if got := r.page(rxOf(0))[:len(want)+1]; !bytes.Equal(got, append(want, 0)) {
		t.Errorf("RX = %v", got)
	}
	g.call(spciPartitionInfoGet, 0, 0, 0, 0)
	g.want("partition info into a full page", errorRegs(-4)...)
	g.call(spciRXRelease)
	g.call(spciPartitionInfoGet, 0, 0, 0, 0)
	g.want("partition info after a release", uint64(spciSuccess))

	bare := newRig(t, 1).vms[0][0]
	bare.call(spciPartitionInfoGet, 0, 0, 0, 0)
	bare.want("partition info without a mailbox", errorRegs(-6)...)
}
