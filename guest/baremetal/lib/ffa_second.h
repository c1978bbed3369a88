// SPDX-License-Identifier: Apache-2.0
// How a partition of two vCPUs has the second one started.
#pragma once

#include "ffa.h"
#include "guest.h"

#define FFA_SECONDARY_EP_REGISTER 0xc4000087u

static struct cpu_boot ffa_second_boot __attribute__((used));

void ffa_second_entry(void);
asm(".text\n.global ffa_second_entry\nffa_second_entry:\n"
    "adrp x0, ffa_second_boot\nadd x0, x0, :lo12:ffa_second_boot\nb cpu_entry\n");

// Registers the second vCPU's entry: it calls fn, like one that CPU_ON has started.
static inline struct ffa_regs ffa_register_second(void (*fn)(uint64_t))
{
	static uint8_t stack[4096] __attribute__((aligned(16)));

	ffa_second_boot = (struct cpu_boot){ (uintptr_t)stack + sizeof(stack), fn, 0 };
	return ffa_call(FFA_SECONDARY_EP_REGISTER, (uintptr_t)ffa_second_entry, 0, 0, 0);
}
