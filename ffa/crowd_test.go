package ffa

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/hypercall/randomtest"
)

// crowd is a machine whose pCPUs, a goroutine each, make random calls at the same time. Nobody can say then what a call
// returns, but the guests keep books: of each message that was accepted, of each notification that they
// are owed.
type crowd struct {
	*rig
	hf    bool
	fail  sync.Once
	vms   []*crowdVM
	homes []*member // the primary's vCPUs
	stop  atomic.Bool
}

type crowdVM struct {
	index int
	cpu   []*member
	dead  atomic.Bool

	guest  sync.Mutex // what its vCPUs lock to use the send page, and to read what became writable
	mapped bool       // its mailbox
	sent   [crowdVMs]uint64
	owed   [crowdVMs]bool // whom it waits for
	reader atomic.Int32   // 1 + the vCPU that has read a message and did not release it yet
	got    [crowdVMs]uint64
}

const crowdVMs = 4

// member is a vCPU.
type member struct {
	*guest
	vm     *crowdVM
	inside atomic.Bool // a pCPU runs it
	waits  bool        // its last call was a receiving one
	booted bool        // it let interrupts through when it began
}

// pcpu is a physical CPU: a vCPU of the primary, and whom it has lent itself to.
type pcpu struct {
	*crowd
	randomtest.Seeded
	home, cur *member
}

func newCrowd(t *testing.T, hf bool) *crowd {
	c := &crowd{rig: newRig(t, 4, 3, 2, 1), hf: hf}
	if hf {
		c.serve(c.core.HF())
	}
	for i, guests := range c.rig.vms {
		vm := &crowdVM{index: i}
		for _, g := range guests {
			vm.cpu = append(vm.cpu, &member{guest: g, vm: vm})
		}
		c.vms = append(c.vms, vm)
	}
	c.homes = c.vms[0].cpu
	return c
}

func (c *crowd) errorf(format string, args ...any) {
	c.fail.Do(func() { c.t.Errorf(format, args...) })
	c.stop.Store(true)
}

func (c *crowd) id(vm int) uint64 { return uint64(vm + bit(!c.hf)) }

// runs is what a vCPU does in guest code: nobody else may run it meanwhile.
func (p *pcpu) runs(m *member, what func()) {
	if !m.inside.CompareAndSwap(false, true) {
		p.errorf("vCPU %v runs on two pCPUs", m.ID)
	}
	what()
	m.inside.Store(false)
}

// call makes a call of the vCPU that has the pCPU.
func (p *pcpu) call(fn hypercall.FuncID, args ...uint64) hypercall.Outcome {
	m := p.cur
	m.waits = fn == spciMsgWait || fn == spciMsgPoll
	if n, ok := janNumbers[fn]; ok && p.hf {
		fn = n
	}
	p.runs(m, func() { m.load(fn, args...) })
	return p.after(m.dispatch(hypercall.HVC))
}

// after does what the outcome of an exit of the current vCPU says.
func (p *pcpu) after(out hypercall.Outcome) hypercall.Outcome {
	switch out.Action {
	case hypercall.Enter:
		p.cur = p.vms[out.VCPU.ID.VM].cpu[out.VCPU.ID.Index]
		p.cur.TakeBoot()
	case hypercall.Leave:
		from := p.cur.vm
		p.cur = p.home
		p.runs(p.cur, p.cur.Regs.Flush)
		p.returned(from)
		return out
	}
	m := p.cur
	p.runs(m, m.Regs.Flush)
	if m.vm.index != primary && m.waits {
		m.waits = false
		if from, size, ok := p.mail(m); ok {
			p.read(m, from, size)
		}
	}
	return out
}

// mail reads the answer of a receiving call.
func (p *pcpu) mail(m *member) (from int, size uint64, ok bool) {
	if p.hf {
		return int(uint32(m.x[0])), m.x[0] >> 32, uint32(m.x[0]) != 0xFFFF_FFFF
	}
	return int(m.x[1]>>16) - 1, m.x[3], m.x[0] == uint64(spciMsgSend)
}

// returned looks at the result of a run that ended, of a vCPU of VM from: it may be a message.
func (p *pcpu) returned(from *crowdVM) {
	x := p.home.x
	switch {
	case p.hf && x[0]&0xFF == 4:
		p.read(p.home, from.index, x[0]>>32)
	case !p.hf && x[0] == uint64(spciMsgSend) && x[1]&0xFFFF == 1:
		p.read(p.home, from.index, x[3])
	}
}

// read takes the message that m got: the next of its sender, and nobody else's.
func (p *pcpu) read(m *member, from int, size uint64) {
	vm := m.vm
	if !vm.reader.CompareAndSwap(0, 1+int32(m.ID.Index)) {
		p.errorf("vCPU %v got a message while vCPU %d of its VM reads one", m.ID, vm.reader.Load()-1)
		return
	}
	if from < 0 || from >= crowdVMs || from == vm.index || size != messageSize && size != memoryMessageSize {
		p.errorf("vCPU %v got a message of VM %d, of %d bytes", m.ID, from, size)
		return
	}
	if size == messageSize {
		b := p.page(rxOf(vm.index))
		n, pair := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		if n != vm.got[from]+1 || pair != uint64(from)<<8|uint64(vm.index) {
			p.errorf("vCPU %v got message %d (%#x) of VM %d after message %d", m.ID, n, pair, from, vm.got[from])
		}
	}
	vm.got[from]++
}

// Messages are 16 bytes, those that describe a range of memory are 56.
const (
	messageSize       = 16
	memoryMessageSize = 56
)

// send sends the next message to a VM, and keeps books of what becomes of it.
func (p *pcpu) send(to *crowdVM, notify bool) {
	from := p.cur.vm
	from.guest.Lock()
	defer from.guest.Unlock()
	page := p.page(txOf(from.index))
	n := from.sent[to.index] + 1
	args, memory := []uint64{p.id(to.index), messageSize, uint64(bit(notify))}, !p.hf && p.Below(8, "") == 0
	if memory {
		p.cur.describe(uint16(p.Below(4, "")), to.index, attrRWX, 1, pagesOf(p.Below(crowdVMs, ""), p.Below(6, ""), 1))
		args = []uint64{p.id(from.index)<<16 | p.id(to.index), 0, memoryMessageSize, uint64(2 | bit(notify))}
	} else {
		binary.LittleEndian.PutUint64(page, n)
		binary.LittleEndian.PutUint64(page[8:], uint64(from.index)<<8|uint64(to.index))
		if !p.hf {
			args = []uint64{p.id(from.index)<<16 | p.id(to.index), 0, messageSize, uint64(bit(notify))}
		}
	}
	sender := p.cur
	out := p.call(spciMsgSend, args...)
	switch {
	case out.Action == hypercall.Leave, p.hf && sender.x[0] != failed, !p.hf && sender.x[0] == uint64(spciSuccess):
		from.sent[to.index] = n
	case notify && (p.hf && from.mapped && to != from || !p.hf && sender.isError(-4)):
		from.owed[to.index] = true
	}
}

func (g *guest) isError(c int64) bool { return g.x[0] == uint64(spciError) && g.x[2] == code(c) }

// release frees the mailbox if the current vCPU read a message.
func (p *pcpu) release() {
	if m := p.cur; m.vm.reader.CompareAndSwap(1+int32(m.ID.Index), 0) {
		p.call(spciRXRelease)
	}
}

// learn asks what became writable.
func (p *pcpu) learn() (found bool) {
	vm := p.cur.vm
	vm.guest.Lock()
	defer vm.guest.Unlock()
	p.call(hfMailboxWritableGet)
	if x0 := p.cur.x[0]; x0 != failed {
		vm.owed[int(x0)-bit(!p.hf)] = false
		return true
	}
	return false
}

func (p *pcpu) configure() {
	m := p.cur
	m.vm.guest.Lock()
	defer m.vm.guest.Unlock()
	out := p.call(spciRXTXMap, txOf(m.vm.index), rxOf(m.vm.index), 1)
	if out.Action == hypercall.Leave || p.hf && m.x[0] != failed || !p.hf && m.x[0] != uint64(spciError) {
		m.vm.mapped = true
	}
}

func (p *pcpu) run(m *member) {
	if p.hf {
		p.call(spciRun, p.id(m.vm.index), uint64(m.ID.Index))
	} else {
		p.call(spciRun, p.id(m.vm.index)<<16|uint64(m.ID.Index))
	}
}

func (p *pcpu) inject(m *member, intid uint64) {
	p.call(hfInterruptInject, p.id(m.vm.index), uint64(m.ID.Index), intid)
}

func (p *pcpu) event(happens func(*hypercall.VCPU) hypercall.Outcome) {
	m := p.cur
	p.runs(m, m.Regs.Forget)
	p.after(happens(&m.VCPU))
}

func (p *pcpu) step() {
	m := p.cur
	vm := p.vms[p.Below(crowdVMs, "")]
	other := vm.cpu[p.Below(len(vm.cpu), "")]
	if p.Below(2, "") == 0 {
		p.release()
		m = p.cur
	}
	if m == p.home {
		switch n := p.Below(24, ""); {
		case n < 12:
			p.run(p.vms[1+p.Below(crowdVMs-1, "")].cpu[0])
		case n < 15:
			p.run(other)
		case n < 18:
			p.inject(other, uint64(p.Below(3, "")))
		case n < 20:
			p.call(hfMailboxWaiterGet, p.id(vm.index))
		case n < 22:
			p.anybody(vm)
		default:
			p.call(spciYield)
		}
		return
	}
	if !m.booted {
		m.booted = true
		p.call(hfInterruptEnable, 0, 1)
		p.call(hfInterruptEnable, 1, 1)
		p.configure()
		return
	}
	switch p.Below(24, "") {
	case 0, 1, 2, 3:
		for p.call(hfInterruptGet); p.cur.x[0] != NoINTID; p.call(hfInterruptGet) {
		}
		p.call(spciMsgWait, 1)
	case 4:
		p.call(spciMsgPoll)
	case 5:
		p.call(hfInterruptEnable, uint64(p.Below(3, "")), 1)
	case 6:
		p.inject(m.vm.cpu[p.Below(len(m.vm.cpu), "")], uint64(p.Below(3, "")))
	case 7:
		p.call(spciYield)
	case 8:
		p.event(p.core.Preempt)
	case 9:
		p.event(p.core.WaitForInterrupt)
	case 10:
		m.arm(uint64(p.Below(50, "")))
		p.advance(uint64(p.Below(20, "")))
	case 11:
		if _, armed := p.Remaining(m.ID); armed {
			p.event(p.core.TimerExpired)
		}
	case 12, 13:
		p.call(hypercall.PSCICPUOn|hypercall.SMC64, uint64(p.Below(len(m.vm.cpu), "")), ramOf(m.vm.index).Base, 0)
	case 14:
		if m.ID.Index != 0 && m.vm.reader.Load() != 1+int32(m.ID.Index) {
			p.call(hypercall.PSCICPUOff)
		}
	case 15:
		if p.Below(100, "") == 0 {
			m.vm.dead.Store(true)
			p.event(p.core.Abort)
		}
	default:
		p.anybody(vm)
	}
}

// anybody is what the primary's vCPUs do as well as the others.
func (p *pcpu) anybody(vm *crowdVM) {
	switch p.Below(8, "") {
	case 0:
		p.configure()
	case 1, 2:
		p.learn()
	case 3:
		if !p.hf {
			s := pagesOf(p.Below(crowdVMs, ""), p.Below(6, ""), 1+p.Below(2, ""))
			p.call(hfShareMemory, p.id(vm.index)<<32|uint64(p.Below(3, "")), s.Base, s.Size)
		}
	default:
		p.send(vm, p.Below(2, "") == 0)
	}
}

// play makes n random steps on every pCPU at once, then lets everybody finish.
func (c *crowd) play(seed uint64, n int) {
	var all sync.WaitGroup
	pcpus := make([]*pcpu, len(c.homes))
	for i, home := range c.homes {
		p := &pcpu{crowd: c, home: home, cur: home}
		p.Seed(seed, uint64(i))
		pcpus[i] = p
		all.Go(func() {
			for i := 0; i < n && !c.stop.Load(); i++ {
				if p.step(); i%64 == 0 {
					runtime.Gosched()
				}
			}
			if p.cur != home {
				p.event(c.core.Preempt)
			}
		})
	}
	all.Wait()
	if !c.stop.Load() {
		pcpus[0].drain()
	}
}

// drain lets everyone who still can take what is there for it, and then fails if something is left.
func (p *pcpu) drain() {
	reached := make([]bool, crowdVMs)
	for busy := true; busy; {
		busy = false
		for _, vm := range p.vms {
			for p.call(hfMailboxWaiterGet, p.id(vm.index)); p.home.x[0] != failed; p.call(hfMailboxWaiterGet, p.id(vm.index)) {
				busy = true
			}
			for _, m := range vm.cpu {
				if p.enter(m) {
					busy = p.finish(vm, reached[vm.index]) || busy
					reached[vm.index] = true
				}
				if p.cur != p.home {
					p.event(p.core.Preempt)
				}
			}
		}
	}
	for _, from := range p.vms {
		for _, to := range p.vms {
			if !reached[to.index] {
				continue
			}
			if got := to.got[from.index]; got != from.sent[to.index] {
				p.errorf("VM %d got %d messages of VM %d, which sent %d", to.index, got, from.index, from.sent[to.index])
			}
			if reached[from.index] && from.owed[to.index] {
				p.errorf("VM %d was never told that the mailbox of VM %d is writable", from.index, to.index)
			}
		}
	}
	p.ownership()
}

// enter brings the pCPU to a vCPU, waking it if it must.
func (p *pcpu) enter(m *member) bool {
	if m.vm.index == primary {
		return m == p.home
	}
	for intid := range uint64(3) {
		p.inject(m, intid)
	}
	p.run(m)
	return p.cur == m
}

// finish has the current vCPU of a VM do what is left to do, until it leaves. It is false if that was nothing.
func (p *pcpu) finish(vm *crowdVM, again bool) (busy bool) {
	if !again {
		busy = true
		p.configure()
	}
	for p.cur.vm == vm && p.learn() {
		busy = true
	}
	if p.cur.vm == vm && vm.index != primary {
		p.call(spciMsgPoll, 0)
	}
	if p.cur.vm == vm && vm.reader.Swap(0) != 0 {
		busy = true
		p.call(spciRXRelease)
	}
	return busy
}

// ownership fails unless every page has one claim, which stage 2 agrees with.
func (p *pcpu) ownership() {
	next := uint64(ramBase)
	for _, h := range p.core.pages {
		if h.Base != next {
			p.errorf("holdings %v", p.core.pages)
		}
		next = h.end()
		for a := h.Base; a < next; a += PageSize {
			for vm := range p.vms {
				got, want := p.stage2.access[vm][a], h.access(uint16(vm))
				if p.core.vms[vm].aborting {
					want = 0
				}
				if got != want {
					p.errorf("page %#x: VM %d has access %03b, its claim says %03b", a, vm, got, want)
				}
			}
		}
	}
	if next != ramBase+crowdVMs*vmSize {
		p.errorf("memory ends at %#x", next)
	}
}

// Random calls of four pCPUs at once: no vCPU runs on two of them, every message that was accepted arrives once and
// in order, whoever asked to be notified is, and everybody comes to the end.
func TestRandomCallsAtTheSameTimeLoseNothing(t *testing.T) {
	for _, hf := range []bool{false, true} {
		t.Run(interfaceName(hf), func(t *testing.T) {
			seed, want := rand.Uint64(), randomtest.Steps(500_000)
			messages, dead := uint64(0), 0
			for steps := 0; steps < want && !t.Failed(); seed++ {
				c := newCrowd(t, hf)
				n := 1000 << (seed % 4)
				c.play(seed, n)
				steps += n * len(c.homes)
				for _, vm := range c.vms {
					dead += bit(vm.dead.Load())
					for _, n := range vm.sent {
						messages += n
					}
				}
			}
			if t.Failed() {
				t.Logf("seed %d, which brings back the calls, not their order", seed-1)
			}
			if messages == 0 || dead == 0 {
				t.Errorf("%d messages were sent, %d VMs aborted: too few", messages, dead)
			}
			t.Logf("%d messages, %d VMs aborted", messages, dead)
		})
	}
}
