package ffa

import (
	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// ffaRig is a rig whose VMs speak FF-A.
type ffaRig struct{ *rig }

// newFFARig returns a machine whose VM i has vcpus[i] vCPUs and speaks version 1.2.
func newFFARig(t tester, edit func(*Config), vcpus ...int) ffaRig {
	r := ffaRig{newRigOf(t, func(cfg *Config) {
		for i := range cfg.Partitions {
			cfg.Partitions[i].Endpoint.Version = wire.Version12
		}
		if edit != nil {
			edit(cfg)
		}
	}, vcpus...)}
	r.serve(r.core.FFA())
	return r
}

// pair and guest.w1 are values of w1, for VMs that are not secure and for a vCPU.
func pair(from, to int) uint64 { return uint64(from+1)<<16 | uint64(to+1) }
func (g *guest) w1() uint64 {
	return uint64(g.core().vm.ffa.ID)<<16 | uint64(g.ID.Index)
}
func fid(f hypercall.FuncID) uint64 { return uint64(f) }

func (r ffaRig) guest(vm int) *guest { return r.vms[vm][0] }

// run makes p call FFA_RUN for g and checks that g is entered.
func (r ffaRig) run(p, g *guest) {
	r.t.Helper()
	p.enters(g, ffaRun, g.w1())
}

// ask makes a call whose reserved registers, up to x7, are zero.
func (g *guest) ask(fn hypercall.FuncID, args ...uint64) hypercall.Outcome {
	var x [hypercall.NumRegs - 1]uint64
	return g.call(fn, x[:max(7, copy(x[:], args))]...)
}

// enters makes a call after which g has the pCPU.
func (p *guest) enters(g *guest, fn hypercall.FuncID, args ...uint64) {
	p.rig.t.Helper()
	out := p.ask(fn, args...)
	if out.Action != hypercall.Enter || out.VCPU != &g.VCPU {
		p.rig.t.Fatalf("call %#x of vCPU %v: outcome %+v, registers %#x; want that vCPU %v runs", fn, p.ID, out, p.x[:4], g.ID)
	}
}

// leaves makes a call after which the primary's vCPU p has its pCPU back.
func (g *guest) leaves(fn hypercall.FuncID, args ...uint64) {
	g.rig.t.Helper()
	if out := g.ask(fn, args...); out != leaves {
		g.rig.t.Fatalf("call %#x of vCPU %v: outcome %+v, registers %#x; want that it leaves", fn, g.ID, out, g.x[:4])
	}
}

// ends makes a call that ends the VM.
func (g *guest) ends(fn hypercall.FuncID, args ...uint64) {
	g.rig.t.Helper()
	if out := g.ask(fn, args...); out != ends {
		g.rig.t.Fatalf("call %#x of vCPU %v: outcome %+v, want that its VM ends", fn, g.ID, out)
	}
}

// returns makes a call that returns, and checks the first registers.
func (g *guest) returns(what string, fn hypercall.FuncID, args []uint64, want ...uint64) {
	g.rig.t.Helper()
	if out := g.ask(fn, args...); out != (hypercall.Outcome{}) {
		g.rig.t.Fatalf("%s: call %#x of vCPU %v: outcome %+v, want that it returns", what, fn, g.ID, out)
	}
	g.want(what, want...)
}

// refuses makes a call that returns an error.
func (g *guest) denies(what string, st status, fn hypercall.FuncID, args ...uint64) {
	g.rig.t.Helper()
	g.returns(what, fn, args, fid(ffaError), 0, uint64(uint32(ffaCodes[st])), 0, 0, 0, 0, 0)
}

// waiting runs the first vCPUs of these VMs until they wait for messages.
func (r ffaRig) waiting(vms ...int) {
	r.t.Helper()
	for _, vm := range vms {
		r.run(r.guest(primary), r.guest(vm))
		r.guest(vm).leaves(ffaMsgWait)
		r.guest(primary).want("run until the first wait", fid(ffaMsgWait), r.guest(vm).w1())
	}
}
