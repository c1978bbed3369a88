// SPDX-License-Identifier: Apache-2.0
// SDEI 1.1 (Arm DEN0054C), and an event handler.
#pragma once

#include <stdint.h>

#include "call.h"

#define SDEI_VERSION          0xc4000020u
#define SDEI_REGISTER         0xc4000021u
#define SDEI_ENABLE           0xc4000022u
#define SDEI_DISABLE          0xc4000023u
#define SDEI_CONTEXT          0xc4000024u
#define SDEI_COMPLETE         0xc4000025u
#define SDEI_COMPLETE_RESUME  0xc4000026u
#define SDEI_UNREGISTER       0xc4000027u
#define SDEI_STATUS           0xc4000028u
#define SDEI_GET_INFO         0xc4000029u
#define SDEI_ROUTING_SET      0xc400002au
#define SDEI_PE_MASK          0xc400002bu
#define SDEI_PE_UNMASK        0xc400002cu
#define SDEI_BIND             0xc400002du
#define SDEI_RELEASE          0xc400002eu
#define SDEI_SIGNAL           0xc400002fu
#define SDEI_FEATURES         0xc4000030u
#define SDEI_PRIVATE_RESET    0xc4000031u
#define SDEI_SHARED_RESET     0xc4000032u

#define SDEI_NOT_SUPPORTED   (-1)
#define SDEI_INVALID         (-2)
#define SDEI_DENIED          (-3)
#define SDEI_PENDING         (-5)
#define SDEI_OUT_OF_RESOURCE (-10)

// The handler to register. It calls sdei_handle on the interrupted stack and completes the event: where it
// interrupted if the answer is 0, handled, or 1, failed; else at the address that the answer is.
extern char sdei_entry[];

// The same as an offset from VBAR_EL1.
static inline uint64_t sdei_entry_relative(void)
{
	uint64_t vbar;

	asm volatile("mrs %0, vbar_el1" : "=r"(vbar));
	return (uintptr_t)sdei_entry - vbar;
}

// x4 to x17 as the last event on this CPU found them.
extern uint64_t sdei_seen[14];

// NZCV at the entry of that event's handler, in its place in PSTATE.
extern uint64_t sdei_nzcv;

// Whether calls are made by SMC; by HVC unless a program says so.
extern uint32_t sdei_smc;

// A program that registers sdei_entry has one.
uint64_t sdei_handle(uint64_t event, uint64_t argument, uint64_t pc, uint64_t pstate);

// An address to complete at: counts in sdei_resumes, keeps ELR_EL1 in sdei_elr, SPSR_EL1 in sdei_spsr, and of its own
// PSTATE the interrupt masks, the level and the stack in sdei_pstate, and goes back to where the event interrupted.
extern char sdei_resume[];
extern uint64_t sdei_resumes, sdei_elr, sdei_spsr, sdei_pstate;

static inline int64_t sdei_call(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	register uint64_t x0 asm("x0") = fn;
	register uint64_t x1 asm("x1") = a1;
	register uint64_t x2 asm("x2") = a2;
	register uint64_t x3 asm("x3") = a3;
	register uint64_t x4 asm("x4") = a4;
	register uint64_t x5 asm("x5") = a5;

	if (*(volatile uint32_t *)&sdei_smc)
		asm volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5)::"memory", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17");
	else
		asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5)::"memory", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17");
	return (int64_t)x0;
}

static inline int64_t sdei(uint32_t fn, uint64_t a1, uint64_t a2)
{
	return sdei_call(fn, a1, a2, 0, 0, 0);
}

// Flags and affinity are those that a private event ignores.
static inline int64_t sdei_register(uint32_t event, uint64_t entry, uint64_t argument, uint64_t flags)
{
	return sdei_call(SDEI_REGISTER, event, entry, argument, flags, 0);
}
