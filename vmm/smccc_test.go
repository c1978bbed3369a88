package vmm

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

func TestVersionIsAnsweredAtTheCallThatAskedAndNowhereElse(t *testing.T) {
	const pc = 0xffff_8000_8001_2344
	space := regime{sctlr: 1, ttbr0: 0x4100_0000, ttbr1: 0x4200_0000}
	armed := versionTrap{armed: true, pc: pc, regime: space}
	for _, c := range []struct {
		name  string
		trap  versionTrap
		pc    uint64
		space regime
		fn    hypercall.FuncID
		want  bool
	}{
		{"that call", armed, pc, space, hypercall.SMCCCVersion, true},
		{"after the answer", versionTrap{pc: pc, regime: space}, pc, space, hypercall.SMCCCVersion, false},
		{"another function", armed, pc, space, hypercall.PSCIFeatures, false},
		{"another instruction", armed, pc + instructionSize, space, hypercall.SMCCCVersion, false},
		{"another lower half", armed, pc, regime{1, 0x4300_0000, 0x4200_0000}, hypercall.SMCCCVersion, false},
		{"another upper half", armed, pc, regime{1, 0x4100_0000, 0x4300_0000}, hypercall.SMCCCVersion, false},
		{"another MMU control", armed, pc, regime{0, 0x4100_0000, 0x4200_0000}, hypercall.SMCCCVersion, false},
	} {
		if got := c.trap.is(c.pc, c.space, c.fn); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
