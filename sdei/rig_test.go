package sdei

import (
	"math"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Events of the rig beside event 0.
const (
	evPrivateCritical = 0x4000_0001
	evShared          = 0x4000_0002
	evSharedCritical  = 0x4000_0003
	evPrivate         = 0x4000_0004
)

// INTIDs that the rig lets be bound, and one that is in use.
const (
	ppi       = 20
	ppi2      = 21
	spi       = 40
	activeSPI = 50
)

// Where the rig's guests are and what they look like.
const (
	vbar     = 0xFFFF_8000_0000_0800
	pcStart  = 0x4008_0000
	handlers = 0x4010_0000 // handler of event n is at handlers + (n&0xFFF)<<4
	argument = 0xA0_0000   // and its argument the same here
	pstateEL = 0x6000_0000 // of EL0t with NZCV 0110
)

// guest is a vCPU that runs nothing: tests make its calls.
type guest struct {
	hypercall.VCPU
	x     [hypercall.NumRegs]uint64
	reg   [VBAR + 1]uint64
	kicks int
}

func (g *guest) LoadX(n int) uint64     { return g.x[n] }
func (g *guest) StoreX(n int, v uint64) { g.x[n] = v }

// rig is a VM with a dispatcher, and its interrupt controller.
type rig struct {
	*Dispatcher
	t      testing.TB
	guests []*guest
	leaves bool // a kick takes the pCPU from the caller
	left   int
	given  []uint32 // interrupts given back
}

func newRig(t testing.TB, vcpus int) *rig {
	r := &rig{t: t}
	r.build(t, vcpus, false)
	return r
}

func (r *rig) build(t testing.TB, vcpus int, indexed bool) {
	t.Helper()
	r.guests = make([]*guest, vcpus)
	cfg := Config{Machine: r, Interrupts: r, Indexed: indexed, Events: []Event{
		{evPrivateCritical, false, true}, {evShared, true, false}, {evSharedCritical, true, true}, {evPrivate, false, false},
	}}
	for i := range vcpus {
		g := &guest{}
		g.ID.Index = uint16(i)
		g.Regs = hypercall.NewRegs(g)
		for n := range g.x {
			g.x[n] = 0x1111 * uint64(n)
		}
		g.reg = [...]uint64{PC: pcStart, PSTATE: pstateEL, VBAR: vbar, SCTLR: sctlrSPAN, ELR: 0xE1, SPSR: 0x51}
		r.guests[i] = g
		cfg.VCPUs = append(cfg.VCPUs, &g.VCPU)
	}
	var err error
	if r.Dispatcher, err = New(cfg); err != nil {
		t.Fatal(err)
	}
}

// Get implements Machine.
func (r *rig) Get(v *hypercall.VCPU, reg Register) uint64 { return r.guests[v.ID.Index].reg[reg] }

// Set implements Machine. As with KVM, a PE in AArch32 state has a PC of 32 bits.
func (r *rig) Set(v *hypercall.VCPU, reg Register, x uint64) {
	g := r.guests[v.ID.Index]
	if reg == PC && g.reg[PSTATE]&modeAArch32 != 0 {
		x &= math.MaxUint32
	}
	g.reg[reg] = x
}

// Kick implements Machine.
func (r *rig) Kick(v *hypercall.VCPU, index int) hypercall.Outcome {
	r.guests[index].kicks++
	if v == nil || !r.leaves {
		return hypercall.Outcome{}
	}
	r.left++
	return hypercall.Outcome{Action: hypercall.Leave}
}

// Bind and Release implement Interrupts.
func (r *rig) Bind(intid uint32) Binding {
	switch {
	case intid == activeSPI:
		return InUse
	case intid >= 20 && intid < 32 || intid >= 40 && intid < 60:
		return Bound
	}
	return NotBindable
}

func (r *rig) Release(intid uint32) { r.given = append(r.given, intid) }

// call makes a call of vCPU i and returns x0 as the call left it. Registers that are no argument hold
// rubbish. Nothing is delivered before deliver.
func (r *rig) call(i int, fn hypercall.FuncID, a ...uint64) result {
	x0, _ := r.callOut(i, fn, a...)
	return x0
}

func (r *rig) callOut(i int, fn hypercall.FuncID, a ...uint64) (result, hypercall.Outcome) {
	g := r.guests[i]
	g.x[0] = uint64(fn)
	for n := range 5 {
		g.x[1+n] = 0xBAD0 + uint64(n)
	}
	copy(g.x[1:], a)
	g.Regs.Forget()
	out := r.Call(&g.VCPU, fn, hypercall.HVC)
	g.Regs.Flush()
	return result(g.x[0]), out
}

// deliver is what the machine does before it runs vCPU i: it reports the event that interrupts it.
func (r *rig) deliver(i int) (number uint64, ok bool) {
	g := r.guests[i]
	if !r.Waiting(&g.VCPU) {
		return 0, false
	}
	g.Regs.Forget()
	ok = r.Deliver(&g.VCPU)
	g.Regs.Flush()
	return g.x[0], ok
}

// want makes a call and fails unless it returns that.
func (r *rig) want(want result, i int, fn hypercall.FuncID, a ...uint64) {
	r.t.Helper()
	if got := r.call(i, fn, a...); got != want {
		r.t.Fatalf("vCPU %d: %#x%#x returned %d, want %d", i, uint32(fn), a, got, want)
	}
}

// takes fails unless vCPU i is interrupted by that event.
func (r *rig) takes(i int, number uint64) {
	r.t.Helper()
	if got, ok := r.deliver(i); !ok || got != number {
		r.t.Fatalf("vCPU %d takes event %#x (%v), want %#x", i, got, ok, number)
	}
}

// quiet fails if vCPU i is interrupted.
func (r *rig) quiet(i int) {
	r.t.Helper()
	if got, ok := r.deliver(i); ok {
		r.t.Fatalf("vCPU %d takes event %#x, want none", i, got)
	}
}

func handlerOf(number uint64) uint64  { return handlers + number&0xFFF<<4 }
func argumentOf(number uint64) uint64 { return argument + number&0xFFF<<4 }

// enable registers and enables an event on vCPU i and unmasks that.
func (r *rig) enable(i int, number uint64) {
	r.t.Helper()
	r.want(success, i, EventRegister, number, handlerOf(number), argumentOf(number), 0, 0)
	r.want(success, i, EventEnable, number)
	r.want(success, i, PEUnmask)
}

// raise makes an event of the machine pending.
func (r *rig) raise(number uint32, i int) {
	r.t.Helper()
	if err := r.Raise(number, i); err != nil {
		r.t.Fatal(err)
	}
}

// run brings vCPU i into the handler of event 0.
func (r *rig) run(i int) {
	r.t.Helper()
	r.enable(i, 0)
	r.want(success, i, EventSignal, 0, hypercall.Affinity(i))
	r.takes(i, 0)
}
