package kvmarm

import "testing"

func TestBreakpointStopsBeforeTheInstruction(t *testing.T) {
	g := newGuest(t,
		0xd503201f, // nop
		0xd503201f, // nop
		insnHVC,
		0xd29fe040, // mov x0, #0xff02
		insnHVC,
	)
	const site = ramBase + 8
	g.check(g.vcpu.SetBreakpoint(0, site))
	for range 2 { // it stops there as long as nobody moves it
		g.run(ExitDebug)
		g.want("PC", g.get(RegPC), site)
		esr, _ := g.vcpu.Debug()
		g.want("class of the exception", esr>>26, 0x30) // breakpoint from a lower EL
	}
	g.check(g.vcpu.ClearBreakpoint(0))
	g.runToCall(callBase + 1)
	g.runToCall(callBase + 2)
}

func TestCallSkippedAtBreakpointIsNotMade(t *testing.T) {
	g := newGuest(t,
		insnHVC,
		0xd29fe040, // mov x0, #0xff02
		insnHVC,
	)
	g.check(g.vcpu.SetBreakpoint(0, ramBase))
	g.run(ExitDebug)
	g.set(RegPC, g.get(RegPC)+4)
	g.runToCall(callBase + 2)
}

func TestBreakpointsAreIndependent(t *testing.T) {
	g := newGuest(t,
		0xd503201f, // nop
		0xd503201f, // nop
		0xd503201f, // nop
		insnHVC,
	)
	const first, second = ramBase + 4, ramBase + 8
	g.check(g.vcpu.SetBreakpoint(0, second))
	g.check(g.vcpu.SetBreakpoint(1, first))
	g.run(ExitDebug)
	g.want("PC", g.get(RegPC), first)
	g.check(g.vcpu.ClearBreakpoint(1))
	g.run(ExitDebug)
	g.want("PC", g.get(RegPC), second)
	g.check(g.vcpu.ClearBreakpoint(0))
	g.runToCall(callBase + 1)
}
