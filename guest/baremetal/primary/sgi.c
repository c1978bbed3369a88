// SPDX-License-Identifier: Apache-2.0
// primary_sgi: tells of each SGI that it takes, on two CPUs, by a letter: 'a' and up for CPU 0, 'A' and up for
// CPU 1. One CPU spins, calls or sleeps, in turns; the other does the same a step ahead. It never ends.
// Secondaries: busy, which gets the CPU in between.
#include "gicv3.h"
#include "scheduler.h"

#define FIRST 8u
#define COUNT 8u

#define PSCI_CPU_SUSPEND 0xc4000001u

static uint32_t printing;

static void tell(char c)
{
	while (__atomic_exchange_n(&printing, 1, __ATOMIC_ACQUIRE))
		;
	put_char(c);
	__atomic_store_n(&printing, 0, __ATOMIC_RELEASE);
}

static uint64_t cpu(void)
{
	return read_sysreg(mpidr_el1) & 0xff;
}

void handle_irq(void)
{
	uint32_t intid = gic_acknowledge();

	if (intid - FIRST < COUNT)
		tell((char)((cpu() ? 'A' : 'a') + intid - FIRST));
	else
		tell('?');
	gic_end(intid);
}

static void enable(void)
{
	for (uint32_t i = 0; i < COUNT; i++)
		gic_enable_private(FIRST + i);
}

static void live(uint32_t step)
{
	tell('.');
	irq_unmask(); /* not before: the handler would wait for this CPU to be done with telling */
	for (;; step++) {
		switch (step % 4) {
		case 0:
			for (uint32_t i = 0; i < 100000; i++)
				isb();
			break;
		case 1:
			spci_run(FIRST_SECONDARY, (uint16_t)cpu());
			break;
		case 2:
			wfi();
			break;
		case 3:
			hvc(PSCI_CPU_SUSPEND, 0, 0, 0, 0);
			break;
		}
	}
}

static void second(uint64_t step)
{
	enable();
	live((uint32_t)step);
}

void main(uint64_t fdt)
{
	(void)fdt;
	enable();
	check(cpu_on(1, second, 1) == 0, "CPU_ON");
	live(0);
}
