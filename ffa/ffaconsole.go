package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// maxChars is how many characters FFA_CONSOLE_LOG prints: x2 to x17, or w2 to w7 with four each.
const (
	maxChars   = 16 * 8
	maxChars32 = 6 * 4
)

// line is what a vCPU prints, once the core is unlocked: who reads it may be slow.
type line struct {
	chars [maxChars]byte
	n     int
}

// consoleLog takes characters that stand in registers.
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
	v.line.n = int(n)
	for i := range v.line.n {
		v.line.chars[i] = byte(v.Regs.X(2+i/size) >> (8 * (i % size)))
	}
	putFFAStatus(&v.Regs, success)
	return hypercall.Outcome{}
}

// print prints what v, which has just called for that, has in its line.
func (s *ffa) print(v *vcpu) {
	if l := &v.line; s.console != nil && l.n > 0 {
		s.console.Print(int(v.vm.index), l.chars[:l.n])
		l.n = 0
	}
}
