package scheduler

import (
	"encoding/binary"
	"fmt"
)

// spci is Hafnium's interface of November 2019: SPCI 0.9 and Hafnium's own calls.
type spci struct{}

// SPCI is Hafnium's interface of November 2019.
var SPCI ABI = spci{}

// Function identifiers of calls and results.
const (
	spciError            = 0x84000060 // code in x2
	spciSuccess          = 0x84000061
	spciInterrupt        = 0x84000062
	spciRXRelease        = 0x84000065
	spciRXTXMap          = 0x84000066
	spciPartitionInfoGet = 0x84000068
	spciIDGet            = 0x84000069
	spciMsgWait          = 0x8400006b
	spciYield            = 0x8400006c
	spciRun              = 0x8400006d
	spciMsgSend          = 0x8400006e

	hfMailboxWritableGet = 0xff03
	hfMailboxWaiterGet   = 0xff04
	hfInterruptInject    = 0xff07
	hfRunWFI             = 0xff09
	hfRunWakeUp          = 0xff0a
)

const (
	spciAborted = -8

	spciNotify = 1 // attributes of a message, in w4
	spciMemory = 2
	spciInfo   = 8 // bytes that PARTITION_INFO_GET tells of a VM: u16 id, u16 vCPUs, u32 properties
)

// high and low are the halves of a register that names two VMs, or a VM and a vCPU.
func high(x uint64) uint16 { return uint16(x >> 16) }
func low(x uint64) uint16  { return uint16(x) }

func pair(high, low uint16) uint64 { return uint64(high)<<16 | uint64(low) }

// is reports whether the result of the last call is fn.
func (c *cpu) is(fn uint32) bool { return uint32(c.r[0]) == fn }

// failed is the error of a call that returned neither of the two successes.
func (c *cpu) failed(what string) error {
	return fmt.Errorf("%s failed: x0 = %#x, x2 = %d", what, c.r[0], int32(c.r[2]))
}

func (spci) configure(c *cpu, m *Mailbox) (waiters bool, err error) {
	const pages = 1
	if c.call(spciRXTXMap, m.TXIPA, m.RXIPA, pages); !c.is(spciSuccess) && !c.is(spciRXRelease) {
		return false, c.failed("RXTX_MAP")
	}
	return c.is(spciRXRelease), nil
}

func (a spci) partitions(c *cpu, m *Mailbox) (self uint16, vms []partition, err error) {
	if c.call(spciIDGet); !c.is(spciSuccess) {
		return 0, nil, c.failed("ID_GET")
	}
	self = uint16(c.r[2])
	if c.call(spciPartitionInfoGet); !c.is(spciSuccess) {
		return 0, nil, c.failed("PARTITION_INFO_GET")
	}
	for i := range min(int(uint32(c.r[2])), len(m.RX)/spciInfo) {
		p := partition{binary.LittleEndian.Uint16(m.RX[i*spciInfo:]), binary.LittleEndian.Uint16(m.RX[i*spciInfo+2:])}
		if p.id != self {
			vms = append(vms, p)
		}
	}
	if c.call(spciRXRelease); !c.is(spciSuccess) {
		return 0, nil, c.failed("RX_RELEASE")
	}
	return self, vms, nil
}

func (spci) run(c *cpu, vm, index uint16) result {
	c.call(spciRun, pair(vm, index))
	switch r := &c.r; uint32(r[0]) {
	case spciInterrupt, spciYield:
		return result{kind: wentOn}
	case spciMsgWait:
		return result{kind: receives, ns: r[2]}
	case hfRunWFI:
		return result{kind: sleeps, ns: r[2]}
	case spciMsgSend:
		return result{kind: sent, vm: low(r[1]), index: anyVCPU, size: uint32(r[3]), memory: r[4]&spciMemory != 0}
	case spciRXRelease:
		return result{kind: freed}
	case hfRunWakeUp:
		return result{kind: wakes, vm: high(r[1]), index: low(r[1])}
	case spciError:
		if int32(r[2]) == spciAborted {
			return result{kind: aborted}
		}
		return result{kind: refused, code: r[2]}
	default:
		return result{kind: refused, code: r[0]}
	}
}

func (spci) send(c *cpu, self, to uint16, size int) (sent bool, taker uint16) {
	c.call(spciMsgSend, pair(self, to), 0, uint64(size), spciNotify)
	return c.is(spciSuccess), anyVCPU
}

func (spci) release(c *cpu) (waiters bool) {
	c.call(spciRXRelease)
	return c.is(spciRXRelease)
}

func (spci) waiter(c *cpu, vm uint16) (id uint16, ok bool) {
	return c.next(hfMailboxWaiterGet, uint64(vm))
}
func (spci) writable(c *cpu) (id uint16, ok bool) { return c.next(hfMailboxWritableGet) }

func (spci) inject(c *cpu, vm, index uint16, intid uint64) (run bool) {
	return c.call(hfInterruptInject, uint64(vm), uint64(index), intid) && c.r[0] == 1
}
