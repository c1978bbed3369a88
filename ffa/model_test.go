package ffa

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/hypercall/randomtest"
)

// model is a second, naive account of what guests see, written from the interfaces' rules, for both of them. Every call
// is made of the core and of the model, which says what must be in the registers after it, who has the pCPU,
// and what is in memory.
type model struct {
	*rig
	hf      bool // the interface of January 2019, else SPCI
	vm      []*modelVM
	all     []*modelCPU       // every vCPU
	pages   []pageModel       // of all RAM
	shadow  []byte            // what must be in it
	pick    randomtest.Source // what is random about a step
	out     hypercall.Outcome
	mail    int // messages sent
	pins    int
	steps   int
	reached [numCorners]int
}

type modelVM struct {
	index   int
	mapped  bool
	tx, rx  uint64 // of the mailbox, if mapped
	box     modelBox
	from    *modelVM
	size    int // bytes
	memory  bool
	waiters []*modelVM
	ready   []*modelVM // whose mailboxes became writable
	blocked []*modelCPU
	dead    bool
	cpu     []*modelCPU
}

type modelBox uint8

const (
	empty modelBox = iota
	unread
	read
)

type modelState uint8

// The states of a vCPU. The primary's are always running.
const (
	isOff modelState = iota
	isReady
	isRunning
	awaitsMessage
	awaitsInterrupt
	isDead
)

type modelCPU struct {
	*guest
	vm       *modelVM
	state    modelState
	by       *modelCPU // running: on whose pCPU
	lent     *modelCPU // of the primary: who has its pCPU
	enabled  uint64    // a bit for each INTID
	pending  uint64
	kicked   bool
	armed    bool // its timer
	deadline uint64
	boots    bool // it was switched on and did not run yet
	boot     hypercall.Boot

	x       [hypercall.NumRegs]uint64 // what it must see
	changed bool
}

// corner is something worth reaching. A run of random calls that is long enough reaches all of them.
type corner uint8

const (
	aMessageEndedAWait corner = iota
	aMessageWasThere
	anInterruptEndedAWait
	aWaitWasInterruptedAtOnce
	aTimerEndedAWait
	aBlockedRunToldTheTime
	aFullMailboxMadeAWaiter
	aWaiterWasTold
	theOthersWereToBeNotified
	aRunWasBusy
	aRunOfADeadVMWasRefused
	aSiblingWentOnInADeadVM
	aSiblingAbortedInADeadVM
	aKickWoke
	aPageWasDonated
	aPageWasLent
	aPageWasShared
	aPageCameBack
	aDeadVMGaveAPageBack
	aTransferFoundNoRoom
	aPinnedPageStayed
	aBigMessageArrived
	thePrimaryGotAMessage
	numCorners
)

func (m *model) reach(c corner) { m.reached[c]++ }

// newModel is a machine of four VMs, of three, three, two and one vCPU, and the model of it.
func newModel(t tester, hf bool, pick randomtest.Source) *model {
	m := &model{rig: newRig(t, 3, 3, 2, 1), hf: hf, pick: pick}
	if hf {
		m.serve(m.core.HF())
	}
	for i, guests := range m.rig.vms {
		vm := &modelVM{index: i}
		for j, g := range guests {
			c := &modelCPU{guest: g, vm: vm, state: isOff}
			switch {
			case i == primary:
				c.state = isRunning
			case j == 0:
				c.state = isReady
			}
			vm.cpu = append(vm.cpu, c)
			m.all = append(m.all, c)
		}
		m.vm = append(m.vm, vm)
		for range vmSize / PageSize {
			m.pages = append(m.pages, pageModel{owner: i, borrower: -1, own: rwx})
		}
	}
	m.shadow = make([]byte, len(m.ram))
	return m
}

// Numbers of the interface of January 2019, by what the model calls them.
var janNumbers = map[hypercall.FuncID]hypercall.FuncID{
	spciRXTXMap: janVMConfigure, spciMsgSend: janMailboxSend, spciMsgWait: janMailboxReceive, spciMsgPoll: janMailboxReceive,
	spciRXRelease: janMailboxClear, spciRun: janVCPURun, spciYield: janVCPUYield, spciIDGet: janVMGetID,
	hfVMGetCount: janVMGetCount, hfVCPUGetCount: janVCPUGetCount, hfMailboxWritableGet: janMailboxWritableGet,
	hfMailboxWaiterGet: janMailboxWaiterGet, hfInterruptEnable: janInterruptEnable, hfInterruptGet: janInterruptGet,
	hfInterruptInject: janInterruptInject,
}

// id is how guests name VM index.
func (m *model) id(index int) uint64 {
	if m.hf {
		return uint64(index)
	}
	return uint64(index) + 1
}

// vcpuID is how SPCI names a vCPU in one register.
func (m *model) vcpuID(c *modelCPU) uint64 { return m.id(c.vm.index)<<16 | uint64(c.ID.Index) }

// begin loads a call into c's registers. Rules follow, which say what becomes of it, then finish makes it.
//
//go:norace
func (m *model) begin(c *modelCPU, fn hypercall.FuncID, args ...uint64) {
	if n, ok := janNumbers[fn]; ok && m.hf {
		fn = n
	}
	c.load(fn, args...)
	c.x = c.guest.x
	m.out = hypercall.Outcome{}
}

// finish makes the call that is loaded and compares.
func (m *model) finish(c *modelCPU) {
	m.compare(c, c.dispatch(hypercall.HVC))
}

// compare compares what became of c, and the registers that vCPUs could read now, with the rules.
//
//go:norace
func (m *model) compare(c *modelCPU, out hypercall.Outcome) {
	m.settle()
	if out != m.out {
		m.t.Fatalf("vCPU %v: outcome %+v, the model says %+v", c.ID, out, m.out)
	}
	m.steps++
	c.changed = true
	for i, v := range m.all {
		if v.changed || i == m.steps%len(m.all) { // the others are looked at in turn
			v.changed = false
			m.compareRegisters(v)
		}
	}
	if out.Action == hypercall.Enter {
		v := m.cpu(out.VCPU)
		m.entered(v)
		m.compareRegisters(v)
	}
}

// compareRegisters compares what v could read if it went on now.
//
//go:norace
func (m *model) compareRegisters(v *modelCPU) {
	if (v.state == isReady || v.state == isRunning) && v.lent == nil && !v.boots && v.guest.x != v.x {
		m.t.Fatalf("vCPU %v:\nregisters %#x, the model says\n          %#x", v.ID, v.guest.x, v.x)
	}
}

func (m *model) cpu(v *hypercall.VCPU) *modelCPU { return m.vm[v.ID.VM].cpu[v.ID.Index] }

// entered does what the machine does before v runs.
func (m *model) entered(v *modelCPU) {
	boot, boots := v.TakeBoot()
	if boots != v.boots || boots && boot != v.boot {
		m.t.Fatalf("vCPU %v begins afresh: %v from %+v, the model says %v from %+v", v.ID, boots, boot, v.boots, v.boot)
	}
	if v.boots { // it has what the machine gives it, not what a call of its former life left
		v.x, v.boots = v.guest.x, false
	}
}

// check compares what can be seen without a call.
//
//go:norace
func (m *model) check(c *modelCPU) {
	var by *hypercall.VCPU
	if c.by != nil {
		by = &c.by.VCPU
	}
	if got := m.core.Runner(&c.VCPU); got != by {
		m.t.Fatalf("vCPU %v in state %d is run by %v", c.ID, c.state, got)
	}
	if line := m.core.IRQLine(&c.VCPU); line != c.line() {
		m.t.Fatalf("vCPU %v: IRQ line %v, enabled %#x, pending %#x", c.ID, line, c.enabled, c.pending)
	}
}

// What calls return.

// gets puts results into c's registers from x0 on.
//
//go:norace
func (c *modelCPU) gets(regs ...uint64) {
	for i, r := range regs {
		if r != any64 {
			c.x[i] = r
		}
	}
	c.changed = true
}

func (m *model) succeeds(c *modelCPU) {
	if m.hf {
		c.gets(0)
	} else {
		c.gets(uint64(spciSuccess))
	}
}

// fails answers -1 or an error code of SPCI.
func (m *model) fails(c *modelCPU, code int64) {
	if m.hf {
		c.gets(math.MaxUint64)
	} else {
		c.gets(uint64(spciError), any64, uint64(code))
	}
}

// refuses answers a run that does not begin: the interface of January 2019 has but one word for that.
func (m *model) refuses(c *modelCPU, code int64) {
	if m.hf {
		c.gets(2)
	} else {
		m.fails(c, code)
	}
}

// hasMail answers a receiving call with the message in the mailbox.
func (m *model) hasMail(c *modelCPU) {
	vm := c.vm
	vm.box = read
	if m.hf {
		c.gets(m.id(vm.from.index) | uint64(vm.size)<<32)
		return
	}
	attributes := uint64(0)
	if vm.memory {
		attributes = 2
	}
	c.gets(uint64(spciMsgSend), m.id(vm.from.index)<<16|m.id(vm.index), any64, uint64(vm.size), attributes)
}

func (m *model) hasNoMail(c *modelCPU, code int64) {
	if m.hf {
		c.gets(0xFFFF_FFFF)
	} else {
		m.fails(c, code)
	}
}

// leave takes the pCPU from c; the primary's call gets the result that SPCI or the other interface has.
func (m *model) leave(c *modelCPU, next modelState, jan uint64, spci ...uint64) {
	m.out = leaves
	by := c.by
	c.state, c.by, by.lent = next, nil, nil
	if m.hf {
		by.gets(jan)
	} else {
		by.gets(spci...)
	}
}

func (m *model) wakeUp(c, target *modelCPU) {
	m.leave(c, isReady, wakeUp(m.id(target.vm.index), uint64(target.ID.Index)), uint64(hfRunWakeUp), m.vcpuID(target))
}

func (m *model) preempted(c *modelCPU) {
	m.leave(c, isReady, 0, uint64(spciInterrupt), m.vcpuID(c))
}

// line is the level of c's IRQ line.
func (c *modelCPU) line() bool { return c.enabled&c.pending != 0 }

// left is the time in ns until c's timer fires.
func (c *modelCPU) left() uint64 {
	if !c.armed || c.deadline <= c.rig.now {
		return 0
	}
	return c.deadline - c.rig.now
}

func (c *modelCPU) fired() bool { return c.armed && c.left() == 0 }

// fire turns the expired timer into its interrupt.
func (c *modelCPU) fire() { c.pending |= 1 << 3; c.armed = false }

// awake reports whether c, about to block, does not, because of an interrupt or a kick.
func (c *modelCPU) awake() bool {
	was := c.kicked
	c.kicked = false
	return was || c.line()
}

// blocks answers the primary about c, which blocks.
func (m *model) blocks(c *modelCPU, next modelState) {
	fn, jan, ns := spciMsgWait, uint64(2), c.left()
	if next == awaitsInterrupt {
		fn = hfRunWFI
	}
	if ns != 0 {
		jan = 5 | ns<<8
	}
	if c.fired() {
		m.preempted(c)
		c.state = next
	} else {
		m.leave(c, next, jan, uint64(fn), m.vcpuID(c), ns)
	}
}

// The calls, each with its rules.

func (m *model) configure(c *modelCPU, tx, rx, count uint64) {
	vm := c.vm
	m.begin(c, spciRXTXMap, tx, rx, count)
	switch {
	case !m.hf && count != 1, tx%PageSize != 0, rx%PageSize != 0, tx == rx:
		m.fails(c, -2)
	case vm.mapped || !m.free(vm, tx) || !m.free(vm, rx):
		m.fails(c, -6)
	default:
		vm.mapped, vm.tx, vm.rx = true, tx, rx
		if vm.index != 0 {
			m.mine(rx).own = Read
		}
		m.becomesWritable(c)
	}
	m.finish(c)
}

// becomesWritable answers a call that let c's mailbox take messages.
func (m *model) becomesWritable(c *modelCPU) {
	m.succeeds(c)
	if len(c.vm.waiters) == 0 {
		return
	}
	m.reach(theOthersWereToBeNotified)
	if c.vm.index != 0 {
		m.leave(c, isReady, 6, uint64(spciRXRelease))
	} else if m.hf {
		c.gets(1)
	} else {
		c.gets(uint64(spciRXRelease))
	}
}

// write puts data into c's send page, if it has one.
func (m *model) write(vm *modelVM, data []byte) {
	if vm.mapped {
		copy(m.page(vm.tx), data)
		copy(m.at(vm.tx), data)
	}
}

// at is a page of the shadow.
func (m *model) at(ipa uint64) []byte { return m.shadow[ipa-ramBase:][:PageSize] }

// sendable says whether c can send to a VM, nil for none, and makes it a waiter if it is to be.
//
//go:norace
func (m *model) sendable(c *modelCPU, to *modelVM, size uint64, notify bool) bool {
	switch {
	case to == nil || to == c.vm || !c.vm.mapped || size > 4096:
		m.fails(c, -2)
	case !to.mapped || to.box != empty:
		m.fails(c, -4)
		if notify && !slices.Contains(to.waiters, c.vm) {
			m.reach(aFullMailboxMadeAWaiter)
			to.waiters = append(to.waiters, c.vm)
		}
	default:
		return true
	}
	return false
}

func (m *model) send(c *modelCPU, from uint64, to *modelVM, toID, size uint64, notify bool) {
	m.mail++
	var text [16]byte
	binary.LittleEndian.PutUint64(text[:], uint64(m.mail))
	m.write(c.vm, text[:])
	if m.hf {
		m.begin(c, spciMsgSend, toID, size, uint64(bit(notify)))
	} else {
		m.begin(c, spciMsgSend, from<<16|toID, 0, size, uint64(bit(notify)))
	}
	if !m.hf && from != m.id(c.vm.index) {
		m.fails(c, -2)
	} else if m.sendable(c, to, size, notify) {
		m.post(c, to, int(size), false)
	}
	m.finish(c)
	if to != nil && to.mapped {
		m.same(to.rx, min(size, 64))
	}
}

// post puts the message in c's send page into the mailbox of a VM that can take it.
func (m *model) post(c *modelCPU, to *modelVM, size int, memory bool) {
	copy(m.at(to.rx), m.at(c.vm.tx)[:size])
	to.box, to.from, to.size, to.memory = unread, c.vm, size, memory
	jan := wakeUp(m.id(to.index), 0xFFFF)
	told := []uint64{uint64(spciMsgSend), m.id(c.vm.index)<<16 | m.id(to.index), any64, 0}[:4:4]
	taker := uint64(0xFFFF)
	if size == 4096 {
		m.reach(aBigMessageArrived)
	}
	if to.index == 0 {
		m.reach(thePrimaryGotAMessage)
		to.box = read
		jan = 4 | uint64(size)<<32
		told = []uint64{told[0], told[1], any64, uint64(size), uint64(bit(memory)) << 1}
	} else if n := len(to.blocked) - 1; n >= 0 { // in January 2019, whoever blocked last has it
		m.reach(aMessageEndedAWait)
		last := to.blocked[n]
		to.blocked = to.blocked[:n]
		last.state = isReady
		m.hasMail(last)
		taker = uint64(last.ID.Index)
		jan = wakeUp(m.id(to.index), taker)
	}
	switch {
	case c.vm.index != 0:
		m.succeeds(c)
		m.leave(c, isReady, jan, told...)
	case m.hf:
		c.gets(taker)
	default:
		m.succeeds(c)
	}
}

func (m *model) receive(c *modelCPU, block bool) {
	fn := spciMsgPoll
	if block {
		fn = spciMsgWait
	}
	m.begin(c, fn, uint64(bit(block)))
	switch {
	case c.vm.index == 0:
		m.hasNoMail(c, -1)
	case c.vm.box == unread:
		m.reach(aMessageWasThere)
		m.hasMail(c)
	case !block:
		m.hasNoMail(c, -7)
	case c.awake():
		m.reach(aWaitWasInterruptedAtOnce)
		m.hasNoMail(c, -5)
	default:
		if m.hf {
			c.vm.blocked = append(c.vm.blocked, c)
		}
		m.blocks(c, awaitsMessage)
	}
	m.finish(c)
}

// interruptedWait ends the receiving call that c is blocked in, with no message.
func (m *model) interruptedWait(c *modelCPU) {
	m.hasNoMail(c, -5)
	if i := slices.Index(c.vm.blocked, c); i >= 0 {
		c.vm.blocked = slices.Delete(c.vm.blocked, i, i+1)
	}
}

func (m *model) release(c *modelCPU) {
	m.begin(c, spciRXRelease)
	switch c.vm.box {
	case empty:
		if m.succeeds(c); m.hf {
			m.fails(c, 0)
		}
	case unread:
		m.fails(c, -6)
	case read:
		c.vm.box = empty
		m.becomesWritable(c)
	}
	m.finish(c)
}

// ends reports whether something ends what v, which is not off, waits for, and answers its call.
func (m *model) ends(v *modelCPU, interrupt bool) bool {
	switch {
	case v.state == awaitsMessage && v.vm.box == unread:
		m.reach(aMessageEndedAWait)
		m.hasMail(v)
	case v.state == awaitsMessage && interrupt:
		m.reach(anInterruptEndedAWait)
		m.interruptedWait(v)
	case v.state == awaitsMessage, v.state == awaitsInterrupt && !interrupt:
		return false
	}
	return true
}

// run has c run vCPU index of a VM, nil for none.
func (m *model) run(c *modelCPU, vm *modelVM, vmID, index uint64) {
	if m.hf {
		m.begin(c, spciRun, vmID, index)
	} else {
		m.begin(c, spciRun, vmID<<16|index)
	}
	m.lend(c, vm, index)
	m.finish(c)
}

func (m *model) lend(c *modelCPU, vm *modelVM, index uint64) {
	if c.vm.index != 0 {
		m.refuses(c, -6)
		return
	}
	if vm == nil || vm.index == 0 || index >= uint64(len(vm.cpu)) {
		m.refuses(c, -2)
		return
	}
	v := vm.cpu[index]
	switch {
	case v.state == isRunning:
		m.reach(aRunWasBusy)
		m.refuses(c, -4)
		return
	case vm.dead:
		m.reach(aRunOfADeadVMWasRefused)
		v.state = isDead
		m.refuses(c, -2)
		return
	case v.state == isOff:
		m.refuses(c, -2)
		return
	}
	fired := v.state != isReady && v.fired()
	if !m.ends(v, fired || v.line()) {
		if !v.armed {
			m.refuses(c, -2)
			return
		}
		m.reach(aBlockedRunToldTheTime)
		fn := spciMsgWait
		if v.state == awaitsInterrupt {
			fn = hfRunWFI
		}
		if m.hf {
			c.gets(5 | v.left()<<8)
		} else {
			c.gets(uint64(fn), m.vcpuID(v), v.left())
		}
		return
	}
	if fired {
		m.reach(aTimerEndedAWait)
		v.fire()
	}
	v.state, v.by, c.lent = isRunning, c, v
	m.out = hypercall.Outcome{Action: hypercall.Enter, VCPU: &v.VCPU}
}

func (m *model) yield(c *modelCPU) {
	m.begin(c, spciYield)
	m.succeeds(c)
	if c.vm.index != 0 {
		m.leave(c, isReady, 1, uint64(spciYield), m.vcpuID(c))
	}
	m.finish(c)
}

// happen compares what becomes of c when something other than a call of its own stopped it.
func (m *model) happen(c *modelCPU, rule func(), event func(*hypercall.VCPU) hypercall.Outcome) {
	c.guest.Regs.Forget()
	m.out = hypercall.Outcome{}
	rule()
	m.compare(c, event(&c.VCPU))
}

func (m *model) preempt(c *modelCPU) { m.happen(c, func() { m.preempted(c) }, m.core.Preempt) }

func (m *model) wfi(c *modelCPU) {
	m.happen(c, func() {
		if !c.awake() {
			m.blocks(c, awaitsInterrupt)
		}
	}, m.core.WaitForInterrupt)
}

func (m *model) suspend(c *modelCPU) {
	m.begin(c, hypercall.PSCICPUSuspend)
	if c.gets(0); !c.awake() {
		m.blocks(c, awaitsInterrupt)
	}
	m.finish(c)
}

// abort ends c's VM, of which the primary is told once, and what that has borrowed goes back.
func (m *model) abort(c *modelCPU) {
	m.happen(c, func() {
		if c.vm.dead {
			m.reach(aSiblingAbortedInADeadVM)
			m.preempted(c)
			c.state = isDead
			return
		}
		c.vm.dead, c.vm.blocked = true, c.vm.blocked[:0]
		m.returnLoans(c.vm)
		m.leave(c, isDead, 2, uint64(spciError), any64, code(-8))
		m.out.Ended = true
		for _, sibling := range c.vm.cpu {
			if sibling.state == isRunning {
				m.reach(aSiblingWentOnInADeadVM)
			}
		}
	}, m.core.Abort)
}

// expire is the timer of c, which runs, firing: the pCPU is the primary's.
func (m *model) expire(c *modelCPU) {
	m.happen(c, func() { c.fire(); m.preempted(c) }, m.core.TimerExpired)
}

// fires is the timer of c, about to run, having fired.
func (m *model) fires(c *modelCPU) {
	m.happen(c, c.fire, func(v *hypercall.VCPU) hypercall.Outcome { m.core.TimerFired(v); return hypercall.Outcome{} })
}

// kick is the machine having a sibling of c look for something.
func (m *model) kick(c *modelCPU, index int) {
	v := c.vm.cpu[index]
	m.happen(c, func() {
		switch v.state {
		case isReady, isRunning:
			v.kicked = true
		case awaitsMessage, awaitsInterrupt:
			m.reach(aKickWoke)
			m.ends(v, true)
			v.state = isReady
			m.wakeUp(c, v)
		}
	}, func(u *hypercall.VCPU) hypercall.Outcome { return m.core.Kick(u, index) })
}

func (m *model) inject(c *modelCPU, vm *modelVM, vmID, index, intid uint64) {
	m.begin(c, hfInterruptInject, vmID, index, intid)
	if vm == nil || index >= uint64(len(vm.cpu)) || intid > 63 || c.vm.index != 0 && c.vm != vm {
		c.gets(math.MaxUint64)
		m.finish(c)
		return
	}
	v := vm.cpu[index]
	had := v.line()
	v.pending |= 1 << intid
	c.gets(0)
	if !had && v.line() {
		if slices.Contains(vm.blocked, v) {
			m.reach(anInterruptEndedAWait)
			m.interruptedWait(v)
			v.state = isReady
		}
		switch {
		case v == c:
		case c.vm.index == 0:
			c.gets(1)
		default:
			m.wakeUp(c, v)
		}
	}
	m.finish(c)
}

func (m *model) enable(c *modelCPU, intid uint64, on bool) {
	m.begin(c, hfInterruptEnable, intid, uint64(bit(on)))
	c.gets(0)
	switch {
	case intid > 63:
		c.gets(math.MaxUint64)
	case on:
		c.enabled |= 1 << intid
	default:
		c.enabled &^= 1 << intid
	}
	m.finish(c)
}

func (m *model) take(c *modelCPU) {
	m.begin(c, hfInterruptGet)
	c.gets(0xFFFF_FFFF)
	if c.line() {
		lowest := bits.TrailingZeros64(c.enabled & c.pending)
		c.pending &^= 1 << lowest
		c.gets(uint64(lowest))
	}
	m.finish(c)
}

func (m *model) waiter(c *modelCPU, vm *modelVM, vmID uint64) {
	m.begin(c, hfMailboxWaiterGet, vmID)
	c.gets(math.MaxUint64)
	if c.vm.index == 0 && vm != nil && vm.mapped && vm.box == empty && len(vm.waiters) > 0 {
		m.reach(aWaiterWasTold)
		w := vm.waiters[0]
		vm.waiters = slices.Delete(vm.waiters, 0, 1)
		if !slices.Contains(w.ready, vm) {
			w.ready = append(w.ready, vm)
		}
		c.gets(m.id(w.index))
	}
	m.finish(c)
}

func (m *model) writable(c *modelCPU) {
	m.begin(c, hfMailboxWritableGet)
	c.gets(math.MaxUint64)
	if len(c.vm.ready) > 0 {
		c.gets(m.id(c.vm.ready[0].index))
		c.vm.ready = slices.Delete(c.vm.ready, 0, 1)
	}
	m.finish(c)
}

func (m *model) on(c *modelCPU, index, entry, context uint64) {
	m.begin(c, hypercall.PSCICPUOn|hypercall.SMC64, index, entry, context)
	switch {
	case index >= uint64(len(c.vm.cpu)):
		c.gets(code(-2))
	case entry%4 != 0 || !m.may(c.vm, entry, Execute):
		c.gets(code(-9))
	case c.vm.cpu[index].state != isOff:
		c.gets(code(-4))
	default:
		v := c.vm.cpu[index]
		v.state, v.boots, v.boot = isReady, true, hypercall.Boot{Entry: entry, X0: context}
		c.gets(0)
		m.wakeUp(c, v)
	}
	m.finish(c)
}

func (m *model) switchOff(c *modelCPU) {
	m.begin(c, hypercall.PSCICPUOff)
	c.armed = false
	m.leave(c, isOff, 2, uint64(hfRunWFI), m.vcpuID(c), 0)
	m.finish(c)
}

func (m *model) affinity(c *modelCPU, index, level uint64) {
	m.begin(c, hypercall.PSCIAffinityInfo, index, level)
	switch {
	case index >= uint64(len(c.vm.cpu)) || level != 0:
		c.gets(code(-2))
	case c.vm.cpu[index].state == isOff:
		c.gets(1)
	default:
		c.gets(0)
	}
	m.finish(c)
}

// ask makes a call that only tells something.
func (m *model) ask(c *modelCPU, what int, vm *modelVM, vmID uint64) {
	switch what {
	case 0:
		m.begin(c, spciIDGet)
		if m.hf {
			c.gets(uint64(c.vm.index))
		} else {
			c.gets(uint64(spciSuccess), any64, m.id(c.vm.index))
		}
	case 1:
		m.begin(c, hfVMGetCount)
		c.gets(4)
	default:
		m.begin(c, hfVCPUGetCount, vmID)
		if c.gets(math.MaxUint64); vm != nil && c.vm.index == 0 {
			c.gets(uint64(len(vm.cpu)))
		}
	}
	m.finish(c)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s modelState) String() string {
	return [...]string{"off", "ready", "running", "awaits a message", "awaits an interrupt", "dead"}[s]
}

// String says where the machine stands.
func (m *model) String() (s string) {
	for _, vm := range m.vm {
		s += fmt.Sprintf("VM %d: mapped %v, mailbox %d, dead %v;", vm.index, vm.mapped, vm.box, vm.dead)
		for _, c := range vm.cpu {
			s += fmt.Sprintf(" %v %v", c.ID, c.state)
		}
		s += "\n"
	}
	return s
}
