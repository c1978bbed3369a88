package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Framework messages in w2.
const (
	wCreated, wCreatedResp     = 0x80000004, 0x80000005
	wDestroyed, wDestroyedResp = 0x80000006, 0x80000007
	wPower, wPowerResp         = 0x80000000, 0x80000002 // of CPU_OFF, among others
)

// newMournersRig is a machine in which VMs 2 and 3, secure partitions, want to be told of VMs that are gone.
func newMournersRig(t *testing.T) ffaRig {
	return newFFARig(t, func(cfg *Config) {
		for _, i := range []int{2, 3} {
			cfg.Partitions[i].Secure, cfg.Partitions[i].WantsDestroyed = true, true
		}
	}, 1, 1, 1, 1, 1)
}

// dies makes g, which runs, do what it may not do, after which next has the pCPU.
func (g *guest) dies(next *guest) {
	g.rig.t.Helper()
	out := g.rig.core.Abort(&g.VCPU)
	g.rig.settle()
	if next.ID.VM == primary {
		if out != ends {
			g.rig.t.Fatalf("vCPU %v dies: outcome %+v, want that it leaves", g.ID, out)
		}
	} else if out.Action != hypercall.Enter || out.VCPU != &next.VCPU || !out.Ended {
		g.rig.t.Fatalf("vCPU %v dies: outcome %+v, want that vCPU %v runs", g.ID, out, next.ID)
	}
}

// wantGone checks that g was told that a VM is gone.
func (g *guest) wantGone(vm uint64) {
	g.rig.t.Helper()
	g.want("VM destroyed", fid(ffaDirectReq), uint64(g.core().vm.ffa.ID), wDestroyed, 0, 0, vm, 0, 0)
}

// acknowledge is the arguments of the response to that.
func (g *guest) acknowledge(code int32) []uint64 {
	return []uint64{uint64(g.core().vm.ffa.ID) << 16, wDestroyedResp, uint64(uint32(code))}
}

var abortedResult = []uint64{fid(ffaError), 0, 1<<32 - 8}

func TestPartitionsAreToldThatAVMIsGoneBeforeItsRunEnds(t *testing.T) {
	r := newMournersRig(t)
	p, a, b, c := r.guest(0), r.guest(1), r.guest(2), r.guest(3)
	r.waiting(2, 3)
	r.run(p, a)
	a.dies(b)
	b.wantGone(2)
	b.denies("wait while it serves", denied, ffaMsgWait)
	b.denies("response of another kind", denied, ffaDirectResp|hypercall.SMC64, 0x8002<<16, wDestroyedResp)
	b.denies("response to another message", invalid, ffaDirectResp, 0x8002<<16, wCreatedResp)
	b.denies("response to somebody", invalid, ffaDirectResp, 0x8002<<16|2, wDestroyedResp)
	r.preempt(b)
	p.want("the dead VM goes on", fid(ffaInterrupt), a.w1())
	p.denies("run of who is told", denied, ffaRun, b.w1())
	p.enters(b, ffaRun, a.w1())
	b.enters(c, ffaDirectResp, b.acknowledge(0)...)
	c.wantGone(2)
	c.leaves(ffaYield)
	p.want("yields for the dead VM", fid(ffaYield), a.w1())
	p.enters(c, ffaRun, a.w1())
	c.leaves(ffaDirectResp, c.acknowledge(0)...)
	p.want("the VM is dead", abortedResult...)
	p.returns("run of the dead", ffaRun, []uint64{a.w1()}, abortedResult...)
	p.enters(b, ffaDirectReq, 1<<16|0x8002) // and partitions serve as before
	b.leaves(ffaDirectResp, 0x8002<<16|1)
	p.want("response", fid(ffaDirectResp))
}

// Its requester waits until all know, and then goes on.
func TestRequesterOfAVMThatDiesGoesOnOnceAllAreTold(t *testing.T) {
	r := newMournersRig(t)
	p, a, b, c, d := r.guest(0), r.guest(1), r.guest(2), r.guest(3), r.guest(4)
	r.waiting(1, 2, 3, 4)
	p.enters(a, ffaDirectReq, pair(0, 1))
	a.enters(d, ffaDirectReq, pair(1, 4))
	d.dies(b)
	b.wantGone(5)
	r.preempt(b)
	p.want("the chain stands still", fid(ffaInterrupt), a.w1())
	p.enters(b, ffaRun, a.w1())
	b.enters(c, ffaDirectResp, b.acknowledge(0)...)
	c.wantGone(5)
	c.enters(a, ffaDirectResp, c.acknowledge(0)...)
	a.want("the request died", abortedResult...)
	a.leaves(ffaDirectResp, pair(1, 0))
	p.want("response", fid(ffaDirectResp))
}

// One that dies of the news is no news itself, for it is no VM; the next one is told all the same.
func TestPartitionThatDiesWhenItIsToldStopsNobody(t *testing.T) {
	r := newMournersRig(t)
	p, a, b, c := r.guest(0), r.guest(1), r.guest(2), r.guest(3)
	r.waiting(2, 3)
	r.run(p, a)
	a.dies(b)
	b.dies(c)
	c.wantGone(2)
	c.leaves(ffaDirectResp, c.acknowledge(0)...)
	p.want("the VM is dead", abortedResult...)
	p.denies("run of the partition", isAborted, ffaRun, b.w1())
}

// busyMourners is a machine in which VM 1 has died while VM 2, which is to be told, was busy.
func busyMourners(t *testing.T, busy func(r ffaRig, p, b *guest)) (r ffaRig, p, b *guest) {
	r = newMournersRig(t)
	p, b = r.guest(0), r.guest(2)
	busy(r, p, b)
	r.run(p, r.guest(1))
	r.guest(1).dies(p)
	p.want("the VM is dead", abortedResult...)
	return r, p, b
}

func TestPartitionThatHasNotWaitedYetHearsOfADeadVMWhenItDoes(t *testing.T) {
	r, p, b := busyMourners(t, func(r ffaRig, p, b *guest) {
		p.enters(b, ffaDirectReq, 1<<16|0x8002, 0, 7)
		r.preempt(b)
	})
	r.run(p, b)
	b.returns("first wait", ffaMsgWait, nil, fid(ffaDirectReq), 0x8002, wDestroyed, 0, 0, 2)
	b.returns("response", ffaDirectResp, b.acknowledge(0), fid(ffaDirectReq), 1<<16|0x8002, 0, 7)
	b.leaves(ffaDirectResp, 0x8002<<16|1, 0, 8)
	p.want("response to the request", fid(ffaDirectResp), 0x8002<<16|1, 0, 8)
}

func TestPartitionThatServedARequestHearsOfADeadVMWithTheNextOne(t *testing.T) {
	_, p, b := busyMourners(t, func(r ffaRig, p, b *guest) {
		r.waiting(2)
		p.enters(b, ffaDirectReq, 1<<16|0x8002)
		r.preempt(b)
	})
	p.enters(b, ffaRun, b.w1())
	b.leaves(ffaDirectResp, 0x8002<<16|1)
	p.want("response", fid(ffaDirectResp))
	p.enters(b, ffaDirectReq2|hypercall.SMC64, 1<<16|0x8002, 0, 0, 9)
	b.wantGone(2)
	b.returns("response to the message", ffaDirectResp, b.acknowledge(0), fid(ffaDirectReq2|hypercall.SMC64), 1<<16|0x8002, 0, 0, 9)
	b.leaves(ffaDirectResp2|hypercall.SMC64, 0x8002<<16|1)
	p.want("response", fid(ffaDirectResp2|hypercall.SMC64))
}

func TestRunOfAPartitionTellsItOfADeadVM(t *testing.T) {
	_, p, b := busyMourners(t, func(r ffaRig, p, b *guest) {
		r.waiting(2)
		p.enters(b, ffaDirectReq, 1<<16|0x8002)
		r.preempt(b)
	})
	p.enters(b, ffaRun, b.w1())
	b.leaves(ffaDirectResp, 0x8002<<16|1)
	p.enters(b, ffaRun, b.w1())
	b.wantGone(2)
	b.leaves(ffaDirectResp, b.acknowledge(0)...)
	p.want("it waits", fid(ffaMsgWait), b.w1())
	p.enters(b, ffaRun, b.w1())
	b.want("once", fid(ffaRun), b.w1())
}

func TestPartitionMayHaveAMessageAboutAVMAgain(t *testing.T) {
	for _, code := range []int64{ffaCodes[retry], ffaCodes[interrupted]} {
		r := newMournersRig(t)
		p, a, b := r.guest(0), r.guest(1), r.guest(2)
		r.waiting(2)
		r.run(p, a)
		a.dies(b)
		for range maxRepeats {
			b.wantGone(2)
			b.returns("again", ffaDirectResp, b.acknowledge(int32(code)), fid(ffaDirectReq))
		}
		b.leaves(ffaDirectResp, b.acknowledge(int32(code))...)
		p.want("the VM is dead", abortedResult...)
	}
}

// Who wants to know of both ends of a VM's life hears of the second only after the first.
func TestVMThatDiesBeforeAPartitionHasHeardOfItIsNeverHeardOf(t *testing.T) {
	r := newFFARig(t, func(cfg *Config) {
		e := &cfg.Partitions[2].Endpoint
		e.Secure, e.WantsCreated, e.WantsDestroyed = true, true, true
	}, 1, 1, 1, 1)
	p, a, b, c := r.guest(0), r.guest(1), r.guest(2), r.guest(3)
	r.run(p, a)
	a.dies(p)
	for _, vm := range []uint64{0, 1, 4} {
		if out := r.core.Initialize(&p.VCPU, 2); out.Action != hypercall.Enter || out.VCPU != &b.VCPU {
			t.Fatalf("outcome %+v", out)
		}
		r.settle()
		if vm == 0 {
			b.leaves(ffaMsgWait)
			continue
		}
		b.want("VM created", fid(ffaDirectReq), 0x8002, wCreated, 0, 0, vm)
		b.leaves(ffaDirectResp, 0x8002<<16, wCreatedResp)
	}
	r.run(p, c)
	c.dies(b)
	b.wantGone(4)
}

// The requester dies meanwhile: whoever is told responds to nobody, and serves again.
func TestPartitionThatIsToldInAChainThatDiesServesOn(t *testing.T) {
	r := newFFARig(t, func(cfg *Config) {
		cfg.Partitions[3].Secure, cfg.Partitions[3].WantsDestroyed = true, true
	}, 2, 2, 1, 1)
	p, q, a, a1, d, b := r.guest(0), r.vms[0][1], r.guest(1), r.vms[1][1], r.guest(2), r.guest(3)
	r.waiting(1, 2, 3)
	p.enters(a, ffaDirectReq, pair(0, 1))
	a.enters(d, ffaDirectReq, pair(1, 2))
	d.dies(b)
	b.wantGone(3)
	r.preempt(b)
	r.core.vms[1].vcpus[1].state = ready // as after CPU_ON
	r.run(q, a1)
	a1.dies(q)
	q.want("killed", abortedResult...)
	p.returns("run of the chain", ffaRun, []uint64{a.w1()}, abortedResult...)
	p.returns("run of the dead VM", ffaRun, []uint64{d.w1()}, abortedResult...)
	r.run(p, b)
	b.returns("and of the other", ffaDirectResp, b.acknowledge(0), fid(ffaDirectReq), 0x8003, wDestroyed, 0, 0, 2)
	b.leaves(ffaDirectResp, b.acknowledge(0)...)
	p.enters(b, ffaDirectReq, 1<<16|0x8003)
	b.leaves(ffaDirectResp, 0x8003<<16|1)
	p.want("response", fid(ffaDirectResp))
}
