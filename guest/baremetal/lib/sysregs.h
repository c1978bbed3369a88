// SPDX-License-Identifier: Apache-2.0
// System registers that Hafnium of 2019 keeps from secondaries, and what an access to them comes to.
#pragma once

#include <stdint.h>

// X(name, encoding, group). P: performance monitors; G: the interrupt controller; E: that it is there; D: debug;
// T: the physical timer; S: trace and profiling.
#define SYSREGS(X)                          \
	X(PMCR_EL0, S3_3_C9_C12_0, 'P')     \
	X(PMCNTENSET_EL0, S3_3_C9_C12_1, 'P') \
	X(PMCCNTR_EL0, S3_3_C9_C13_0, 'P')  \
	X(PMUSERENR_EL0, S3_3_C9_C14_0, 'P') \
	X(PMINTENSET_EL1, S3_0_C9_C14_1, 'P') \
	X(PMCCFILTR_EL0, S3_3_C14_C15_7, 'P') \
	X(PMEVCNTR0_EL0, S3_3_C14_C8_0, 'P') \
	X(ICC_PMR_EL1, S3_0_C4_C6_0, 'G')   \
	X(ICC_BPR1_EL1, S3_0_C12_C12_3, 'G') \
	X(ICC_CTLR_EL1, S3_0_C12_C12_4, 'G') \
	X(ICC_IGRPEN1_EL1, S3_0_C12_C12_7, 'G') \
	X(ICC_SRE_EL1, S3_0_C12_C12_5, 'E') \
	X(MDSCR_EL1, S2_0_C0_C2_2, 'D')     \
	X(DBGBVR0_EL1, S2_0_C0_C0_4, 'D')   \
	X(DBGBCR0_EL1, S2_0_C0_C0_5, 'D')   \
	X(DBGWVR0_EL1, S2_0_C0_C0_6, 'D')   \
	X(DBGWCR0_EL1, S2_0_C0_C0_7, 'D')   \
	X(OSDLR_EL1, S2_0_C1_C3_4, 'D')     \
	X(CNTP_CTL_EL0, S3_3_C14_C2_1, 'T') \
	X(CNTP_CVAL_EL0, S3_3_C14_C2_2, 'T') \
	X(PMSCR_EL1, S3_0_C9_C9_0, 'S')     \
	X(TRCPRGCTLR, S2_1_C0_C1_0, 'S')

enum sysreg_index {
#define X(name, encoding, group) SYSREG_##name,
	SYSREGS(X)
#undef X
		SYSREG_COUNT,
};

#define TRAPPED 1u // the access made an exception of an unknown reason, as for a register that is not there
#define WORKS   2u
#define OTHER   3u // some other exception

struct sysreg_report {
	uint64_t mmfr0; // ID_AA64MMFR0_EL1
	uint8_t read[SYSREG_COUNT], write[SYSREG_COUNT];
};
