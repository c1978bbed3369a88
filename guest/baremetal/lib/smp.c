// SPDX-License-Identifier: Apache-2.0
#include "call.h"
#include "cpu.h"
#include "spci.h"

static struct cpu_boot boots[MAX_CPUS];
static uint8_t stacks[MAX_CPUS][4096] __attribute__((aligned(16)));

extern char cpu_entry[];

int64_t cpu_on(uint64_t target, void (*fn)(uint64_t), uint64_t arg)
{
	uint64_t n = target % MAX_CPUS;

	boots[n] = (struct cpu_boot){ (uintptr_t)stacks[n] + sizeof(stacks[n]), fn, arg };
	asm volatile("dsb sy" ::: "memory");
	return (int64_t)hvc(PSCI_CPU_ON, target, (uintptr_t)cpu_entry, (uintptr_t)&boots[n], 0).x[0];
}

void cpu_off(void)
{
	for (;;)
		hvc(PSCI_CPU_OFF, 0, 0, 0, 0);
}

int64_t cpu_state(uint64_t target)
{
	return (int64_t)hvc(PSCI_AFFINITY_INFO, target, 0, 0, 0).x[0];
}
