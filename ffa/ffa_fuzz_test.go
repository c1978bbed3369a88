package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// Whatever guests call, in every version, with whatever in their registers: nothing panics, every pCPU runs one vCPU
// and no vCPU runs twice, a chain of requests always has a vCPU that can go on, and who waits for a response is waited
// for by its callee alone.
func FuzzFFACalls(f *testing.F) {
	addScripts(f, 400, 3<<10)
	f.Fuzz(func(t *testing.T, script []byte) {
		version := wire.Version12
		if len(script) > 0 {
			version = wire.Version10 + wire.Version(script[0]%4)
		}
		w := newFFAWorld(t, version)
		for ; len(script) >= ffaStep; script = script[ffaStep:] {
			w.step(script[:ffaStep])
			w.check()
		}
		w.drain()
	})
}

// ffaStep is how many bytes of a script one step takes.
const ffaStep = 12

// ffaWorld is a machine of which each pCPU runs what the outcomes say.
type ffaWorld struct {
	ffaRig
	t   *testing.T
	cur []*guest // by pCPU
}

func newFFAWorld(t *testing.T, version wire.Version) *ffaWorld {
	r := newFFARig(t, func(cfg *Config) {
		cfg.Version = version
		for i := range cfg.Partitions {
			e := &cfg.Partitions[i].Endpoint
			e.Version, e.NPI = version, NPIIRQ
		}
		cfg.Partitions[3].Secure = true
		cfg.Partitions[2].ManagedExit = true
		for _, i := range []int{1, 3} {
			e := &cfg.Partitions[i].Endpoint
			e.WantsDestroyed, e.WantsCPUOff = true, true
		}
	}, 2, 2, 1, 1)
	w := &ffaWorld{r, t, []*guest{r.vms[0][0], r.vms[0][1]}}
	r.core.vms[1].entry = ramOf(1).Base
	for vm := range r.vms {
		r.core.mapBuffers(&r.core.vms[vm], txOf(vm), rxOf(vm), 1)
	}
	return w
}

// step makes the vCPU of a pCPU call something, or something happen to it.
func (w *ffaWorld) step(b []byte) {
	cpu := int(b[0] & 1)
	g := w.cur[cpu]
	if g.ID.VM != primary && b[1] >= 200 {
		w.event(cpu, g, b[2])
		return
	}
	if g.ID.VM == primary && b[1] >= 248 { // the pCPU goes off, or comes back
		if out, _ := w.core.PowerOff(&g.VCPU); out.Action == hypercall.Enter {
			w.apply(cpu, g, out)
		} else {
			w.core.PowerOn(&g.VCPU)
		}
		return
	}
	args := [7]uint64{}
	for i := range args {
		args[i] = uint64(b[4+i]) >> (b[4+i] & 7)
	}
	pairs := func(from uint64) uint64 { return from<<16 | uint64(w.core.vms[b[4]&3].ffa.ID) }
	self := uint64(w.core.vms[g.ID.VM].ffa.ID)
	fn := ffaError + hypercall.FuncID(b[2]%0x40)
	switch b[1] % 8 {
	case 0, 1: // run something
		fn, args = ffaRun, [7]uint64{uint64(w.core.vms[b[4]&3].ffa.ID)<<16 | uint64(b[5]&1)}
	case 2, 3: // a request or a response of some kind
		fns := [...]hypercall.FuncID{ffaDirectReq, ffaDirectReq, req64, ffaDirectReq2 | hypercall.SMC64, ffaDirectResp, ffaDirectResp,
			ffaDirectResp | hypercall.SMC64, ffaDirectResp2 | hypercall.SMC64}
		fn, args = fns[b[2]&7], [7]uint64{pairs(self)}
		if c := g.core().caller; c != nil && b[5]&3 != 0 {
			args[0] = self<<16 | uint64(c.vm.ffa.ID)
		}
		if kind := g.core().framework; kind != noFramework && b[5]&1 != 0 {
			k := &frameworkKinds[kind]
			fn, args = ffaDirectResp, [7]uint64{self<<16 | k.manager, k.response, -uint64(b[6] & 7)}
		}
	case 4:
		fn, args = ffaMsgWait, [7]uint64{}
	case 5: // notifications and messages
		fns := [...]hypercall.FuncID{ffaNotificationBind, ffaNotificationSet, ffaNotificationGet, ffaNotificationInfoGet, ffaMsgSend2, ffaRXRelease}
		fn = fns[int(b[2])%len(fns)]
		args = [7]uint64{pairs(self), uint64(b[5] & 1), uint64(b[6]), 0}
		switch fn {
		case ffaNotificationBind, ffaNotificationUnbind:
			args[0] = args[0]>>16 | args[0]<<16&0xFFFF0000
		case ffaNotificationGet:
			args = [7]uint64{self, 15}
		case ffaMsgSend2, ffaRXRelease:
			args = [7]uint64{}
			m := wire.Message{Offset: 40, Sender: uint16(self), Receiver: w.core.vms[b[4]&3].ffa.ID, Size: uint32(b[5])}
			m.Encode(w.page(txOf(int(g.ID.VM))), w.core.vms[g.ID.VM].version)
		}
	case 6:
		if b[3]&1 != 0 {
			fn |= hypercall.SMC64
		}
	case 7:
		if b[3] < 40 {
			fn, args = hypercall.PSCICPUOn|hypercall.SMC64, [7]uint64{1, ramOf(int(g.ID.VM)).Base}
		} else if b[3] < 50 {
			fn = hypercall.PSCICPUOff
		} else if b[3] < 240 {
			fn, args = ffaYield, [7]uint64{}
		} else {
			fn = hafFirst + hypercall.FuncID(b[2]&15)
		}
	}
	if fn == ffaError && b[3] > 3 { // which ends the VM
		fn = ffaIDGet
	}
	g.load(fn)
	copy(g.x[1:], args[:])
	w.apply(cpu, g, g.dispatch(hypercall.Conduit(b[3]&1)))
}

func (w *ffaWorld) event(cpu int, g *guest, what byte) {
	out := hypercall.Outcome{}
	switch what % 6 {
	case 0, 1:
		out = w.core.Preempt(&g.VCPU)
	case 2:
		out = w.core.WaitForInterrupt(&g.VCPU)
	case 3:
		out = w.core.TimerExpired(&g.VCPU)
	case 4:
		g.arm(uint64(what))
	case 5:
		if what > 240 {
			out = w.core.Abort(&g.VCPU)
		}
	}
	w.advance(uint64(what & 7))
	w.apply(cpu, g, out)
}

// apply moves the pCPU as an outcome says.
func (w *ffaWorld) apply(cpu int, g *guest, out hypercall.Outcome) {
	w.settle()
	switch out.Action {
	case hypercall.Enter:
		w.cur[cpu] = w.vms[out.VCPU.ID.VM][out.VCPU.ID.Index]
	case hypercall.Leave:
		if g.ID.VM == primary {
			w.t.Fatalf("the primary's vCPU %v leaves", g.ID)
		}
		w.cur[cpu] = w.vms[primary][cpu]
	case hypercall.Return:
	default:
		w.t.Fatalf("vCPU %v: outcome %+v", g.ID, out)
	}
}

func (w *ffaWorld) check() {
	for _, vm := range w.vms[1:] {
		for _, g := range vm {
			v := g.core()
			var runner *vcpu
			for cpu, c := range w.cur {
				if c == g {
					if runner != nil {
						w.t.Fatalf("vCPU %v runs twice", g.ID)
					}
					runner = w.vms[primary][cpu].core()
				}
			}
			if (v.state == running) != (runner != nil) || v.runner != runner {
				w.t.Fatalf("vCPU %v is in state %d, run by %v, and has pCPU of %v", g.ID, v.state, v.runner, runner)
			}
			if v.callee != nil && v.callee.caller != v {
				w.t.Fatalf("vCPU %v waits for %v, which serves %v", g.ID, v.callee.ID, v.callee.caller)
			}
			if v.caller != nil && v.caller.vm.index != primary && v.caller.callee != v {
				w.t.Fatalf("vCPU %v serves %v, which waits for %v", g.ID, v.caller.ID, v.caller.callee)
			}
			if v.state != blocked || v.vm.aborting && !v.dying {
				continue
			}
			if v.callee == nil {
				w.t.Fatalf("vCPU %v waits for nobody", g.ID)
			}
			switch tail := v.tail(); {
			case tail.vm.aborting:
			case tail.state != running && tail.state != ready && tail.state != waitingInterrupt:
				w.t.Fatalf("vCPU %v waits for %v in state %d", g.ID, tail.ID, tail.state)
			}
		}
	}
}

// drain lets everybody finish: requests are answered, and then nobody waits for anybody.
func (w *ffaWorld) drain() {
	for range 200 {
		for cpu := range w.cur {
			g := w.cur[cpu]
			v := g.core()
			switch {
			case g.ID.VM == primary:
				for _, vm := range w.vms[1:] {
					for _, h := range vm {
						if s := h.core(); s.byPrimary() && (s.state == blocked || s.state == ready || s.state == waitingInterrupt) && w.cur[cpu] == g {
							s.tail().irqs = virqs{1, 1} // an interrupt ends every wait
							g.load(ffaRun)
							g.x[1] = uint64(s.vm.ffa.ID)<<16 | uint64(h.ID.Index)
							w.apply(cpu, g, g.dispatch(hypercall.HVC))
						}
					}
				}
			case v.callee != nil:
				v.callee.tail().irqs = virqs{1, 1}
				g.load(ffaRun)
				g.x[1] = uint64(v.callee.vm.ffa.ID)<<16 | uint64(v.callee.ID.Index)
				w.apply(cpu, g, g.dispatch(hypercall.HVC))
			case v.framework != noFramework:
				k := &frameworkKinds[v.framework]
				g.load(ffaDirectResp, uint64(v.vm.ffa.ID)<<16|k.manager, k.response, 0)
				w.apply(cpu, g, g.dispatch(hypercall.HVC))
			case v.model == theDirectModel:
				g.load([...]hypercall.FuncID{ffaDirectResp, ffaDirectResp | hypercall.SMC64, ffaDirectResp2 | hypercall.SMC64}[v.kind])
				g.x[1], g.x[2], g.x[3] = uint64(v.vm.ffa.ID)<<16, 0, 0
				if v.caller != nil {
					g.x[1] |= uint64(v.caller.vm.ffa.ID)
				}
				w.apply(cpu, g, g.dispatch(hypercall.HVC))
			default:
				v.irqs.pending = 0
				v.kicked = false
				g.load(ffaMsgWait)
				g.x[2] = 0
				w.apply(cpu, g, g.dispatch(hypercall.HVC))
			}
			w.check()
		}
	}
	for _, vm := range w.vms[1:] {
		for _, g := range vm {
			if v := g.core(); !v.vm.aborting && v.state != waitingMessage && v.state != off {
				w.t.Fatalf("vCPU %v never comes to rest: state %d, serves %v, waits for %v", g.ID, v.state, v.caller, v.callee)
			}
		}
	}
}
