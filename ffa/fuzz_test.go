package ffa

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// fuzzFunctions are the identifiers that exist, for the fuzzer to choose from.
func fuzzFunctions() (fns []hypercall.FuncID) {
	for i := range hypercall.FuncID(spciCount) {
		fns = append(fns, spciError+i, spciError+i|hypercall.SMC64, hfVMGetCount-1+i)
	}
	for i := range hypercall.FuncID(6) {
		fns = append(fns, hypercall.PSCIVersion+i, hypercall.PSCIVersion+i|hypercall.SMC64)
	}
	return append(fns, hypercall.PSCIFeatures)
}

// addScripts gives a fuzzer random scripts of so many bytes to begin with.
func addScripts(f *testing.F, count uint64, size int) {
	for seed := range count {
		script := make([]byte, size)
		for src, i := rand.NewPCG(seed, 0), 0; i < size; i += 8 {
			binary.LittleEndian.PutUint64(script[i:], src.Uint64())
		}
		f.Add(script)
	}
}

// randomGuest finds the vCPU that a script has do something: one of the primary up to a limit, else of a secondary. It is
// nil unless that runs.
func randomGuest(r *rig, who, limit uint8) *guest {
	g := r.vms[0][who&1]
	if who >= limit {
		g = [...]*guest{r.vms[1][0], r.vms[1][1], r.vms[2][0]}[who%3]
		if g.core().state != running {
			return nil
		}
	} else if lends(r, g) {
		return nil
	}
	return g
}

// filled puts something into all memory, and returns a copy of that.
func filled(r *rig) (copy []byte) {
	for i := range r.ram {
		r.ram[i] = byte(i >> 5)
	}
	return bytes.Clone(r.ram)
}

// Whatever guests call, with whatever in their registers: nothing panics, every outcome makes sense,
// and no memory changes but the receive pages and what is shared, which is zeroed.
func FuzzCalls(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 13 * 3, 1, 0, 0, 2, 0, 0, 1, 11 * 3, 0, 0, 0, 0, 0, 0})
	fns := fuzzFunctions()
	addScripts(f, 512, 2<<10)
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRig(t, 2, 2, 1)
		r.mapped(0, 1)
		untouched := filled(r)
		for len(script) >= 8 {
			who, fn, args := script[0], script[1], script[2:8]
			script = script[8:]
			g := randomGuest(r, who, 64)
			if g == nil {
				continue
			}
			switch {
			case who >= 240:
				fuzzEvent(r, g, fn)
				continue
			case who < 32: // keep the secondaries going
				target := r.vms[1+who>>1&1][0]
				r.core.inject(g.core(), target.core().vm, 0, uint64(args[0]&3))
				checkOutcome(t, r, g, g.call(spciRun, spciVCPU(target.ID)))
				continue
			case who < 40 || who >= 216: // and mail flowing
				pair := spciPair(spciID(g.ID.VM), uint64(fn&3))
				checkOutcome(t, r, g, g.call(spciMsgSend, pair, 0, uint64(args[0]), uint64(args[1]&1)))
				continue
			}
			g.load(fns[int(fn)%len(fns)])
			for i := range 4 {
				g.x[1+i] = fuzzArg(args[i], args[4]>>(2*i)&3)
			}
			conduit := hypercall.Conduit(args[5] & 1 & (args[5] >> 1))
			out := g.dispatch(conduit)
			r.settle()
			checkOutcome(t, r, g, out)
		}
		for vm := range r.vms {
			for _, span := range rxPages(r, vm) {
				copy(untouched[span.Base-ramBase:][:span.Size], r.Slice(span.Base, span.Size))
			}
		}
		for page := 0; page < len(r.ram); page += PageSize {
			now := r.ram[page:][:PageSize]
			zeroed := r.stage2.remaps > 0 && bytes.Equal(now, make([]byte, PageSize))
			if !zeroed && !bytes.Equal(now, untouched[page:][:PageSize]) {
				t.Errorf("page %#x changed, which is no receive page", ramBase+page)
			}
		}
	})
}

// fuzzArg makes a register out of a byte: small, an address, a pair of ids, or wild.
func fuzzArg(b, kind byte) uint64 {
	switch kind {
	case 0:
		return uint64(b >> (b & 7)) // small ones more often
	case 1:
		return ramBase + uint64(b&63)*PageSize/2
	case 2:
		return spciPair(uint64(b>>2&3), uint64(b&3))
	}
	return binary.LittleEndian.Uint64(bytes.Repeat([]byte{b}, 8))
}

// fuzzEvent is something that happens to a running vCPU.
func fuzzEvent(r *rig, g *guest, what byte) {
	switch what % 5 {
	case 0:
		r.core.Preempt(&g.VCPU)
	case 1:
		r.core.WaitForInterrupt(&g.VCPU)
	case 2:
		r.core.TimerExpired(&g.VCPU)
	case 3:
		g.arm(uint64(what))
	case 4:
		if what > 240 {
			r.core.Abort(&g.VCPU)
		}
	}
	r.advance(uint64(what & 7))
	r.settle()
}

// lends reports whether a primary vCPU's pCPU is lent.
func lends(r *rig, g *guest) bool {
	for _, vm := range r.vms[1:] {
		for _, s := range vm {
			if r.core.Runner(&s.VCPU) == &g.VCPU {
				return true
			}
		}
	}
	return false
}

func rxPages(r *rig, vm int) (pages []Span) {
	if rx := r.core.vms[vm].box.rx; rx != nil {
		for a := ramOf(vm).Base; a < ramOf(vm).Base+vmSize; a += PageSize {
			if &r.page(a)[0] == &rx[0] {
				pages = append(pages, Span{a, PageSize})
			}
		}
	}
	return pages
}

func checkOutcome(t *testing.T, r *rig, g *guest, out hypercall.Outcome) {
	switch state := g.core().state; {
	case out.Wake != nil || out.Reason != 0:
		t.Errorf("outcome %+v", out)
	case g.ID.VM == primary && out.Action == hypercall.Enter:
		if r.core.Runner(out.VCPU) != &g.VCPU {
			t.Errorf("vCPU %v entered, but is run by %v", out.VCPU.ID, r.core.Runner(out.VCPU))
		}
	case g.ID.VM == primary && out.Action != hypercall.Return:
		t.Errorf("outcome %+v for the primary", out)
	case g.ID.VM != primary && out.Action == hypercall.Return:
		if state != running {
			t.Errorf("a vCPU goes on in state %d", state)
		}
	case g.ID.VM != primary && (out.Action != hypercall.Leave || state == running):
		t.Errorf("outcome %+v in state %d", out, state)
	}
}
