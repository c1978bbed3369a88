package scheduler

import "fmt"

// hf is Hafnium's interface of January 2019: x1 to x3 in, one number in x0 out.
type hf struct{}

// HF is Hafnium's interface of January 2019.
var HF ABI = hf{}

// Its calls. Only the numbers of this interface start with jan: SPCI gives other meanings to most of them.
const (
	janVMGetID            = 0xff00
	janVMGetCount         = 0xff01
	janVCPUGetCount       = 0xff02
	janVCPURun            = 0xff03
	janVMConfigure        = 0xff05
	janMailboxSend        = 0xff06
	janMailboxClear       = 0xff08
	janMailboxWritableGet = 0xff09
	janMailboxWaiterGet   = 0xff0a
	janInterruptInject    = 0xff0d
)

// Codes of a run result, in bits [7:0].
const (
	janPreempted     = 0
	janYield         = 1
	janWait          = 2 // also of whatever cannot be run
	janWakeUp        = 3 // VM in [63:32], vCPU in [31:16]
	janMessage       = 4 // for the primary: size in [63:32]
	janSleep         = 5 // ns in [63:8]
	janNotifyWaiters = 6
)

func (hf) configure(c *cpu, m *Mailbox) (waiters bool, err error) {
	if c.call(janVMConfigure, m.TXIPA, m.RXIPA); c.r[0] > 1 {
		return false, fmt.Errorf("vm_configure failed: %d", int64(c.r[0]))
	}
	return c.r[0] == 1, nil
}

// partitions knows that ids are consecutive and that the primary has the first.
func (hf) partitions(c *cpu, _ *Mailbox) (self uint16, vms []partition, err error) {
	c.call(janVMGetID)
	self = uint16(c.r[0])
	c.call(janVMGetCount)
	for id := self + 1; id < self+uint16(c.r[0]); id++ {
		vms = append(vms, partition{id: id})
	}
	for i := range vms {
		if c.call(janVCPUGetCount, uint64(vms[i].id)); int64(c.r[0]) < 0 {
			return 0, nil, fmt.Errorf("vcpu_get_count of VM %d failed", vms[i].id)
		}
		vms[i].vcpus = uint16(c.r[0])
	}
	return self, vms, nil
}

func (hf) run(c *cpu, vm, index uint16) result {
	c.call(janVCPURun, uint64(vm), uint64(index))
	switch x0 := c.r[0]; uint8(x0) {
	case janPreempted, janYield:
		return result{kind: wentOn}
	case janWait:
		return result{kind: sleeps}
	case janSleep:
		return result{kind: sleeps, ns: x0 >> 8}
	case janMessage: // ids of secondaries begin above that of the primary
		return result{kind: sent, size: uint32(x0 >> 32)}
	case janNotifyWaiters:
		return result{kind: freed}
	case janWakeUp:
		r := result{kind: wakes, vm: uint16(x0 >> 32), index: uint16(x0 >> 16)}
		if r.index == anyVCPU {
			r.kind = sent
		}
		return r
	default:
		return result{kind: refused, code: x0}
	}
}

func (hf) send(c *cpu, _, to uint16, size int) (sent bool, taker uint16) {
	const notify = 1
	sent = c.call(janMailboxSend, uint64(to), uint64(size), notify) && int64(c.r[0]) >= 0
	return sent, uint16(c.r[0])
}

func (hf) release(c *cpu) (waiters bool) {
	c.call(janMailboxClear)
	return c.r[0] == 1
}

func (hf) waiter(c *cpu, vm uint16) (id uint16, ok bool) {
	return c.next(janMailboxWaiterGet, uint64(vm))
}
func (hf) writable(c *cpu) (id uint16, ok bool) { return c.next(janMailboxWritableGet) }

func (hf) inject(c *cpu, vm, index uint16, intid uint64) (run bool) {
	return c.call(janInterruptInject, uint64(vm), uint64(index), intid) && c.r[0] == 1
}
