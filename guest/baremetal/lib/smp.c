// SPDX-License-Identifier: Apache-2.0
#include "call.h"
#include "cpu.h"
#include "spci.h"

// Read by cpu_entry in start.S.
struct cpu_boot {
	uintptr_t stack_top;
	void (*fn)(uint64_t);
	uint64_t arg;
};

static struct cpu_boot boot;
static uint8_t stack[8192] __attribute__((aligned(16)));

extern char cpu_entry[];

int64_t cpu_on(uint64_t target, void (*fn)(uint64_t), uint64_t arg)
{
	boot = (struct cpu_boot){ (uintptr_t)stack + sizeof(stack), fn, arg };
	asm volatile("dsb sy" ::: "memory");
	return (int64_t)hvc(PSCI_CPU_ON, target, (uintptr_t)cpu_entry, (uintptr_t)&boot, 0).x[0];
}
