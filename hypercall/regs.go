package hypercall

import "math/bits"

// NumRegs is how many registers take part in a call: x0 to x17 (DEN0028 §2.6, version 1.2).
const NumRegs = 18

// Bank is where the registers of a stopped vCPU really live. Each access may cost a system call.
type Bank interface {
	LoadX(n int) uint64
	StoreX(n int, v uint64)
}

// Regs is the lazy view of x0 to x17 of one stopped vCPU. A register is loaded when it is first asked
// for and stored, by Flush, only when its value changed. It belongs to whoever owns the vCPU.
type Regs struct {
	bank  Bank
	x     [NumRegs]uint64
	known uint32 // x[n] is what the guest would see
	dirty uint32 // x[n] differs from the bank
}

// NewRegs returns a register file over bank.
func NewRegs(bank Bank) Regs { return Regs{bank: bank} }

// X returns xn. n is 0 to 17.
func (r *Regs) X(n int) uint64 {
	if r.known&(1<<n) == 0 {
		r.x[n] = r.bank.LoadX(n)
		r.known |= 1 << n
	}
	return r.x[n]
}

// W returns wn, the lower half of xn.
func (r *Regs) W(n int) uint32 { return uint32(r.X(n)) }

// SetX sets xn for the guest's next instruction.
func (r *Regs) SetX(n int, v uint64) {
	bit := uint32(1) << n
	if r.known&bit != 0 && r.x[n] == v {
		return
	}
	r.x[n] = v
	r.known |= bit
	r.dirty |= bit
}

// Flush stores what was changed. Call it before the vCPU runs.
func (r *Regs) Flush() {
	for d := r.dirty; d != 0; d &= d - 1 {
		n := bits.TrailingZeros32(d)
		r.bank.StoreX(n, r.x[n])
	}
	r.dirty = 0
}

// Forget drops every loaded value. Call it after the vCPU ran.
func (r *Regs) Forget() { r.known, r.dirty = 0, 0 }
