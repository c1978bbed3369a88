// SPDX-License-Identifier: Apache-2.0
// A value in every register, and a comparison of them all.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

// Each loads x0 to x30 from x, does one thing, and stores them there again. What interrupts a call finds the PC at
// NAME_pc, where they are stored.
void call_all_hvc(uint64_t x[31]); // HVC #0
void call_all_smc(uint64_t x[31]); // SMC #0
void spin_all(uint64_t x[31]);     // waits until the word of 32 bits at x1 is not zero, which is then in x0
void eret_all(uint64_t x[31]);     // ERET, and waits for an exception whose vector branches to eret_all_pc
extern char call_all_hvc_pc[], call_all_smc_pc[], spin_all_pc[];

// A call, what must be in x0 after it (ANY_X0: anything), and which other registers may change: bit n is xn.
struct kept_call {
	uint64_t fn, x0;
	uint32_t may_change;
	uint32_t smc;
	uint64_t args[4]; // x1 to x4
};

#define ANY_X0 0x5555aaaa5555aaaaull

// Makes the calls and returns how many of them did as they should. text says what the first other one did.
uint32_t kept_calls(const struct kept_call *calls, uint32_t count, char *text, size_t size);

// Fills q0 to q31, FPCR and FPSR with what seed gives, and counts those that are not (any more) that.
void simd_enable(void);
void simd_fill(uint64_t seed);
uint32_t simd_differs(uint64_t seed);
