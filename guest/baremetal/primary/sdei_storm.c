// SPDX-License-Identifier: Apache-2.0
// primary_sdei_storm: vCPU 0 signals event 0 to itself in the handler of event 0, for ever. vCPU 1 prints
// "tick" now and then, and what the host raises on it. It never ends by itself. The primary has 2 CPUs.
#include "scheduler.h"
#include "sdei.h"

#define HOST_EVENT 0x40000001u
#define TICK       10000u // us

static uint32_t raised; // on vCPU 1, by the host

uint64_t sdei_handle(uint64_t event, uint64_t argument, uint64_t pc, uint64_t pstate)
{
	(void)pc;
	(void)pstate;
	if (event == 0)
		sdei(SDEI_SIGNAL, 0, read_sysreg(mpidr_el1));
	else if (event == HOST_EVENT && argument == 1)
		store(&raised, load(&raised) + 1);
	return 0;
}

static void listen(uint32_t event, uint64_t cpu)
{
	check(sdei_register(event, (uintptr_t)sdei_entry, cpu, 0) == 0, "register");
	check(sdei(SDEI_ENABLE, event, 0) == 0, "enable");
	check(sdei(SDEI_PE_UNMASK, 0, 0) == 0, "unmask");
}

static void second(uint64_t unused)
{
	(void)unused;
	listen(HOST_EVENT, 1);
	for (uint32_t seen = 0;;) {
		uint64_t end = counter() + us_to_ticks(TICK);

		while (counter() < end)
			;
		print("tick\n");
		for (; seen < load(&raised); seen++)
			print("event 0x%x on 1\n", HOST_EVENT);
	}
}

void main(uint64_t fdt)
{
	(void)fdt;
	check(cpu_on(1, second, 0) == 0, "CPU_ON");
	listen(0, 0);
	sdei(SDEI_SIGNAL, 0, read_sysreg(mpidr_el1));
	for (;;)
		;
}
