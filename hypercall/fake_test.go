package hypercall

// bank is a register bank that counts its accesses.
type bank struct {
	x             [NumRegs]uint64
	loads, stores int
}

func (b *bank) LoadX(n int) uint64     { b.loads++; return b.x[n] }
func (b *bank) StoreX(n int, v uint64) { b.stores++; b.x[n] = v }

// guest is a vCPU together with its bank.
type guest struct {
	VCPU
	bank bank
}

func newGuest(vm, index uint16) *guest {
	g := &guest{}
	g.ID = VCPUID{VM: vm, Index: index}
	g.Regs = NewRegs(&g.bank)
	return g
}

// call makes one call as the machine would: fresh registers, dispatch, flush.
func (g *guest) call(s Service, fn FuncID, args ...uint64) (x0 uint64, out Outcome) {
	g.bank.x[0] = uint64(fn)
	copy(g.bank.x[1:], args)
	g.Regs.Forget()
	out = s.Call(&g.VCPU, fn, SMC)
	g.Regs.Flush()
	return g.bank.x[0], out
}
