package scheduler

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Secondaries that do whatever comes to their minds never make the scheduler break a rule, which the rig
// checks, nor forget a vCPU that could go on: at the end nobody is ready, nor blocked with a timer or with
// something that would end its wait.
func TestRandomSecondariesAreScheduledByTheRules(t *testing.T) {
	machines := uint64(400)
	if testing.Short() {
		machines = 40
	}
	for seed := range machines {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { randomMachine(t, seed) }) {
			return
		}
	}
}

func randomMachine(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	cfg := setup{policy: Policies[rnd.IntN(len(Policies))], cpus: 1 + 3*rnd.IntN(2), lines: texts(rnd.IntN(10), "line ")}
	vms := 1 + rnd.IntN(4)
	for vm := range vms {
		var programs []program
		for i := range 1 + rnd.IntN(3) {
			programs = append(programs, randomProgram(rand.New(rand.NewPCG(seed, uint64(vm*8+i+1))), vms))
		}
		cfg.vms = append(cfg.vms, programs)
	}
	r := newRig(t, cfg)
	switch end := r.run(); {
	case end == AtRest && len(r.console.lines) > 0:
		t.Errorf("%d lines are left", len(r.console.lines))
	case end != AtRest && end != Deaf:
		t.Errorf("end %d", end)
	}
	r.forgotten()
}

// forgotten fails the test for each vCPU that could go on: running it would enter it.
func (r *rig) forgotten() {
	r.t.Helper()
	p := r.vms[0][0]
	for vm := 1; vm < len(r.vms); vm++ {
		for i, g := range r.vms[vm] {
			p.x = [hypercall.NumRegs]uint64{spciRun, pair(uint16(vm)+1, uint16(i))}
			p.Regs.Forget()
			out := r.tables[0].Dispatch(&p.VCPU, spciRun, hypercall.HVC)
			p.Regs.Flush()
			if out.Action == hypercall.Enter || uint32(p.x[0]) != spciError {
				r.t.Errorf("vCPU %v could go on: outcome %+v, x0 to x2 %#x", g.ID, out, p.x[:3])
			}
			if out.Action == hypercall.Enter {
				r.core.Preempt(&g.VCPU)
			}
		}
	}
}

// randomProgram makes some random calls and ends with its vCPU switched off.
func randomProgram(rnd *rand.Rand, vms int) program {
	return func(g *guest) {
		vm := func() uint16 { return uint16(1 + rnd.IntN(vms+1)) }
		sibling := func() uint64 { return uint64(rnd.IntN(len(g.rig.vms[g.ID.VM]))) }
		for intid := range uint64(10) {
			if rnd.IntN(3) > 0 {
				g.enable(intid)
			}
		}
		for range rnd.IntN(60) {
			switch rnd.IntN(16) {
			case 0:
				g.hvc(spciRXTXMap, g.tx(), g.rx(), 1)
			case 1, 2, 3:
				g.hvc(spciMsgSend, pair(g.id(), vm()), 0, rnd.Uint64N(100), rnd.Uint64N(2))
			case 4:
				g.hvc(0x8400006a) // MSG_POLL
			case 5, 6:
				if rnd.IntN(2) == 0 {
					g.arm(rnd.Uint64N(1000))
				}
				g.hvc(spciMsgWait)
			case 7:
				g.hvc(spciRXRelease)
			case 8:
				g.hvc(spciYield)
			case 9:
				g.spin()
			case 10:
				g.arm(rnd.Uint64N(1000))
				g.wfi()
			case 11:
				if rnd.IntN(4) == 0 {
					g.wfi()
				}
			case 12:
				g.take()
			case 13:
				g.hvc(hfInterruptInject, uint64(g.id()), sibling(), rnd.Uint64N(10))
			case 14:
				g.psci(hypercall.PSCICPUOn|hypercall.SMC64, sibling(), g.tx(), 0)
			case 15:
				switch rnd.IntN(10) {
				case 0:
					g.die()
					return
				case 1:
					g.psci(hypercall.PSCICPUOff)
				}
			}
		}
	}
}
