package ffa

import (
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// machine is a rig whose vCPUs run programs. Each pCPU is a goroutine that does what a real one does:
// it enters a vCPU, serves its exit and does as the outcome says.
type machine struct {
	*rig
	sims [][]*sim
	fail sync.Once // the first mistake is the one that matters
}

// program is what a vCPU runs. A secondary's vCPU is switched off when its program ends.
type program func(*sim)

// sim is a simulated vCPU: a coroutine that stops where a real vCPU exits.
type sim struct {
	*guest
	m      *machine
	body   program
	next   func() (exit, bool)
	yield  func(exit) bool
	line   bool        // level of its IRQ line
	inside atomic.Bool // a pCPU is running it
}

type exit uint8

const (
	exitCall  exit = iota // a call is in the registers
	exitWFI               // it executed WFI
	exitFault             // it touched memory that it does not own
	exitSpin              // it is at a place where it may be preempted
)

// newMachine returns a machine in which vCPU i of VM n runs programs[n][i].
func newMachine(t testing.TB, programs ...[]program) *machine {
	counts := make([]int, len(programs))
	for vm := range programs {
		counts[vm] = len(programs[vm])
	}
	m := &machine{rig: newRig(t, counts...)}
	for vm := range programs {
		m.sims = append(m.sims, nil)
		for i, body := range programs[vm] {
			s := &sim{guest: m.vms[vm][i], m: m, body: body}
			s.start()
			m.sims[vm] = append(m.sims[vm], s)
		}
	}
	return m
}

// start makes a coroutine that runs the program from its beginning.
func (s *sim) start() {
	s.next, _ = iter.Pull(func(yield func(exit) bool) {
		s.yield = yield
		s.body(s)
		for s.ID.VM != primary {
			s.call(hypercall.PSCICPUOff)
		}
	})
}

// run runs the machine until the programs of the primary have ended.
func (m *machine) run() {
	var pcpus sync.WaitGroup
	for _, home := range m.sims[primary] {
		pcpus.Go(func() { m.pcpu(home) })
	}
	pcpus.Wait()
}

func (m *machine) errorf(format string, args ...any) {
	m.fail.Do(func() { m.t.Errorf(format, args...) })
}

// pcpu is the run loop of one physical CPU.
func (m *machine) pcpu(home *sim) {
	for cur := home; ; {
		e, ok := cur.enter()
		if !ok {
			return
		}
		switch out := cur.serve(e); out.Action {
		case hypercall.Enter:
			cur = m.sims[out.VCPU.ID.VM][out.VCPU.ID.Index]
		case hypercall.Leave:
			cur = home
		}
	}
}

// enter runs the vCPU until its next exit. It is false when its program has ended.
func (s *sim) enter() (e exit, ok bool) {
	if !s.inside.CompareAndSwap(false, true) {
		s.m.errorf("vCPU %v runs on two pCPUs", s.ID)
	}
	if boot, ok := s.TakeBoot(); ok {
		s.start()
		s.x[0] = boot.X0
	}
	s.Regs.Flush()
	s.line = s.m.core.IRQLine(&s.VCPU)
	e, ok = s.next()
	s.Regs.Forget()
	s.inside.Store(false)
	return e, ok
}

// serve does what the machine does about an exit. Once the core has said Leave, the vCPU is no longer
// this pCPU's.
func (s *sim) serve(e exit) hypercall.Outcome {
	core := s.m.core
	switch e {
	case exitWFI:
		return core.WaitForInterrupt(&s.VCPU)
	case exitFault:
		return core.Abort(&s.VCPU)
	case exitSpin:
		if ns, armed := s.m.Remaining(s.ID); armed && ns == 0 {
			return core.TimerExpired(&s.VCPU)
		}
		return core.Preempt(&s.VCPU)
	}
	return s.dispatch(hypercall.HVC)
}

// call makes a call from a program.
func (s *sim) call(fn hypercall.FuncID, args ...uint64) (x0 uint64) {
	s.x[0] = uint64(fn)
	copy(s.x[1:], args)
	s.yield(exitCall)
	return s.x[0]
}

func (s *sim) wfi()  { s.yield(exitWFI) }
func (s *sim) spin() { s.yield(exitSpin) }

func (s *sim) is(fn hypercall.FuncID) bool { return s.x[0] == uint64(fn) }

// isError reports whether the last call failed with an error code of SPCI.
func (s *sim) isError(c int64) bool { return s.is(spciError) && s.x[2] == code(c) }

// mapBoxes gives the program's VM its mailbox.
func (s *sim) mapBoxes() {
	vm := int(s.ID.VM)
	s.call(spciRXTXMap, txOf(vm), rxOf(vm), 1)
	if !s.is(spciSuccess) && !s.is(spciRXRelease) {
		s.m.errorf("VM %d: mapping the mailbox: %#x", vm, s.x[:3])
	}
}

func (s *sim) tx() []byte { return s.m.page(txOf(int(s.ID.VM))) }
func (s *sim) rx() []byte { return s.m.page(rxOf(int(s.ID.VM))) }

// message sends size bytes of TX to a VM.
func (s *sim) message(to int, size, attributes uint64) (x0 uint64) {
	return s.call(spciMsgSend, spciPair(idOf(int(s.ID.VM)), idOf(to)), 0, size, attributes)
}

// scheduler is the primary's: it follows the duties of a Hafnium scheduler. Every vCPU of the primary
// runs its loop.
type scheduler struct {
	// received gets a message for the primary; the mailbox is released after it.
	received func(s *sim, from int, data []byte)
	// idle is asked when there is nothing to run; it is false when the work is done.
	idle func(s *sim) bool

	mu      sync.Mutex
	vcpus   []*task
	running int
	aborts  int
}

// task is the scheduler's view of a secondary's vCPU.
type task struct {
	id                hypercall.VCPUID
	runnable, running bool
	waitsForMessage   bool
	waited            bool // when its run began
	dead              bool
	wakeAt            uint64 // ns, 0 = never
	woken             bool   // since its run began
}

func (sch *scheduler) boot(m *machine) {
	for vm := 1; vm < len(m.sims); vm++ {
		for i := range m.sims[vm] {
			sch.vcpus = append(sch.vcpus, &task{id: hypercall.VCPUID{VM: uint16(vm), Index: uint16(i)}, runnable: i == 0})
		}
	}
}

func (sch *scheduler) task(vm, index uint64) *task {
	for _, k := range sch.vcpus {
		if spciID(k.id.VM) == vm && uint64(k.id.Index) == index {
			return k
		}
	}
	return nil
}

func (k *task) wake() { k.runnable, k.woken = !k.dead, true }

// pick takes the next vCPU that may be run, moving the clock on if every one of them sleeps.
func (sch *scheduler) pick(m *machine) (k *task, wait bool) {
	sch.mu.Lock()
	defer sch.mu.Unlock()
	for i, k := range sch.vcpus {
		if k.runnable && !k.running {
			sch.vcpus = append(append(sch.vcpus[:i:i], sch.vcpus[i+1:]...), k)
			k.running, k.waited = true, k.waitsForMessage
			k.woken, k.waitsForMessage, k.wakeAt = false, false, 0
			sch.running++
			return k, false
		}
	}
	if sch.running > 0 {
		return nil, true
	}
	var first *task
	for _, k := range sch.vcpus {
		if k.wakeAt != 0 && (first == nil || k.wakeAt < first.wakeAt) {
			first = k
		}
	}
	if first == nil {
		return nil, false
	}
	m.mu.Lock()
	m.now = max(m.now, first.wakeAt)
	m.mu.Unlock()
	first.runnable = true
	return nil, true
}

// loop runs vCPUs until idle says that the work is done.
func (sch *scheduler) loop(s *sim) {
	for {
		k, wait := sch.pick(s.m)
		switch {
		case k != nil:
			s.call(spciRun, spciVCPU(k.id))
			sch.ran(s, k)
		case wait:
			runtime.Gosched()
		case !sch.idle(s):
			return
		}
	}
}

// ran acts on the result of running k.
func (sch *scheduler) ran(s *sim, k *task) {
	x := s.x
	sch.mu.Lock()
	defer sch.mu.Unlock()
	k.running = false
	sch.running--
	switch hypercall.FuncID(x[0]) {
	case spciInterrupt, spciYield:
	case spciMsgWait, hfRunWFI:
		if x[1] != spciVCPU(k.id) {
			s.m.errorf("running %v: a result of %#x", k.id, x[1])
		}
		k.runnable = k.woken
		k.waitsForMessage = hypercall.FuncID(x[0]) == spciMsgWait
		if x[2] != 0 {
			s.m.mu.Lock()
			k.wakeAt = s.m.now + x[2]
			s.m.mu.Unlock()
		}
	case spciMsgSend:
		from, to := x[1]>>16, x[1]&0xFFFF
		if from != spciID(k.id.VM) {
			s.m.errorf("running %v: a message of VM %d", k.id, from)
		}
		if to == spciID(primary) {
			sch.received(s, int(from)-1, s.rx()[:x[3]])
			if s.call(spciRXRelease) == uint64(spciRXRelease) {
				sch.notify(s, spciID(primary))
			}
			return
		}
		if x[3] != 0 {
			s.m.errorf("the size of a message for VM %d was told", to)
		}
		sch.deliver(s, to)
	case spciRXRelease:
		sch.notify(s, spciID(k.id.VM))
	case hfRunWakeUp:
		sch.task(x[1]>>16, x[1]&0xFFFF).wake()
	case spciError:
		switch int64(x[2]) {
		case spciAborted:
		case spciCodes[invalid]: // woken for a message that it took before it blocked
			k.runnable, k.waitsForMessage = k.woken, k.waited
			return
		default:
			s.m.errorf("running %v: error %d", k.id, int64(x[2]))
		}
		sch.aborts++
		for _, o := range sch.vcpus {
			if o.id.VM == k.id.VM {
				o.runnable, o.dead, o.wakeAt = false, true, 0
			}
		}
	default:
		s.m.errorf("running %v: result %#x", k.id, x[0])
	}
}

// deliver runs a vCPU of a VM that has a message: one that waits, or else every one that may be on its
// way to wait.
func (sch *scheduler) deliver(s *sim, vm uint64) {
	for _, k := range sch.vcpus {
		if spciID(k.id.VM) == vm && k.waitsForMessage { // it may still, if it took the message before
			k.wake()
			return
		}
	}
	for _, k := range sch.vcpus {
		if spciID(k.id.VM) == vm && k.running {
			k.woken = true
		}
	}
	sch.inject(s, vm, MailboxReadable)
}

// notify interrupts everyone who waits for the mailbox of a VM.
func (sch *scheduler) notify(s *sim, vm uint64) {
	for {
		waiter := s.call(hfMailboxWaiterGet, vm)
		if waiter == failed {
			return
		}
		if waiter != spciID(primary) {
			sch.inject(s, waiter, MailboxWritable)
		}
	}
}

func (sch *scheduler) inject(s *sim, vm, intid uint64) {
	if s.call(hfInterruptInject, vm, 0, intid) == 1 {
		sch.task(vm, 0).wake()
	}
}
