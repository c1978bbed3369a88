package ffa

import (
	"math"
	"sync"

	"github.com/hfvmm/hfvmm/hypercall"
)

const (
	ramBase = 0x4000_0000
	vmSize  = 8 * PageSize
)

// rig is a core with vCPUs that have registers and timers but run nothing: a test makes their calls.
type rig struct {
	t    tester
	ram  []byte
	core *Core
	vms  [][]*guest

	stage2 fakeStage2

	// The two tables of a machine.
	primary, secondary *hypercall.Table

	mu    sync.Mutex
	now   uint64 // ns
	asked int    // calls of Remaining
}

// tester is what a rig needs of a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// guest is a vCPU and the bank of its registers.
type guest struct {
	hypercall.VCPU
	rig *rig
	x   [hypercall.NumRegs]uint64

	loads, stores int // of x by the core's side

	deadline uint64 // of its timer; guarded by rig.mu
	armed    bool
}

func (g *guest) LoadX(n int) uint64     { g.loads++; return g.x[n] }
func (g *guest) StoreX(n int, v uint64) { g.stores++; g.x[n] = v }

// newRig returns a machine whose VM i has vcpus[i] vCPUs.
func newRig(t tester, vcpus ...int) *rig { return newRigOf(t, nil, vcpus...) }

// newRigOf lets edit, unless that is nil, change how the machine is configured.
func newRigOf(t tester, edit func(*Config), vcpus ...int) *rig {
	r := &rig{t: t, ram: make([]byte, len(vcpus)*vmSize)}
	cfg := Config{Memory: r, Timer: r, Stage2: &r.stage2}
	for vm, n := range vcpus {
		p := Partition{Name: "vm", RAM: ramOf(vm)}
		r.stage2.add(vm, p.RAM)
		r.vms = append(r.vms, nil)
		for i := range n {
			g := &guest{rig: r}
			g.ID = hypercall.VCPUID{VM: uint16(vm), Index: uint16(i)}
			g.Regs = hypercall.NewRegs(g)
			r.vms[vm] = append(r.vms[vm], g)
			p.VCPUs = append(p.VCPUs, &g.VCPU)
		}
		cfg.Partitions = append(cfg.Partitions, p)
	}
	if edit != nil {
		edit(&cfg)
	}
	var err error
	if r.core, err = New(cfg); err != nil {
		t.Fatalf("%v", err)
	}
	r.serve(r.core.SPCI())
	return r
}

// serve gives the VMs this personality.
func (r *rig) serve(personality hypercall.Service) {
	var err error
	if r.primary, err = hypercall.NewTable(personality); err != nil {
		r.t.Fatalf("%v", err)
	}
	if r.secondary, err = hypercall.NewTable(personality, r.core.PSCI()); err != nil {
		r.t.Fatalf("%v", err)
	}
}

// ramOf is the memory of a VM, txOf and rxOf are the pages in it that tests use for the mailbox.
func ramOf(vm int) Span   { return Span{ramBase + uint64(vm)*vmSize, vmSize} }
func txOf(vm int) uint64  { return ramOf(vm).Base }
func rxOf(vm int) uint64  { return ramOf(vm).Base + PageSize }
func idOf(vm int) uint64  { return spciID(uint16(vm)) }
func code(c int64) uint64 { return uint64(c) }

// contains reports whether size bytes from ipa lie in the span.
func (s Span) contains(ipa, size uint64) bool {
	return ipa >= s.Base && size <= s.Size && ipa-s.Base <= s.Size-size
}

// Slice implements Memory.
func (r *rig) Slice(ipa, size uint64) []byte {
	if !(Span{ramBase, uint64(len(r.ram))}).contains(ipa, size) {
		return nil
	}
	return r.ram[ipa-ramBase:][:size:size]
}

func (r *rig) page(ipa uint64) []byte { return r.Slice(ipa, PageSize) }

// Remaining implements Timer.
func (r *rig) Remaining(id hypercall.VCPUID) (ns uint64, armed bool) {
	g := r.vms[id.VM][id.Index]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if !g.armed || g.deadline <= r.now {
		return 0, g.armed
	}
	return g.deadline - r.now, true
}

// Mask implements Timer.
func (r *rig) Mask(id hypercall.VCPUID) { r.vms[id.VM][id.Index].arm(math.MaxUint64) }

// arm sets g's timer to fire in ns; MaxUint64 stops it.
func (g *guest) arm(ns uint64) {
	r := g.rig
	r.mu.Lock()
	g.armed, g.deadline = ns != math.MaxUint64, r.now+ns
	r.mu.Unlock()
}

func (r *rig) advance(ns uint64) {
	r.mu.Lock()
	r.now += ns
	r.mu.Unlock()
}

// dispatch serves the call in g's registers by way of the VM's table.
func (g *guest) dispatch(c hypercall.Conduit) hypercall.Outcome {
	table := g.rig.primary
	if g.ID.VM != primary {
		table = g.rig.secondary
	}
	return table.Dispatch(&g.VCPU, hypercall.FuncID(g.x[0]), c)
}

// noArguments is rubbish, different in each register.
var noArguments = func() (x [hypercall.NumRegs]uint64) {
	for i := range x {
		x[i] = 0xDEAD_0000_0000_0000 | uint64(i)
	}
	return x
}()

// load puts a call in g's registers, with rubbish where there is no argument.
func (g *guest) load(fn hypercall.FuncID, args ...uint64) {
	g.x = noArguments
	g.x[0] = uint64(fn)
	copy(g.x[1:], args)
	g.Regs.Forget()
}

// call makes a call and settles the registers of all who got a result.
func (g *guest) call(fn hypercall.FuncID, args ...uint64) hypercall.Outcome {
	g.load(fn, args...)
	out := g.dispatch(hypercall.HVC)
	g.rig.settle()
	return out
}

// settle flushes every register file, as the machine does before it runs a vCPU.
func (r *rig) settle() {
	for _, vm := range r.vms {
		for _, g := range vm {
			g.Regs.Flush()
		}
	}
}

// accessOf is what a VM with a mailbox may do with its own n-th page.
func accessOf(vm, n int) Access {
	if vm != primary && ramOf(vm).Base+uint64(n)*PageSize == rxOf(vm) {
		return Read
	}
	return FullAccess
}

// mapped gives VMs their mailboxes; secondaries must be able to run. It is not counted as a change of memory.
func (r *rig) mapped(vms ...int) {
	r.t.Helper()
	for _, vm := range vms {
		g := r.vms[vm][0]
		if vm != primary {
			r.enter(r.vms[primary][0], g)
		}
		if g.call(spciRXTXMap, txOf(vm), rxOf(vm), 1); g.x[0] != uint64(spciSuccess) {
			r.t.Fatalf("mapping the mailbox of VM %d: %#x", vm, g.x[:3])
		}
		if vm != primary {
			r.preempt(g)
		}
	}
	r.stage2.parks, r.stage2.remaps = 0, 0
}

// enter runs g on p's pCPU and fails the test if it does not run.
func (r *rig) enter(p, g *guest) {
	r.t.Helper()
	if out := p.call(spciRun, spciVCPU(g.ID)); out.Action != hypercall.Enter || out.VCPU != &g.VCPU {
		r.t.Fatalf("running vCPU %v: outcome %+v, registers %#x", g.ID, out, p.x[:4])
	}
	if r.core.Runner(&g.VCPU) != &p.VCPU {
		r.t.Fatalf("vCPU %v is not run by %v", g.ID, p.ID)
	}
}

func (r *rig) preempt(g *guest) {
	r.t.Helper()
	if out := r.core.Preempt(&g.VCPU); out != (hypercall.Outcome{Action: hypercall.Leave}) {
		r.t.Fatalf("preempting vCPU %v: %+v", g.ID, out)
	}
	r.settle()
}

// want checks the first registers of g.
func (g *guest) want(what string, regs ...uint64) {
	g.rig.t.Helper()
	for i, w := range regs {
		if w != any64 && g.x[i] != w {
			g.rig.t.Errorf("%s: vCPU %v has x%d = %#x, want %#x", what, g.ID, i, g.x[i], w)
		}
	}
}

// any64 stands for a register that a result does not define.
const any64 = 0xA11_A11_A11

var (
	leaves = hypercall.Outcome{Action: hypercall.Leave}
	ends   = hypercall.Outcome{Action: hypercall.Leave, Ended: true} // with its VM
)

// Runner returns the primary's vCPU on whose pCPU v runs, or nil if nobody runs v.
func (c *Core) Runner(v *hypercall.VCPU) *hypercall.VCPU {
	c.mu.Lock()
	runner := c.vms[v.ID.VM].vcpus[v.ID.Index].runner
	c.mu.Unlock()
	if runner == nil {
		return nil
	}
	return runner.VCPU
}
