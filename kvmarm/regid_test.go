package kvmarm

import "testing"

func TestRegisterIDsAreThoseOfTheKernel(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want RegID
	}{
		{"x0", RegX(0), 0x6030000000100000},
		{"x30", RegX(30), 0x603000000010003c},
		{"sp_el0", RegSPEL0, 0x603000000010003e},
		{"pc", RegPC, 0x6030000000100040},
		{"pstate", RegPSTATE, 0x6030000000100042},
		{"sp_el1", RegSPEL1, 0x6030000000100044},
		{"elr_el1", RegELREL1, 0x6030000000100046},
		{"spsr_el1", RegSPSREL1, 0x6030000000100048},
		{"KVM_REG_ARM_TIMER_CTL", RegCNTVCTL, 0x603000000013df19},
		{"KVM_REG_ARM_TIMER_CVAL", RegCNTVCVAL, 0x603000000013df02},
		{"KVM_REG_ARM_TIMER_CNT", RegCNTVCT, 0x603000000013df1a},
		{"KVM_REG_ARM_PTIMER_CTL", RegCNTPCTL, 0x603000000013df11},
		{"KVM_REG_ARM_PTIMER_CVAL", RegCNTPCVAL, 0x603000000013df12},
		{"KVM_REG_ARM_PTIMER_CNT", RegCNTPCT, 0x603000000013df01},
		{"MPIDR_EL1", SysReg(3, 0, 0, 0, 5), 0x603000000013c005},
		{"SCTLR_EL1", SysReg(3, 0, 1, 0, 0), 0x603000000013c080},
	} {
		if c.got != c.want {
			t.Errorf("%s is %#x, want %#x", c.name, uint64(c.got), uint64(c.want))
		}
	}
}

func TestMPIDRPutsSixteenVCPUsIntoACluster(t *testing.T) {
	for _, c := range []struct {
		id   int
		want uint64
	}{{0, 0}, {1, 1}, {15, 0xf}, {16, 0x100}, {33, 0x201}, {4095, 0xff0f}, {4096, 0x10000}} {
		if got := MPIDR(c.id); got != c.want {
			t.Errorf("vCPU %d has MPIDR %#x, want %#x", c.id, got, c.want)
		}
	}
}
