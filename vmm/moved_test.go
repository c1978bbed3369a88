package vmm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/sdei"
	"github.com/hfvmm/hfvmm/vmm/api"
)

// movedRegs are the registers of a bare-metal guest without floating point.
func movedRegs() []kvmarm.RegID {
	regs := []kvmarm.RegID{
		kvmarm.RegSPEL0, kvmarm.RegPC, kvmarm.RegPSTATE, kvmarm.RegSPEL1, kvmarm.RegELREL1, kvmarm.RegSPSREL1,
		sdeiRegs[sdei.VBAR], regSCTLREL1, regTTBR0EL1, regTTBR1EL1,
		kvmarm.SysReg(3, 0, 2, 0, 2),  // TCR_EL1
		kvmarm.SysReg(3, 0, 10, 2, 0), // MAIR_EL1
	}
	for n := range 31 {
		regs = append(regs, kvmarm.RegX(n))
	}
	return regs
}

// cbzX20 is the instruction at which a guest waits to be moved: cbz x20, .
const cbzX20 = 0xB4000014

// waits reports whether a vCPU of a paused machine is at that instruction.
func (m *Machine) waits(v *vcpu) bool {
	pc := v.get(kvmarm.RegPC)
	return m.ram.Slice(pc, instructionSize) != nil && m.ram.word(pc).Load() == cbzX20
}

// move builds a fresh machine and gives it RAM and vCPU 0 of the paused one, and, through the sockets, its SDEI.
func move(t *testing.T, from *Machine, client *api.Client, cfg Config) (*Machine, *api.Client, <-chan Ending) {
	t.Helper()
	ctx := t.Context()
	s, err := client.SDEI(ctx, "primary")
	must(t, err)
	registers, err := client.Registers(ctx, "0", 0)
	must(t, err)

	var to *Machine
	next, ended := controlledAfter(t, cfg, func(m *Machine) {
		to = m
		m.park() // nothing runs before it is paused
		v, w := from.vms[0].vcpus[0], m.vms[0].vcpus[0]
		w.TakeBoot()
		for _, r := range movedRegs() {
			w.set(r, v.get(r))
		}
		w.set(kvmarm.RegX(20), 1)
		must(t, w.err)
		ram := m.vms[0].ram
		copy(m.ram.Slice(ram.base, ram.size), from.ram.Slice(ram.base, ram.size))
	})
	must(t, next.Pause(ctx))
	to.resume()

	tampered := s
	tampered.PEs = append([]api.PEState{}, s.PEs...)
	tampered.PEs[0].Private = append(append([]api.HandlerState{}, s.PEs[0].Private...), api.HandlerState{Event: 5, Registered: true})
	if err := next.SetSDEI(ctx, "primary", tampered); err == nil || !strings.Contains(err.Error(), "event 0x5 does not exist here") {
		t.Errorf("a state that cannot be: %v", err)
	}
	must(t, next.SetSDEI(ctx, "primary", s))
	got, err := next.SDEI(ctx, "primary")
	must(t, err)
	if d := cmp.Diff(s, got); d != "" {
		t.Errorf("the state has changed on its way:\n%s", d)
	}
	must(t, next.SetRegisters(ctx, "primary", 0, registers)) // which say the same once more
	again, err := next.SDEI(ctx, "primary")
	must(t, err)
	if d := cmp.Diff(s, again); d != "" {
		t.Errorf("the registers say something else:\n%s", d)
	}
	return to, next, ended
}

// Each state is entered on one machine and left on another.
func TestGuestThatIsMovedInEveryStateOfSDEIDoesNotNotice(t *testing.T) {
	var r record
	cfg := machine(t, &r, 1, "sdei_moved")
	cfg.SDEI = ThePrimary
	m, client, ended := controlled(t, cfg)
	ctx := t.Context()
	raised := map[uint32]bool{}
	for state := range 11 {
		eventually(t, fmt.Sprintf("the guest is in state %d\n%v", state, &r), func() bool {
			for _, event := range []uint32{eventPrivateCritical, eventShared} {
				if line := fmt.Sprintf("raise %d\r\n", event); !raised[event] && strings.HasSuffix(r.console.String(), line) {
					raised[event] = true
					must(t, client.RaiseEvent(ctx, api.EventRequest{VM: "primary", Event: api.Hex(event)}))
				}
			}
			return strings.HasSuffix(r.console.String(), fmt.Sprintf("state %d\r\n", state)) || strings.Contains(r.console.String(), "FAIL")
		})
		if _, err := client.SDEI(ctx, "primary"); err == nil || !strings.Contains(err.Error(), "pause it first") {
			t.Fatalf("the state of a machine that runs: %v", err)
		}
		for must(t, client.Pause(ctx)); !m.waits(m.vms[0].vcpus[0]); must(t, client.Pause(ctx)) {
			must(t, client.Resume(ctx))
		}
		was := client
		m, client, ended = move(t, m, client, cfg)
		must(t, was.PowerOff(ctx))
		must(t, client.Resume(ctx))
	}
	if e := <-ended; e != PoweredOff || !strings.HasSuffix(r.console.String(), "PASS\r\n") {
		t.Errorf("ending %v\n%v", e, &r)
	}
}
