// SPDX-License-Identifier: Apache-2.0
// The lowest exception level, in both of its states.
#pragma once

#include <stdbool.h>

#include "registers.h"

// Vectors with the ends of el0_run. What is sent to one of the others is what sdei_resume (sdei.h) does.
extern char el0_vectors[];
#define VECTOR_IRQ    0x280u // from EL1
#define VECTOR_IRQ_64 0x480u // from EL0 in AArch64
#define VECTOR_IRQ_32 0x680u

// Programs for el0_run. The first waits until the word of 32 bits at x1 is not zero, after it has stored w2 into the
// next one; it is interrupted between its loop and its end. The other stores w3 at x1, and is at its pc then. Both end
// with an SVC.
extern char el0_spin[], el0_spin_loop[], el0_spin_end[], el0_store[], el0_store_pc[];
extern char el0_spin_32[], el0_spin_32_loop[], el0_spin_32_end[], el0_store_32[], el0_store_32_pc[];

// Whether this processor has AArch32 at EL0.
bool el0_has_32(void);

// Where EL0 finds what EL1 finds at p, in the first 2 GiB.
uint64_t el0_address(const volatile void *p);

// Runs a program with x0 to x30 from x and SP_EL0 as it is, until it takes an exception that is no interrupt, and stores
// the registers in x again. pstate is what it starts with; 0 is EL0 in AArch64. ESR_EL1, ELR_EL1 and SPSR_EL1 say how
// it ended. Meanwhile VBAR_EL1 is el0_vectors.
void el0_run(const char *program, uint64_t pstate, uint64_t x[31]);

#define PSTATE_USR_32 0x10u

// Exception classes of ESR_EL1.
#define EC(esr)   ((esr) >> 26 & 0x3f)
#define EC_SVC_32 0x11u
#define EC_SVC_64 0x15u
#define EC_STEP   0x32u // from EL0
