// SPDX-License-Identifier: Apache-2.0
// PV_SCHED: the hypervisor keeps a word per vCPU that says whether it is scheduled out.
#pragma once

#include "call.h"

#define PV_SCHED_FEATURES    0xc5000090u
#define PV_SCHED_IPA_INIT    0xc5000091u
#define PV_SCHED_IPA_RELEASE 0xc5000092u
#define PV_SCHED_KICK_CPU    0xc5000093u

#define PV_SCHED_NOT_SUPPORTED     (-1)
#define PV_SCHED_INVALID_PARAMETER (-3)

struct pvsched_state {
	uint32_t preempted;
	uint8_t reserved[60];
} __attribute__((aligned(64)));

static inline int64_t pvsched(uint32_t fn, uint64_t arg)
{
	return (int64_t)hvc(fn, arg, 0, 0, 0).x[0];
}

static inline int64_t pvsched_smc(uint32_t fn, uint64_t arg)
{
	register uint64_t x0 asm("x0") = fn;
	register uint64_t x1 asm("x1") = arg;

	asm volatile("smc #0" : "+r"(x0), "+r"(x1)::"memory", "x2", "x3");
	return (int64_t)x0;
}

// What the pvsched service, of up to 8 vCPUs, is asked to do, in a message of one such word, which it sends back when
// all was as it had to be.
enum pvsched_job {
	PVSCHED_CALLS, // make every call with every error, on its first vCPU and on its last
	PVSCHED_LOOK,  // have all vCPUs look at the flags of all
	PVSCHED_KICK,  // have its first vCPU and its last kick each other out of WFI, which nothing else ends
	PVSCHED_OFF,   // switch its last vCPU off, and see that it has no flag any more
	PVSCHED_STAY,  // stay in guest code until its vCPU 1, which then sends a message, was run once more; for ever
	PVSCHED_DIE,
};
