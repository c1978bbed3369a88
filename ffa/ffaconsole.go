package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// maxChars is how many characters FFA_CONSOLE_LOG prints: x2 to x17, or w2 to w7 with four each.
const (
	maxChars   = 16 * 8
	maxChars32 = 6 * 4
)

// consoleLog prints characters that stand in registers. The first 24 of SMC32 come four to a register.
func (s *ffa) consoleLog(v *vcpu, fn hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	size, most := 4, uint64(maxChars32)
	if fn&hypercall.SMC64 != 0 {
		size, most = 8, maxChars
	}
	n := uint64(uint32(a[1]))
	if n == 0 || n > most {
		putFFAStatus(&v.Regs, invalid)
		return hypercall.Outcome{}
	}
	chars := s.chars[:n]
	for i := range chars {
		chars[i] = byte(v.Regs.X(2+i/size) >> (8 * (i % size)))
	}
	if s.console != nil {
		s.console.Print(int(v.vm.index), chars)
	}
	putFFAStatus(&v.Regs, success)
	return hypercall.Outcome{}
}
