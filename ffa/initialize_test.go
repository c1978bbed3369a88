package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

func TestPartitionIsInitializedAndToldOfEachVMBeforeThePrimaryRuns(t *testing.T) {
	r := newFFARig(t, func(cfg *Config) {
		cfg.Partitions[2].Secure, cfg.Partitions[2].WantsCreated = true, true
		cfg.Partitions[3].Secure = true
	}, 1, 1, 1, 1)
	p, b := r.guest(0), r.guest(2)
	p.load(0x1234)
	before := p.x
	enter := func() {
		t.Helper()
		if out := r.core.Initialize(&p.VCPU, 2); out.Action != hypercall.Enter || out.VCPU != &b.VCPU {
			t.Fatalf("outcome %+v", out)
		}
		r.settle()
	}
	enter()
	r.preempt(b)
	enter()
	b.leaves(ffaMsgWait)
	for _, vm := range []uint64{1, 2} {
		enter()
		b.want("VM created", fid(ffaDirectReq), 0x8002, 0x80000004, 0, 0, vm)
		b.denies("another response", invalid, ffaDirectResp, 0x8002<<16)
		r.preempt(b)
		enter()
		b.leaves(ffaDirectResp, 0x8002<<16, 0x80000005)
	}
	if out := r.core.Initialize(&p.VCPU, 2); out != (hypercall.Outcome{}) {
		t.Errorf("outcome %+v when all is done", out)
	}
	if r.settle(); p.x != before {
		t.Errorf("the primary's registers are %#x", p.x)
	}
	p.enters(b, ffaDirectReq, 1<<16|0x8002)
	if out := r.core.Abort(&b.VCPU); out != ends {
		t.Fatal(out)
	}
	if out := r.core.Initialize(&p.VCPU, 2); out != (hypercall.Outcome{}) {
		t.Errorf("outcome %+v for a dead partition", out)
	}
}

func TestRegisteredEntryStartsTheOtherVCPUs(t *testing.T) {
	r := newFFARig(t, func(cfg *Config) { cfg.Partitions[1].Secure = true }, 2, 2, 1)
	p, q, a, a1 := r.guest(0), r.vms[0][1], r.guest(1), r.vms[1][1]
	fn, entry := ffaSecondaryEPRegister|hypercall.SMC64, ramOf(1).Base+PageSize
	q.denies("before", busy, ffaDirectReq, 1<<16|0x8001)
	r.run(p, a)
	a.denies("outside of its memory", invalid, fn, ramOf(0).Base)
	a.denies("between instructions", invalid, fn, entry+2)
	a.returns("register", fn, []uint64{entry}, succeeds(0)...)
	a.leaves(ffaMsgWait)
	q.enters(a1, ffaDirectReq, 1<<16|0x8001)
	if b, ok := a1.TakeBoot(); !ok || b != (hypercall.Boot{Entry: entry}) {
		t.Errorf("starts %v from %+v", ok, b)
	}
	a1.denies("by another vCPU", denied, fn, entry)
	r.run(p, a)
	a.denies("after its first wait", denied, fn, entry)
	a.leaves(ffaMsgWait)
	r.run(p, r.guest(2))
	r.guest(2).denies("by a VM", notSupported, fn, ramOf(2).Base)
}

func TestManagedExitAsksBeforeItPreempts(t *testing.T) {
	r := newFFARig(t, func(cfg *Config) { cfg.Partitions[1].ManagedExit = true }, 1, 1)
	p, a := r.guest(0), r.guest(1)
	preempted := func() bool {
		t.Helper()
		out := r.core.Preempt(&a.VCPU)
		r.settle()
		return out == leaves
	}
	r.run(p, a)
	a.returns("enable", hafInterruptEnable, []uint64{ManagedExitIRQ, 1}, 0)
	a.leaves(ffaMsgWait)
	for range 2 {
		p.enters(a, ffaDirectReq, pair(0, 1))
		if preempted() || !r.core.IRQLine(&a.VCPU) {
			t.Error("not asked")
		}
		a.returns("acknowledge", hafInterruptGet, nil, ManagedExitIRQ)
		for range managedExitGrace - 1 {
			if preempted() || r.core.IRQLine(&a.VCPU) {
				t.Error("asked twice, or preempted")
			}
		}
		if !preempted() {
			t.Error("it goes on for ever")
		}
		p.want("preempted", fid(ffaInterrupt), a.w1())
		r.run(p, a)
		a.leaves(ffaDirectResp, pair(1, 0))
		p.want("response", fid(ffaDirectResp))
	}
	r.run(p, a)
	if !preempted() {
		t.Error("asked outside of a request")
	}
}

func TestPartitionThatIsNotToBeDisturbedKeepsItsPCPU(t *testing.T) {
	r := newFFARig(t, func(cfg *Config) { cfg.Partitions[1].Undisturbed = true }, 1, 1, 1)
	p, a, b := r.guest(0), r.guest(1), r.guest(2)
	keeps := func(what string, g *guest) {
		t.Helper()
		g.arm(0)
		for range 3 {
			if r.core.Preempt(&g.VCPU) != (hypercall.Outcome{}) || r.core.TimerExpired(&g.VCPU) != (hypercall.Outcome{}) {
				t.Fatalf("%s: vCPU %v was preempted", what, g.ID)
			}
		}
		if g.armed {
			t.Errorf("%s: the timer goes on firing", what)
		}
	}
	r.waiting(2)
	r.run(p, a)
	keeps("in a run", a)
	a.leaves(ffaMsgWait)
	p.enters(a, ffaDirectReq, pair(0, 1))
	keeps("in a request", a)
	a.enters(b, ffaDirectReq, pair(1, 2))
	keeps("in its own request", b)
	b.enters(a, ffaDirectResp, pair(2, 1))
	a.leaves(ffaYield)
	p.enters(b, ffaDirectReq, pair(0, 2))
	r.preempt(b)
	r.run(p, a)
	r.core.vms[1].aborting = true // by another of its vCPUs
	r.preempt(a)
}

func TestMemoryIsRestrictedAndBuffersAreMappedBeforeAnythingRuns(t *testing.T) {
	r := newFFARig(t, nil, 1, 1)
	at := func(n int) Span { return Span{pageOf(1, n), PageSize} }
	for _, err := range []error{
		r.core.Restrict(1, Span{pageOf(1, 2), 2 * PageSize}, Read), r.core.Restrict(1, at(4), Read|Write), r.core.MapBuffers(1, at(0).Base, at(1).Base, 1),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	for n, want := range []Access{FullAccess, Read, Read, Read, Read | Write, FullAccess} {
		if c, _ := r.core.pages.claim(at(n)); r.stage2.access[1][at(n).Base] != want || c.own != want {
			t.Errorf("page %d: access %03b, by the books %03b, want %03b", n, r.stage2.access[1][at(n).Base], c.own, want)
		}
	}
	r.stage2.full = true
	for what, err := range map[string]error{
		"another VM's":       r.core.Restrict(1, Span{pageOf(0, 2), PageSize}, Read),
		"in two pieces":      r.core.Restrict(1, Span{pageOf(1, 3), 2 * PageSize}, Read),
		"without a memslot":  r.core.Restrict(1, at(6), Read),
		"buffers twice":      r.core.MapBuffers(1, at(5).Base, at(6).Base, 1),
		"buffers of nothing": r.core.MapBuffers(0, at(5).Base, at(6).Base, 1),
	} {
		if err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	p, a := r.guest(0), r.guest(1)
	r.run(p, a)
	a.denies("buffers that are mapped", denied, ffaRXTXMap, at(0).Base, at(1).Base, 1)
}

func TestFailedInitializationEndsThePartition(t *testing.T) {
	r := newFFARig(t, nil, 1, 1)
	r.run(r.guest(0), r.guest(1))
	r.guest(1).ends(ffaError)
	r.guest(0).want("aborted", fid(ffaError), 0, 1<<32-8)
	r.guest(0).denies("run", isAborted, ffaRun, r.guest(1).w1())
}

func TestMovesThatTheRuntimeModelForbidsAreDenied(t *testing.T) {
	for model, calls := range map[runtimeModel][]hypercall.FuncID{
		theInitialModel: {ffaDirectResp, ffaDirectResp | hypercall.SMC64},
		theRunModel:     {ffaDirectResp, ffaDirectResp | hypercall.SMC64, ffaError},
		theDirectModel:  {ffaMsgWait, ffaMsgPoll, ffaMsgSend, ffaError},
	} {
		r := newFFARig(t, func(cfg *Config) { cfg.Partitions[1].Endpoint.Version = wire.Version10 }, 1, 1)
		a := r.guest(1)
		r.run(r.guest(0), a)
		switch model {
		case theRunModel:
			a.leaves(ffaMsgWait)
			r.run(r.guest(0), a)
		case theDirectModel:
			a.leaves(ffaMsgWait)
			r.guest(0).enters(a, ffaDirectReq, pair(0, 1))
		}
		if a.core().model != model {
			t.Fatalf("model %d, want %d", a.core().model, model)
		}
		for _, fn := range calls {
			a.denies("not in this model", denied, fn, pair(1, 0))
		}
	}
}
