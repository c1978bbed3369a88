package kvmarm

// RegID names one register of a vCPU (KVM API §4.68). All those here are 64 bits wide.
type RegID uint64

const (
	regARM64  RegID = 0x6 << 60
	regU64    RegID = 0x3 << 52
	regCore   RegID = regARM64 | regU64 | 0x10<<16
	regSystem RegID = regARM64 | regU64 | 0x13<<16
)

// Core registers are named by their offset in struct kvm_regs, counted in 32-bit words: x0 to x30,
// sp (of EL0), pc, pstate, sp_el1, elr_el1, spsr[EL1].
const (
	RegSPEL0   RegID = regCore | 2*31
	RegPC      RegID = regCore | 2*32
	RegPSTATE  RegID = regCore | 2*33
	RegSPEL1   RegID = regCore | 2*34
	RegELREL1  RegID = regCore | 2*35
	RegSPSREL1 RegID = regCore | 2*36
)

// RegX names xn. n is 0 to 30.
func RegX(n int) RegID { return regCore | RegID(2*n) }

// SysReg names the system register S<op0>_<op1>_C<crn>_C<crm>_<op2>.
//
// SP_EL1, ELR_EL1 and SPSR_EL1 are core registers for KVM, and CNTV_CVAL_EL0 and CNTVCT_EL0 are named
// by [RegCNTVCVAL] and [RegCNTVCT] only.
func SysReg(op0, op1, crn, crm, op2 uint8) RegID {
	return regSystem | RegID(op0&3)<<14 | RegID(op1&7)<<11 | RegID(crn&15)<<7 | RegID(crm&15)<<3 | RegID(op2&7)
}

// The generic timer of EL1 and EL0.
//
// KVM swapped the identifiers of CNTV_CVAL_EL0 and CNTVCT_EL0 by accident and keeps it so (the warning
// stands in arch/arm64/include/uapi/asm/kvm.h): the encoding of the one names the other. The physical
// timer is as the architecture says.
const (
	RegCNTVCTL  RegID = regSystem | 3<<14 | 3<<11 | 14<<7 | 3<<3 | 1 // CNTV_CTL_EL0
	RegCNTVCVAL RegID = regSystem | 3<<14 | 3<<11 | 14<<7 | 0<<3 | 2 // CNTV_CVAL_EL0, under the encoding of CNTVCT_EL0
	RegCNTVCT   RegID = regSystem | 3<<14 | 3<<11 | 14<<7 | 3<<3 | 2 // CNTVCT_EL0, under the encoding of CNTV_CVAL_EL0
	RegCNTPCTL  RegID = regSystem | 3<<14 | 3<<11 | 14<<7 | 2<<3 | 1 // CNTP_CTL_EL0
	RegCNTPCVAL RegID = regSystem | 3<<14 | 3<<11 | 14<<7 | 2<<3 | 2 // CNTP_CVAL_EL0
	RegCNTPCT   RegID = regSystem | 3<<14 | 3<<11 | 14<<7 | 0<<3 | 1 // CNTPCT_EL0
)

// MPIDR returns the affinity fields of MPIDR_EL1 (Aff2.Aff1.Aff0) that KVM gives to the vCPU with this
// id: clusters of 16, as GICv3's SGI target lists want them.
func MPIDR(id int) uint64 {
	n := uint64(id)
	return n&0xf | n>>4&0xff<<8 | n>>12&0xff<<16
}
