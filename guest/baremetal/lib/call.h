// SPDX-License-Identifier: Apache-2.0
// Calls to the hypervisor: x0 to x7 in, x0 to x7 out, HVC #0.
#pragma once

#include <stdint.h>

struct regs {
	uint64_t x[8];
};

static inline struct regs hvc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
	register uint64_t x0 asm("x0") = fn;
	register uint64_t x1 asm("x1") = a1;
	register uint64_t x2 asm("x2") = a2;
	register uint64_t x3 asm("x3") = a3;
	register uint64_t x4 asm("x4") = a4;
	register uint64_t x5 asm("x5") = 0;
	register uint64_t x6 asm("x6") = 0;
	register uint64_t x7 asm("x7") = 0;

	asm volatile("hvc #0"
		     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6), "+r"(x7)
		     :
		     : "memory", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17");
	return (struct regs){ { x0, x1, x2, x3, x4, x5, x6, x7 } };
}
