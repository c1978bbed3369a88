package vmm

import "testing"

func TestBreakpointIsOnOneInstructionOfOneAddressSpace(t *testing.T) {
	const pc = 0xffff_8000_8001_2344
	space := regime{sctlr: 1, ttbr0: 0x4100_0000, ttbr1: 0x4200_0000}
	armed := breakpoint{armed: true, pc: pc, regime: space}
	for _, c := range []struct {
		name  string
		at    breakpoint
		pc    uint64
		space regime
		want  bool
	}{
		{"that instruction", armed, pc, space, true},
		{"taken away", breakpoint{pc: pc, regime: space}, pc, space, false},
		{"another instruction", armed, pc + instructionSize, space, false},
		{"another lower half", armed, pc, regime{1, 0x4300_0000, 0x4200_0000}, false},
		{"another upper half", armed, pc, regime{1, 0x4100_0000, 0x4300_0000}, false},
		{"another MMU control", armed, pc, regime{0, 0x4100_0000, 0x4200_0000}, false},
	} {
		if got := c.at.is(c.pc, c.space); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
