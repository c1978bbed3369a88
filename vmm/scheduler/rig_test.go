package scheduler

import (
	"bytes"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/ffa"
	"github.com/hfvmm/hfvmm/hypercall"
)

const (
	ramBase = 0x4000_0000
	vmSize  = 8 * ffa.PageSize
)

// rig is a machine with the real partition manager, whose secondaries are programs in Go, under the eyes of
// the checker of schedulers: every breach fails the test. It has a clock that moves when all wait for
// it, unless it has several CPUs.
type rig struct {
	t        testing.TB
	ram      []byte
	core     *ffa.Core
	vms      [][]*guest
	tables   [2]*hypercall.Table // of the primary and of the secondaries
	checker  *duty.Checker
	counts   map[string]uint64 // duties that were kept
	console  *script
	s        *Scheduler
	logged   []string
	attempts map[uint64]int // calls of RUN, by the vCPU in w1
	trace    []string       // "VM.vCPU" of each run that began, if not nil at first

	wakes   []chan struct{}
	started time.Time
	over    bool // what the test does from now on is not the scheduler's

	mu     sync.Mutex
	now    uint64 // ns, of one CPU
	waits  int    // that were waited for
	timers map[hypercall.VCPUID]uint64
}

// program is what a vCPU of a secondary does.
type program func(g *guest)

// guest is a vCPU.
type guest struct {
	hypercall.VCPU
	rig     *rig
	x       [hypercall.NumRegs]uint64
	program program
	resume  func() (struct{}, bool)
	stop    func()
	yield   func(struct{}) bool
}

func (g *guest) LoadX(n int) uint64     { return g.x[n] }
func (g *guest) StoreX(n int, v uint64) { g.x[n] = v }

// setup is what a test wants.
type setup struct {
	abi    ABI // SPCI unless given
	policy Policy
	cpus   int // 1 unless given
	lines  []string
	vms    [][]program // of each secondary, of each vCPU
}

// script is the console of a test.
type script struct {
	lines   []string
	open    bool // there will be more lines
	refuse  bool
	writing bool // the last answer is not written before everybody waits for that
	answers []string
}

func (c *script) Line() (line []byte, ended bool) {
	if len(c.lines) == 0 {
		return nil, !c.open
	}
	line = []byte(c.lines[0])
	c.lines = c.lines[1:]
	return line, false
}

func (c *script) Answer(m []byte) bool {
	if !c.refuse {
		c.answers = append(c.answers, string(bytes.Clone(m)))
	}
	return !c.refuse
}

func (c *script) Flushed() bool { return !c.writing }

func newRig(t testing.TB, cfg setup) *rig {
	t.Helper()
	r := &rig{t: t, console: &script{lines: cfg.lines}, counts: map[string]uint64{}, attempts: map[uint64]int{}, timers: map[hypercall.VCPUID]uint64{}, started: time.Now()}
	cpus := max(cfg.cpus, 1)
	vms := append([][]program{make([]program, cpus)}, cfg.vms...)
	r.ram = make([]byte, len(vms)*vmSize)
	core := ffa.Config{Memory: r, Timer: r, Stage2: r, Observer: r}
	check := duty.Config{Aborts: cfg.abi != HF, Report: func(b duty.Breach) {
		t.Errorf("%s is broken for %v: %s after %v", b.ID, b.VCPU, b.Breach, b.Returned)
	}}
	for vm, programs := range vms {
		p := ffa.Partition{Name: "vm", RAM: ffa.Span{Base: ramBase + uint64(vm)*vmSize, Size: vmSize}}
		r.vms = append(r.vms, nil)
		for i, program := range programs {
			g := &guest{rig: r, program: program}
			g.ID = hypercall.VCPUID{VM: uint16(vm), Index: uint16(i)}
			g.Regs = hypercall.NewRegs(g)
			r.vms[vm] = append(r.vms[vm], g)
			p.VCPUs = append(p.VCPUs, &g.VCPU)
		}
		core.Partitions = append(core.Partitions, p)
		check.VCPUs = append(check.VCPUs, len(programs))
		r.vms[vm][0].Reset(hypercall.Boot{})
	}
	r.checker = duty.New(check)
	for range cpus {
		r.wakes = append(r.wakes, make(chan struct{}, 1))
	}
	var err error
	if r.core, err = ffa.New(core); err != nil {
		t.Fatal(err)
	}
	abi, service := SPCI, r.core.SPCI()
	if cfg.abi == HF {
		abi, service = HF, r.core.HF()
	}
	for i, services := range [][]hypercall.Service{{service}, {service, r.core.PSCI()}} {
		if r.tables[i], err = hypercall.NewTable(services...); err != nil {
			t.Fatal(err)
		}
	}
	box := Mailbox{TX: r.Slice(ramBase, MaxMessage), RX: r.Slice(ramBase+MaxMessage, MaxMessage), TXIPA: ramBase, RXIPA: ramBase + MaxMessage}
	r.s = New(Config{Machine: r, Console: r.console, ABI: abi, Policy: cfg.policy, CPUs: cpus, Mailbox: box,
		Log: func(text string) { r.logged = append(r.logged, text) }})
	t.Cleanup(func() {
		for _, vm := range r.vms {
			for _, g := range vm {
				if g.stop != nil {
					g.stop()
				}
			}
		}
	})
	if err := r.s.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// run works on all CPUs until the end, and counts duties.
func (r *rig) run() End {
	r.t.Helper()
	ends := make([]End, len(r.wakes))
	var cpus sync.WaitGroup
	for i := range ends {
		cpus.Go(func() { ends[i] = r.s.Work(i) })
	}
	cpus.Wait()
	r.over = true
	r.checker.End(r.Now() + 2*duty.Grace)
	for _, n := range r.checker.Tallies() {
		r.counts[n.ID] = n.Kept
	}
	if ends := slices.Compact(ends); len(ends) != 1 {
		r.t.Errorf("the CPUs end for different reasons: %v", ends)
	}
	return ends[0]
}

// expect runs to the end and compares it and what was answered.
func (r *rig) expect(end End, answers ...string) {
	r.t.Helper()
	if got := r.run(); got != end {
		r.t.Errorf("the end is %d, want %d", got, end)
	}
	if !slices.Equal(r.console.answers, answers) {
		r.t.Errorf("answers %q, want %q", r.console.answers, answers)
	}
	if len(r.logged) > 0 {
		r.t.Errorf("logged: %q", r.logged)
	}
}

// Call implements Machine.
func (r *rig) Call(cpu int, regs *Regs) bool {
	p := r.vms[0][cpu]
	if regs[0] == spciRun && len(r.wakes) == 1 {
		r.attempts[regs[1]]++
	}
	copy(p.x[:], regs[:])
	p.Regs.Forget()
	out := r.tables[0].Dispatch(&p.VCPU, hypercall.FuncID(regs[0]), hypercall.HVC)
	if out.Action == hypercall.Enter {
		id := out.VCPU.ID
		if r.trace != nil {
			r.trace = append(r.trace, fmt.Sprintf("%d.%d", id.VM, id.Index))
		}
		r.vms[id.VM][id.Index].enter()
	}
	p.Regs.Flush()
	copy(regs[:], p.x[:])
	return true
}

// Preempt implements Machine. The programs give the CPU back often enough.
func (r *rig) Preempt(int) {}

// Wait implements Machine.
func (r *rig) Wait(cpu int, until uint64) bool {
	if len(r.wakes) == 1 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.waits++
		if r.console.writing {
			r.console.writing = false
			r.s.Interrupt()
			return true
		}
		if until == Never {
			r.t.Error("the scheduler waits for nothing")
			return false
		}
		r.now = max(r.now, until)
		return true
	}
	var alarm <-chan time.Time
	if until != Never {
		alarm = time.After(time.Duration(until - min(until, r.Now())))
	}
	select {
	case <-alarm:
	case <-r.wakes[cpu]:
	case <-r.t.Context().Done():
		return false
	}
	return true
}

// Wake implements Machine.
func (r *rig) Wake(cpu int) {
	select {
	case r.wakes[cpu] <- struct{}{}:
	default:
	}
}

// Now implements Machine.
func (r *rig) Now() uint64 {
	if len(r.wakes) > 1 {
		return uint64(time.Since(r.started))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// Observe implements ffa.Observer.
func (r *rig) Observe(e duty.Event) {
	if e.Time = r.Now(); !r.over {
		r.checker.Observe(e)
	}
}

// Slice implements ffa.Memory.
func (r *rig) Slice(ipa, size uint64) []byte {
	if ipa < ramBase || ipa-ramBase > uint64(len(r.ram)) || size > uint64(len(r.ram))-(ipa-ramBase) {
		return nil
	}
	return r.ram[ipa-ramBase:][:size:size]
}

// Park, Resume, Remap and Fits implement ffa.Stage2.
func (r *rig) Park()                     {}
func (r *rig) Resume()                   {}
func (r *rig) Remap([]ffa.Mapping) error { return nil }
func (r *rig) Fits([]ffa.Mapping) error  { return nil }

// Remaining implements ffa.Timer.
func (r *rig) Remaining(id hypercall.VCPUID) (ns uint64, armed bool) {
	now := r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	deadline, armed := r.timers[id]
	return deadline - min(now, deadline), armed
}

// Mask implements ffa.Timer.
func (r *rig) Mask(id hypercall.VCPUID) {
	r.mu.Lock()
	delete(r.timers, id)
	r.mu.Unlock()
}

// enter runs the program until it leaves.
func (g *guest) enter() {
	if _, ok := g.TakeBoot(); ok {
		g.resume, g.stop = iter.Pull(func(yield func(struct{}) bool) {
			g.yield = yield
			defer func() {
				if p := recover(); p != nil && p != any(stopped{}) {
					panic(p)
				}
			}()
			g.program(g)
			g.psci(hypercall.PSCICPUOff)
		})
	}
	g.Regs.Flush()
	g.resume()
}

// leave ends the run if a call did, and comes back in the next.
func (g *guest) leave(out hypercall.Outcome) {
	if out.Action == hypercall.Leave && !g.yield(struct{}{}) {
		panic(stopped{}) // the test is over
	}
}

type stopped struct{}

func (g *guest) psci(fn hypercall.FuncID, args ...uint64) uint64 { return g.hvc(uint64(fn), args...) }

// hvc makes a call and returns x0.
func (g *guest) hvc(fn uint64, args ...uint64) uint64 {
	g.x = [hypercall.NumRegs]uint64{fn}
	copy(g.x[1:], args)
	g.Regs.Forget()
	out := g.rig.tables[1].Dispatch(&g.VCPU, hypercall.FuncID(fn), hypercall.HVC)
	if out.Action == hypercall.Leave {
		g.leave(out)
	}
	g.Regs.Flush()
	return g.x[0]
}

// wfi waits for an interrupt.
func (g *guest) wfi() { g.leave(g.rig.core.WaitForInterrupt(&g.VCPU)) }

// spin computes for as long as it may.
func (g *guest) spin() { g.leave(g.rig.core.Preempt(&g.VCPU)) }

// die does what no VM may do.
func (g *guest) die() { g.leave(g.rig.core.Abort(&g.VCPU)) }

// arm lets the timer fire in ns.
func (g *guest) arm(ns uint64) {
	now := g.rig.Now()
	g.rig.mu.Lock()
	g.rig.timers[g.ID] = now + ns
	g.rig.mu.Unlock()
}

func (g *guest) tx() uint64 { return ramBase + uint64(g.ID.VM)*vmSize }
func (g *guest) rx() uint64 { return g.tx() + MaxMessage }

// The calls of SPCI.

func (g *guest) id() uint16 { return g.ID.VM + 1 }

func (g *guest) configure() {
	g.enable(mailboxWritable)
	g.hvc(spciRXTXMap, g.tx(), g.rx(), 1)
}

func (g *guest) enable(intid uint64) { g.hvc(0xff05, intid, 1) }

// take takes the interrupt that is pending, or none.
func (g *guest) take() uint32 { return uint32(g.hvc(0xff06)) }

const noINTID = math.MaxUint32

// receive waits for a message.
func (g *guest) receive() (text string, from uint16) {
	for g.hvc(spciMsgWait) != spciMsgSend {
		for g.take() != noINTID {
		}
	}
	text, from = string(g.rig.Slice(g.rx(), g.x[3])), high(g.x[1])
	g.hvc(spciRXRelease)
	return text, from
}

// send sends a message, and waits until it can.
func (g *guest) send(to uint16, text string) {
	for {
		copy(g.rig.Slice(g.tx(), MaxMessage), text)
		if g.hvc(spciMsgSend, pair(g.id(), to), 0, uint64(len(text)), spciNotify) == spciSuccess {
			return
		}
		for g.take() != mailboxWritable {
			g.wfi()
		}
		for int64(g.hvc(hfMailboxWritableGet)) >= 0 {
		}
	}
}

const primary = 1 // as SPCI numbers VMs

// echo sends every message back.
func echo(g *guest) {
	g.configure()
	for {
		text, from := g.receive()
		g.send(from, text)
	}
}

// relay sends the rest of a message to the VM that it begins with.
func relay(g *guest) {
	g.configure()
	for {
		text, _ := g.receive()
		var to uint16
		_, _ = fmt.Sscan(text, &to)
		_, rest, _ := strings.Cut(text, " ")
		g.send(to, rest)
	}
}
