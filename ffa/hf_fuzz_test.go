package ffa

import (
	"bytes"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// FuzzCalls for the interface of January 2019.
func FuzzHFCalls(f *testing.F) {
	f.Add([]byte{})
	addScripts(f, 256, 2<<10)
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newHFRig(t, []int{0, 1}, 2, 2, 1)
		untouched := filled(r)
		for ; len(script) >= 8; script = script[8:] {
			who, fn, args := script[0], script[1], script[2:8]
			g := randomGuest(r, who, 96)
			if g == nil {
				continue
			}
			switch {
			case who >= 232:
				fuzzEvent(r, g, fn)
				continue
			case who < 32: // keep the secondaries going
				target := r.vms[1+who>>1&1][who>>2&1%uint8(len(r.vms[1+who>>1&1]))]
				checkOutcome(t, r, g, g.call(janVCPURun, uint64(target.ID.VM), uint64(target.ID.Index)))
				continue
			case who < 48:
				checkOutcome(t, r, g, g.call(janInterruptInject, uint64(1+fn&1), uint64(fn>>1&1), uint64(fn>>2&3)))
				continue
			case who >= 208 && who < 216:
				g.call(janInterruptEnable, uint64(fn&3), 1)
				continue
			case who >= 216: // and mail flowing
				checkOutcome(t, r, g, g.call(janMailboxReceive, uint64(fn&1)))
				continue
			}
			fns := [...]hypercall.FuncID{janVMGetID + hypercall.FuncID(fn&15), hypercall.PSCIVersion + hypercall.FuncID(fn%6)}
			g.load(fns[args[5]>>7])
			for i := range 3 {
				g.x[1+i] = fuzzArg(args[i], args[4]>>(2*i)&3)
			}
			out := g.dispatch(hypercall.HVC)
			r.settle()
			checkOutcome(t, r, g, out)
		}
		for i := range r.core.vms {
			p := &r.core.vms[i]
			for _, s := range rxPages(r, i) {
				copy(untouched[s.Base-ramBase:][:s.Size], r.Slice(s.Base, s.Size))
			}
			for _, v := range p.receivers {
				if v.state != waitingMessage || p.box.state == boxReceived {
					t.Errorf("vCPU %v waits for a message in state %d, the mailbox is in state %d", v.ID, v.state, p.box.state)
				}
			}
		}
		if !bytes.Equal(untouched, r.ram) {
			t.Error("memory changed that is no receive page")
		}
	})
}
