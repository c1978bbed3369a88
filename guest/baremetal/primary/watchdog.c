// SPDX-License-Identifier: Apache-2.0
// primary_watchdog: pets the watchdog for longer than its timeout, then spins with interrupts masked until the
// watchdog's event comes, pets once more, and then never again. Only a reset ends it.
#include "scheduler.h"
#include "sdei.h"

#define WATCHDOG       0x82003d06u
#define INIT           0
#define SET_TIMEOUT    1
#define ENABLE         2
#define PET            3
#define WATCHDOG_EVENT 0x40000000u

static uint32_t bites;

uint64_t sdei_handle(uint64_t event, uint64_t argument, uint64_t pc, uint64_t pstate)
{
	(void)argument;
	(void)pc;
	(void)pstate;
	if (event == WATCHDOG_EVENT)
		store(&bites, load(&bites) + 1);
	return 0;
}

static int64_t watchdog(uint64_t what, uint64_t value)
{
	return (int64_t)hvc(WATCHDOG, what, value, 0, 0).x[0];
}

void main(uint64_t fdt)
{
	(void)fdt;
	check(sdei_register(WATCHDOG_EVENT, (uintptr_t)sdei_entry, 0, 0) == 0, "register");
	check(sdei(SDEI_ENABLE, WATCHDOG_EVENT, 0) == 0, "enable");
	check(sdei(SDEI_PE_UNMASK, 0, 0) == 0, "unmask");
	check(watchdog(INIT, 0) == 0, "init");
	check(watchdog(SET_TIMEOUT, 0) == -2, "no timeout");
	check(watchdog(ENABLE, 1) == 0, "enable the watchdog");
	for (uint64_t end = counter() + us_to_ticks(3000000); counter() < end;)
		check(watchdog(PET, 0) == 0, "pet");
	check(load(&bites) == 0, "%u bites while it was petted", load(&bites));
	print("petted\n");
	while (load(&bites) == 0)
		;
	check(watchdog(PET, 0) == 0, "pet");
	print("bitten\n");
	while (load(&bites) == 1)
		;
	print("silent\n");
	for (;;)
		;
}
