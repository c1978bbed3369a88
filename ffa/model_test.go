package ffa

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
	"pgregory.net/rapid"
)

// model is a second, naive account of what SPCI guests see. Every call is made of the core and of the
// model, which predicts the registers and who has the pCPU after it.
type model struct {
	*rig
	rt  *rapid.T
	vm  []*modelVM
	say int // number of messages sent
}

type modelVM struct {
	id      int
	mapped  bool
	box     string // "", "received" or "read"
	from    int
	text    string
	waiters []int
	ready   []int
	dead    bool
	cpu     []*modelCPU
}

type modelCPU struct {
	*guest
	vm      *modelVM
	state   string    // of secondaries: off, ready, running, message, interrupt, dead
	by      *modelCPU // running
	lent    *modelCPU // of the primary: who has its pCPU
	enabled map[uint64]bool
	pending map[uint64]bool
}

func newModel(t *rapid.T) *model {
	m := &model{rig: newRig(t, 2, 2, 1), rt: t}
	for i, guests := range m.rig.vms {
		vm := &modelVM{id: i}
		for j, g := range guests {
			state := "off"
			if j == 0 {
				state = "ready"
			}
			vm.cpu = append(vm.cpu, &modelCPU{guest: g, vm: vm, state: state, enabled: map[uint64]bool{}, pending: map[uint64]bool{}})
		}
		m.vm = append(m.vm, vm)
	}
	return m
}

// interrupts are the enabled and pending INTIDs in ascending order.
func (c *modelCPU) interrupts() (ids []uint64) {
	for _, id := range slices.Sorted(maps.Keys(c.pending)) {
		if c.enabled[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// caller draws a vCPU that can make a call now.
func (m *model) caller() *modelCPU {
	var can []*modelCPU
	for _, vm := range m.vm {
		for _, c := range vm.cpu {
			if vm.id == 0 && c.lent == nil || c.state == "running" {
				can = append(can, c)
			}
		}
	}
	return m.draw(can, "caller")
}

// running draws a secondary's vCPU that runs; the action is skipped if none does.
func (m *model) running() *modelCPU {
	var can []*modelCPU
	for _, vm := range m.vm[1:] {
		for _, c := range vm.cpu {
			if c.state == "running" {
				can = append(can, c)
			}
		}
	}
	if len(can) == 0 {
		m.rt.Skip("nothing runs")
	}
	return m.draw(can, "running")
}

func (m *model) draw(from []*modelCPU, label string) *modelCPU {
	return from[rapid.IntRange(0, len(from)-1).Draw(m.rt, label)]
}

func (m *model) anyVM(label string) *modelVM { return m.vm[rapid.IntRange(0, 2).Draw(m.rt, label)] }

// returns checks that c's call came back with regs.
func (m *model) returns(what string, c *modelCPU, out hypercall.Outcome, regs ...uint64) {
	if out != (hypercall.Outcome{}) {
		m.rt.Fatalf("%s of %v: outcome %+v, want a return", what, c.ID, out)
	}
	c.want(what, regs...)
}

// leaves checks that c left, and that its runner got regs.
func (m *model) leaves(what string, c *modelCPU, out hypercall.Outcome, state string, regs ...uint64) {
	if out != leaves {
		m.rt.Fatalf("%s of %v: outcome %+v, want a leave", what, c.ID, out)
	}
	by := c.by
	c.state, c.by, by.lent = state, nil, nil
	by.want(what+", seen by the primary", regs...)
}

func (m *model) doMap() {
	c := m.caller()
	out := c.call(spciRXTXMap, txOf(c.vm.id), rxOf(c.vm.id), 1)
	if c.vm.mapped {
		m.returns("second map", c, out, errorRegs(-6)...)
		return
	}
	c.vm.mapped = true
	m.writable("map", c, out)
}

// writable checks the result of a call that made the mailbox of c's VM writable.
func (m *model) writable(what string, c *modelCPU, out hypercall.Outcome) {
	switch {
	case len(c.vm.waiters) == 0:
		m.returns(what, c, out, uint64(spciSuccess))
	case c.vm.id == 0:
		m.returns(what, c, out, uint64(spciRXRelease))
	default:
		m.leaves(what, c, out, "ready", uint64(spciRXRelease))
		c.want(what, uint64(spciSuccess))
	}
}

func (m *model) doSend() {
	c, to := m.caller(), m.anyVM("to")
	notify := rapid.Bool().Draw(m.rt, "notify")
	text := fmt.Sprint("message ", m.say)
	copy(m.page(txOf(c.vm.id)), text)
	attributes := uint64(0)
	if notify {
		attributes = spciNotify
	}
	out := c.call(spciMsgSend, spciPair(idOf(c.vm.id), idOf(to.id)), 0, uint64(len(text)), attributes)
	switch {
	case to == c.vm || !c.vm.mapped:
		m.returns("impossible send", c, out, errorRegs(-2)...)
	case !to.mapped || to.box != "":
		m.returns("send to a full mailbox", c, out, errorRegs(-4)...)
		if notify && !slices.Contains(to.waiters, c.vm.id) {
			to.waiters = append(to.waiters, c.vm.id)
		}
	default:
		m.say++
		to.box, to.from, to.text = "received", c.vm.id, text
		size := uint64(0)
		if to.id == 0 {
			to.box = "read"
			size = uint64(len(text))
			if got := m.page(rxOf(0))[:size]; string(got) != text {
				m.rt.Fatalf("the primary received %q, want %q", got, text)
			}
		}
		if c.vm.id == 0 {
			m.returns("send", c, out, uint64(spciSuccess))
			return
		}
		m.leaves("send", c, out, "ready", uint64(spciMsgSend), spciPair(idOf(c.vm.id), idOf(to.id)), any64, size)
		c.want("send", uint64(spciSuccess))
	}
}

func (m *model) doReceive() {
	c := m.caller()
	fn := rapid.SampledFrom([]hypercall.FuncID{spciMsgPoll, spciMsgWait, spciMsgWait}).Draw(m.rt, "how")
	out := c.call(fn)
	switch {
	case c.vm.id == 0:
		m.returns("receive", c, out, errorRegs(-1)...)
	case c.vm.box == "received":
		m.returns("receive", c, out)
		m.gets(c)
	case fn == spciMsgPoll:
		m.returns("poll", c, out, errorRegs(-7)...)
	case len(c.interrupts()) > 0:
		m.returns("interrupted wait", c, out, errorRegs(-5)...)
	default:
		m.leaves("wait", c, out, "message", uint64(spciMsgWait), spciVCPU(c.ID), 0)
	}
}

// gets checks that c's receiving call returned the message of its VM.
func (m *model) gets(c *modelCPU) {
	c.read(c.vm.from, c.vm.text)
	c.vm.box = "read"
}

func (m *model) doRelease() {
	c := m.caller()
	out := c.call(spciRXRelease)
	switch c.vm.box {
	case "":
		m.returns("release of nothing", c, out, uint64(spciSuccess))
	case "received":
		m.returns("early release", c, out, errorRegs(-6)...)
	case "read":
		c.vm.box = ""
		m.writable("release", c, out)
	}
}

func (m *model) doRun() {
	c := m.caller()
	vm := m.anyVM("vm")
	v := m.draw(vm.cpu, "vcpu")
	out := c.call(spciRun, spciVCPU(v.ID))
	switch {
	case c.vm.id != 0:
		m.returns("run by a secondary", c, out, errorRegs(-6)...)
		return
	case vm.id == 0:
		m.returns("run of the primary", c, out, errorRegs(-2)...)
		return
	case v.state == "running":
		m.returns("run of a running vCPU", c, out, errorRegs(-4)...)
		return
	case vm.dead, v.state == "off", v.state == "dead":
		m.returns("run of a dead vCPU", c, out, errorRegs(-2)...)
		return
	case v.state == "ready":
	case v.state == "message" && vm.box == "received":
		m.gets(v)
	case len(v.interrupts()) == 0:
		m.returns("run of a blocked vCPU", c, out, errorRegs(-2)...)
		return
	case v.state == "message":
		v.want("interrupted wait", errorRegs(-5)...)
	}
	if out != (hypercall.Outcome{Action: hypercall.Enter, VCPU: &v.VCPU}) {
		m.rt.Fatalf("run of %v in state %s: outcome %+v", v.ID, v.state, out)
	}
	v.state, v.by, c.lent = "running", c, v
}

func (m *model) doYield() {
	c := m.caller()
	out := c.call(spciYield)
	if c.vm.id == 0 {
		m.returns("yield", c, out, uint64(spciSuccess))
		return
	}
	m.leaves("yield", c, out, "ready", uint64(spciYield), spciVCPU(c.ID))
}

func (m *model) doPreempt() {
	c := m.running()
	out := m.core.Preempt(&c.VCPU)
	m.settle()
	m.leaves("preemption", c, out, "ready", uint64(spciInterrupt), spciVCPU(c.ID))
}

func (m *model) doWFI() {
	c := m.running()
	out := m.core.WaitForInterrupt(&c.VCPU)
	m.settle()
	if len(c.interrupts()) > 0 {
		m.returns("WFI", c, out)
		return
	}
	m.leaves("WFI", c, out, "interrupt", uint64(hfRunWFI), spciVCPU(c.ID), 0)
}

func (m *model) doAbort() {
	c := m.running()
	if rapid.IntRange(0, 9).Draw(m.rt, "really") != 0 {
		m.rt.Skip("rarely")
	}
	out := m.core.Abort(&c.VCPU)
	m.settle()
	if c.vm.dead {
		m.leaves("abort in a dead VM", c, out, "dead", uint64(spciInterrupt), spciVCPU(c.ID))
		return
	}
	c.vm.dead = true
	m.leaves("abort", c, out, "dead", errorRegs(-8)...)
}

func (m *model) doInject() {
	c, vm := m.caller(), m.anyVM("vm")
	v := m.draw(vm.cpu, "vcpu")
	intid := rapid.Uint64Range(0, 4).Draw(m.rt, "intid")
	out := c.call(hfInterruptInject, idOf(vm.id), uint64(v.ID.Index), intid)
	if c.vm.id != 0 && c.vm != vm {
		m.returns("injection into another VM", c, out, failed)
		return
	}
	had := len(v.interrupts()) > 0
	v.pending[intid] = true
	wakes := !had && len(v.interrupts()) > 0 && c != v
	switch {
	case !wakes:
		m.returns("injection", c, out, 0)
	case c.vm.id == 0:
		m.returns("injection", c, out, 1)
	default:
		m.leaves("injection", c, out, "ready", uint64(hfRunWakeUp), spciVCPU(v.ID))
		c.want("injection", 0)
	}
}

func (m *model) doEnable() {
	c := m.caller()
	intid, on := rapid.Uint64Range(0, 4).Draw(m.rt, "intid"), rapid.Bool().Draw(m.rt, "on")
	flag := uint64(0)
	if on {
		flag = 1
	}
	c.enabled[intid] = on
	m.returns("enable", c, c.call(hfInterruptEnable, intid, flag), 0)
}

func (m *model) doTake() {
	c := m.caller()
	want := uint64(NoINTID)
	if ids := c.interrupts(); len(ids) > 0 {
		want = ids[0]
		delete(c.pending, want)
	}
	m.returns("interrupt", c, c.call(hfInterruptGet), want)
}

func (m *model) doWaiter() {
	c, vm := m.caller(), m.anyVM("vm")
	want := uint64(failed)
	if c.vm.id == 0 && vm.mapped && vm.box == "" && len(vm.waiters) > 0 {
		w := m.vm[vm.waiters[0]]
		vm.waiters = vm.waiters[1:]
		if !slices.Contains(w.ready, vm.id) {
			w.ready = append(w.ready, vm.id)
		}
		want = idOf(w.id)
	}
	m.returns("waiter", c, c.call(hfMailboxWaiterGet, idOf(vm.id)), want)
}

func (m *model) doWritable() {
	c := m.caller()
	want := uint64(failed)
	if len(c.vm.ready) > 0 {
		want = idOf(c.vm.ready[0])
		c.vm.ready = c.vm.ready[1:]
	}
	m.returns("writable", c, c.call(hfMailboxWritableGet), want)
}

func (m *model) doOn() {
	c := m.running()
	v := m.draw(c.vm.cpu, "vcpu")
	out := c.call(hypercall.PSCICPUOn, uint64(v.ID.Index), ramOf(c.vm.id).Base, 0)
	if v.state != "off" {
		m.returns("CPU_ON", c, out, code(-4))
		return
	}
	v.state = "ready"
	if _, ok := v.TakeBoot(); !ok {
		m.rt.Fatalf("CPU_ON of %v without a boot state", v.ID)
	}
	m.leaves("CPU_ON", c, out, "ready", uint64(hfRunWakeUp), spciVCPU(v.ID))
	c.want("CPU_ON", 0)
}

func (m *model) doOff() {
	c := m.running()
	if c.ID.Index == 0 {
		m.rt.Skip("vCPU 0 stays on")
	}
	m.leaves("CPU_OFF", c, c.call(hypercall.PSCICPUOff), "off", uint64(hfRunWFI), spciVCPU(c.ID), 0)
}

// check compares what can be seen without a call.
func (m *model) check() {
	for _, vm := range m.vm {
		for _, c := range vm.cpu {
			var by *hypercall.VCPU
			if c.by != nil {
				by = &c.by.VCPU
			}
			if got := m.core.Runner(&c.VCPU); got != by {
				m.rt.Fatalf("vCPU %v in state %s is run by %v", c.ID, c.state, got)
			}
			if line := m.core.IRQLine(&c.VCPU); line != (len(c.interrupts()) > 0) {
				m.rt.Fatalf("vCPU %v: IRQ line %v, interrupts %v", c.ID, line, c.interrupts())
			}
		}
	}
}

func TestCoreAgreesWithTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		action := func(do func()) func(*rapid.T) {
			return func(t *rapid.T) { m.rt, m.rig.t = t, t; do() }
		}
		t.Repeat(map[string]func(*rapid.T){
			"map": action(m.doMap), "send": action(m.doSend), "send2": action(m.doSend), "receive": action(m.doReceive),
			"release": action(m.doRelease), "run": action(m.doRun), "run2": action(m.doRun), "run3": action(m.doRun),
			"yield": action(m.doYield), "preempt": action(m.doPreempt), "wfi": action(m.doWFI), "abort": action(m.doAbort),
			"inject": action(m.doInject), "enable": action(m.doEnable), "take": action(m.doTake), "waiter": action(m.doWaiter),
			"writable": action(m.doWritable), "on": action(m.doOn), "off": action(m.doOff),
			"": func(*rapid.T) { m.check() },
		})
	})
}
