package duty

import (
	"math"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Grace is how long, in ns, a duty without a term may stay undone before the end of the machine.
const Grace = 1_000_000_000

const (
	// writable is the INTID that tells a VM that it can send again.
	writable = 2
	// maxLeave bounds how many runs a vCPU that is blocked may be due to what happened before.
	maxLeave = 16
	// never is when a vCPU that blocks without a timer may run by itself.
	never = math.MaxUint64

	primary = 0 // VM
)

// slack is by how much clocks may differ over a wait of ns.
func slack(ns uint64) uint64 { return ns/1000 + 100_000 }

// Breach is a rule that was broken.
type Breach struct {
	*Rule
	Time     uint64           // ns, when it was noticed
	VCPU     hypercall.VCPUID // whom it wronged
	WholeVM  bool             // the whole VM, not the one vCPU
	Returned Result           // of the run that made the duty
}

// Tally counts for one rule.
type Tally struct {
	*Rule
	Kept, Broken uint64
}

// Config describes what is checked.
type Config struct {
	VCPUs  []int        // of every VM, the primary first
	Aborts bool         // the interface tells the primary that a VM aborted
	Report func(Breach) // called for each breach; not nil
}

// Checker follows a primary. Its methods are called one at a time.
type Checker struct {
	aborts  bool
	report  func(Breach)
	vms     []vm
	tallies [numRules]Tally
}

// debt is a duty not done yet.
type debt struct {
	open     bool
	since    uint64
	by       hypercall.VCPUID // who was told
	returned Result
}

type vm struct {
	vcpus   []vcpu
	debts   [numRules]debt // of receiver, drain and notify
	aborted bool
	told    hypercall.VCPUID // aborted: who was told
	known   bool             // aborted: who was told has done something else since, so that others may know
}

type vcpu struct {
	debts   [numRules]debt
	known   bool   // it has run
	running bool   // on some pCPU
	last    Result // of its last run
	until   uint64 // MessageWait, WaitForInterrupt: when its time-out passes
	leave   int    // how many runs it is due, although it is blocked
	after   int    // runs after its VM aborted for which there was no reason
}

// New returns a checker of a primary that has done nothing yet.
func New(cfg Config) *Checker {
	c := &Checker{aborts: cfg.Aborts, report: cfg.Report, vms: make([]vm, len(cfg.VCPUs))}
	for i, n := range cfg.VCPUs {
		c.vms[i].vcpus = make([]vcpu, n)
	}
	for i := range c.tallies {
		c.tallies[i].Rule = &Rules[i]
	}
	return c
}

// Tallies returns how often each rule was kept and broken.
func (c *Checker) Tallies() []Tally { return c.tallies[:] }

// Observe takes notice of an event.
func (c *Checker) Observe(e Event) {
	switch e.Kind {
	case Ran:
		c.ran(&e)
	case Left:
		c.left(&e)
	case Sent:
		c.vms[e.Other.VM].wake()
	case Injected:
		c.vcpu(e.VCPU).wake()
		if e.INTID == writable {
			c.pay(notify, &c.vms[e.VCPU.VM].debts[notify])
		}
	case Freed:
		c.vms[primary].debts[drain].make(&e, Waiters)
	case Drained:
		c.drained(&e)
	}
}

// End decides what nothing but the end can decide.
func (c *Checker) End(time uint64) {
	for i := range c.vms {
		p := &c.vms[i]
		c.settle(time, &p.debts, hypercall.VCPUID{VM: uint16(i)}, true)
		for j := range p.vcpus {
			u := &p.vcpus[j]
			c.settle(time, &u.debts, hypercall.VCPUID{VM: uint16(i), Index: uint16(j)}, false)
			if p.aborted && u.known && u.after < 2 {
				c.tallies[abortRests].Kept++
			}
		}
	}
}

// settle reports the debts that are older than Grace.
func (c *Checker) settle(time uint64, debts *[numRules]debt, whose hypercall.VCPUID, all bool) {
	for rule := range debts {
		if d := &debts[rule]; d.open && time >= d.since+Grace {
			d.open = false
			c.broken(rule, time, whose, all, d.returned)
		}
	}
}

func (c *Checker) vcpu(id hypercall.VCPUID) *vcpu { return &c.vms[id.VM].vcpus[id.Index] }

func (c *Checker) broken(rule int, time uint64, whose hypercall.VCPUID, all bool, returned Result) {
	c.tallies[rule].Broken++
	c.report(Breach{&Rules[rule], time, whose, all, returned})
}

// make notes a duty, unless it is owed already.
func (d *debt) make(e *Event, returned Result) {
	if !d.open {
		*d = debt{true, e.Time, e.By, returned}
	}
}

// pay counts a duty as done.
func (c *Checker) pay(rule int, d *debt) {
	if d.open {
		d.open = false
		c.tallies[rule].Kept++
	}
}

// wake gives the scheduler leave to run u although it is blocked.
func (u *vcpu) wake() { u.leave = min(u.leave+1, maxLeave) }

func (p *vm) wake() {
	for i := range p.vcpus {
		p.vcpus[i].wake()
	}
}

func (p *vm) running() bool {
	for i := range p.vcpus {
		if p.vcpus[i].running {
			return true
		}
	}
	return false
}

// ran judges an attempt to run a vCPU.
func (c *Checker) ran(e *Event) {
	if e.Result == Busy {
		return
	}
	for i := range c.vms {
		p := &c.vms[i]
		p.known = p.known || p.aborted && p.told == e.By
	}
	p, u := &c.vms[e.VCPU.VM], c.vcpu(e.VCPU)
	if p.aborted {
		c.ranDead(e, p, u)
		return
	}
	if e.Result == WakeUp { // nothing ran: a sibling woke when nobody could tell
		c.woke(e)
		return
	}
	c.pay(receiver, &p.debts[receiver])
	for _, rule := range [...]int{resume, yielded, wakeUp, again} {
		c.pay(rule, &u.debts[rule])
	}
	// Another thread may still be at it; who was told and runs the vCPU again is not.
	if d := &u.debts[drain]; d.open && d.by == e.By {
		d.open = false
		c.broken(drain, e.Time, e.VCPU, false, d.returned)
	}
	switch u.last {
	case MessageWait:
		c.ranBlocked(waitMessage, e, u)
	case WaitForInterrupt:
		c.ranBlocked(waitInterrupt, e, u)
	}
	switch e.Result {
	case Entered:
		u.running, u.known, u.last = true, true, Entered
	case MessageWait, WaitForInterrupt:
		u.block(e)
	}
}

func (c *Checker) ranBlocked(rule int, e *Event, u *vcpu) {
	switch {
	case u.until <= e.Time:
	case u.leave > 0:
		u.leave--
	default:
		c.broken(rule, e.Time, e.VCPU, false, u.last)
		return
	}
	c.tallies[rule].Kept++
}

// ranDead judges a run of a vCPU whose VM aborted.
func (c *Checker) ranDead(e *Event, p *vm, u *vcpu) {
	c.pay(abortWakes, &u.debts[abortWakes])
	switch {
	case u.leave > 0:
		u.leave--
	case p.known:
		if u.after++; u.after > 1 {
			c.broken(abortRests, e.Time, e.VCPU, false, Aborted)
		}
	}
}

func (u *vcpu) block(e *Event) {
	u.last, u.until = e.Result, never
	if e.NS != 0 && e.NS < never-e.Time {
		u.until = e.Time + e.NS - min(e.NS, slack(e.NS))
	}
}

// left notes what a run that ended asks of the scheduler.
func (c *Checker) left(e *Event) {
	p, u := &c.vms[e.VCPU.VM], c.vcpu(e.VCPU)
	if e.Result == Aborted && !c.aborts { // it was told something else
		e.Result, e.NS = WaitForInterrupt, 0
	}
	u.running, u.last = false, e.Result
	switch e.Result {
	case Interrupted:
		p.owes(resume, u, e)
	case Yielded:
		p.owes(yielded, u, e)
	case MessageWait, WaitForInterrupt:
		u.block(e)
	case Message:
		if e.Other.VM == primary {
			break
		}
		p.owes(again, u, e)
		to := &c.vms[e.Other.VM]
		if to.wake(); !to.aborted && !to.running() {
			to.debts[receiver].make(e, e.Result)
		}
	case Waiters:
		p.owes(again, u, e)
		p.owes(drain, u, e)
	case WakeUp:
		p.owes(again, u, e)
		c.woke(e)
	case Aborted:
		c.aborted(e, p, u)
	}
}

// woke notes that the scheduler was told that e.Other woke.
func (c *Checker) woke(e *Event) {
	other := c.vcpu(e.Other)
	if other.wake(); !other.running {
		c.vms[e.Other.VM].owes(wakeUp, other, e)
	}
}

// owes notes a duty to u, a vCPU of p. There is none to the dead.
func (p *vm) owes(rule int, u *vcpu, e *Event) {
	if !p.aborted {
		u.debts[rule].make(e, e.Result)
	}
}

// aborted forgets what was owed to the VM. Its other vCPUs are woken, so that the scheduler learns that they
// will not run.
func (c *Checker) aborted(e *Event, p *vm, u *vcpu) {
	if p.aborted {
		return
	}
	p.aborted, p.told, p.debts = true, e.By, [numRules]debt{}
	for i := range p.vcpus {
		s := &p.vcpus[i]
		s.debts, s.leave = [numRules]debt{}, 0
		if s == u || !s.known || s.running {
			continue
		}
		s.wake()
		s.debts[abortWakes].make(e, e.Result)
	}
}

// drained notes an answer of the waiters of a mailbox: with the last, everyone has been asked for.
func (c *Checker) drained(e *Event) {
	if e.Found {
		if w := &c.vms[e.Other.VM]; e.Other.VM != primary && !w.aborted {
			w.debts[notify].make(e, Waiters)
		}
		return
	}
	p := &c.vms[e.VCPU.VM]
	c.pay(drain, &p.debts[drain])
	for i := range p.vcpus {
		c.pay(drain, &p.vcpus[i].debts[drain])
	}
}
