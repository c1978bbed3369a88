package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// powerRig is a machine of two pCPUs, in which VMs 1 and 2 with a vCPU for each, and VM 3 with one, want to be told of
// pCPUs that are switched off. VM 2 has an entry of its other vCPU.
type powerRig struct {
	ffaRig
	p, q, a, b *guest
	entry      uint64
}

func newPowerRig(t *testing.T) powerRig {
	r := powerRig{ffaRig: newFFARig(t, func(cfg *Config) {
		for _, i := range []int{1, 2, 3} {
			cfg.Partitions[i].Secure, cfg.Partitions[i].WantsCPUOff = true, true
		}
	}, 2, 2, 2, 1), entry: ramOf(2).Base + PageSize}
	r.p, r.q, r.a, r.b = r.guest(0), r.vms[0][1], r.vms[1][1], r.vms[2][1]
	r.run(r.p, r.guest(2))
	r.guest(2).returns("register", ffaSecondaryEPRegister|hypercall.SMC64, []uint64{r.entry}, succeeds(0)...)
	r.guest(2).leaves(ffaMsgWait)
	r.waiting(1, 3)
	r.core.vms[1].vcpus[1].state = ready
	for _, g := range []*guest{r.a, r.b} {
		r.run(r.q, g)
		g.leaves(ffaMsgWait)
	}
	r.b.TakeBoot()
	return r
}

// off tells that the second pCPU is to go off, after which g runs, or nobody.
func (r powerRig) off(g *guest, agreed bool) {
	r.t.Helper()
	want := hypercall.Outcome{}
	if g != nil {
		want = hypercall.Outcome{Action: hypercall.Enter, VCPU: &g.VCPU}
	}
	if out, got := r.core.PowerOff(&r.q.VCPU); out != want || got != agreed {
		r.t.Fatalf("outcome %+v, agreed %v; want %+v, %v", out, got, want, agreed)
	}
	r.settle()
}

// resp is a response with a code.
func (g *guest) powerResponse(code hypercall.PSCIStatus) []uint64 {
	return []uint64{uint64(g.core().vm.ffa.ID)<<16 | ffaSPMC, wPowerResp, uint64(uint32(code))}
}

func (g *guest) wantOff() {
	g.rig.t.Helper()
	g.want("CPU_OFF", fid(ffaDirectReq), ffaSPMC<<16|uint64(g.core().vm.ffa.ID), wPower, uint64(hypercall.PSCICPUOff), 0, 0, 0, 0)
}

func TestPartitionsAreToldOfACPUThatGoesOffAndStartAgainWithIt(t *testing.T) {
	r := newPowerRig(t)
	r.q.load(0x1234)
	before := r.q.x
	r.off(r.a, false)
	r.a.wantOff()
	r.preempt(r.a)
	r.off(r.a, false) // the pCPU waits for it
	r.a.denies("as the hypervisor's", invalid, ffaDirectResp, 0x8001<<16, wPowerResp)
	r.a.leaves(ffaDirectResp, r.a.powerResponse(hypercall.PSCISuccess)...)
	r.off(r.b, false)
	r.b.wantOff()
	r.b.arm(5)
	r.b.leaves(ffaDirectResp, r.b.powerResponse(hypercall.PSCISuccess)...)
	r.off(nil, true)
	if r.q.x != before {
		t.Errorf("the primary's registers are %#x", r.q.x)
	}
	if r.b.armed {
		t.Error("a vCPU that is off has a timer")
	}
	r.p.denies("run of a vCPU that is off", invalid, ffaRun, r.b.w1())
	r.run(r.p, r.a) // has no entry, so it waits as before
	r.a.want("run", fid(ffaRun))
	r.a.leaves(ffaMsgWait)
	r.core.PowerOn(&r.q.VCPU)
	r.q.enters(r.b, ffaDirectReq, 1<<16|0x8002)
	if boot, ok := r.b.TakeBoot(); !ok || boot != (hypercall.Boot{Entry: r.entry}) {
		t.Errorf("starts %v from %+v", ok, boot)
	}
	r.b.returns("first wait", ffaMsgWait, nil, fid(ffaDirectReq), 1<<16|0x8002)
	r.b.leaves(ffaDirectResp, 0x8002<<16|1)
	r.off(r.a, false) // and they are told the next time
	r.a.wantOff()
}

func TestCPUStaysOnWhenAPartitionDoesNotAgree(t *testing.T) {
	r := newPowerRig(t)
	r.off(r.a, false)
	r.a.leaves(ffaDirectResp, r.a.powerResponse(hypercall.PSCIDenied)...)
	r.off(nil, false)
	r.q.enters(r.a, ffaDirectReq, 1<<16|0x8001)
	r.a.leaves(ffaDirectResp, 0x8001<<16|1)
	r.off(r.a, false) // the next time it does
	r.a.leaves(ffaDirectResp, r.a.powerResponse(hypercall.PSCISuccess)...)
	r.off(r.b, false)
	r.b.leaves(ffaDirectResp, r.b.powerResponse(hypercall.PSCIDenied)...)
	r.off(nil, false)
}

// The vCPU that agreed before another did not is off, so it starts again.
func TestPartitionThatAgreedInVainStartsAgain(t *testing.T) {
	r := newPowerRig(t)
	r.core.vms[1].entry = ramOf(1).Base
	r.off(r.a, false)
	r.a.leaves(ffaDirectResp, r.a.powerResponse(hypercall.PSCISuccess)...)
	r.off(r.b, false)
	r.b.leaves(ffaDirectResp, r.b.powerResponse(hypercall.PSCIDenied)...)
	r.off(nil, false)
	r.run(r.q, r.a)
	if boot, ok := r.a.TakeBoot(); !ok || boot.Entry != ramOf(1).Base {
		t.Errorf("starts %v from %+v", ok, boot)
	}
}

// A sibling may switch it on while its pCPU is still being talked about. It runs elsewhere then, and must not be
// started again by the answer of another partition.
func TestVCPUThatASiblingSwitchedOnIsNotStartedWithItsPCPU(t *testing.T) {
	for _, denied := range []bool{false, true} {
		r := newPowerRig(t)
		r.core.vms[1].entry = ramOf(1).Base
		sibling := r.guest(1)
		r.off(r.a, false)
		r.a.leaves(ffaDirectResp, r.a.powerResponse(hypercall.PSCISuccess)...)
		r.off(r.b, false)
		r.run(r.p, sibling)
		sibling.blocks(hypercall.PSCICPUOn|smc64, 1, ramOf(1).Base, 7)
		r.run(r.p, r.a)
		if denied {
			r.b.leaves(ffaDirectResp, r.b.powerResponse(hypercall.PSCIDenied)...)
			r.off(nil, false)
		} else {
			r.b.leaves(ffaDirectResp, r.b.powerResponse(hypercall.PSCISuccess)...)
			r.off(nil, true)
			r.core.PowerOn(&r.q.VCPU)
		}
		r.q.denies("run of a vCPU that runs", busy, ffaRun, r.a.w1())
		if boot, ok := r.a.TakeBoot(); !ok || boot.X0 != 7 {
			t.Errorf("starts %v from %+v", ok, boot)
		}
		r.preempt(r.a)
	}
}

func TestBusyAndDeadPartitionsAreNotAskedWhetherACPUMayGoOff(t *testing.T) {
	r := newPowerRig(t)
	r.q.enters(r.a, ffaDirectReq, 1<<16|0x8001)
	r.preempt(r.a)
	r.run(r.q, r.b)
	r.b.dies(r.q)
	r.off(nil, true)
	r.run(r.q, r.a)
	r.a.leaves(ffaDirectResp, 0x8001<<16|1)
	r.q.want("response", fid(ffaDirectResp))
}

// A partition may ask another one before it agrees.
func TestPartitionThatIsToldOfACPUMakesRequests(t *testing.T) {
	r := newPowerRig(t)
	c := r.guest(3)
	r.off(r.a, false)
	r.a.enters(c, ffaDirectReq, 0x8001<<16|0x8003)
	r.preempt(c)
	r.off(c, false)
	c.enters(r.a, ffaDirectResp, 0x8003<<16|0x8001)
	r.a.leaves(ffaDirectResp, r.a.powerResponse(hypercall.PSCISuccess)...)
	r.off(r.b, false)
}

// It was not answered in time, so the pCPU went off and on without: the answer that comes then changes nothing.
func TestAnswerThatComesAfterTheCPUWentOffIsTakenAndForgotten(t *testing.T) {
	r := newPowerRig(t)
	r.off(r.a, false)
	r.preempt(r.a)
	r.core.PowerOn(&r.q.VCPU)
	r.run(r.p, r.a)
	r.a.leaves(ffaDirectResp, r.a.powerResponse(hypercall.PSCIDenied)...)
	r.p.want("it waits", fid(ffaMsgWait), r.a.w1())
	r.off(r.a, false)
}
