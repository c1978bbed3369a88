// SPDX-License-Identifier: Apache-2.0
// primary_preempt: while a secondary spins, the primary's own timer goes on ticking. Secondaries: busy.
#include "gicv3.h"
#include "scheduler.h"

#define PERIOD_US 10000u
#define TICKS     50u

static uint32_t ticks;
static uint64_t deadline, latest;

void handle_irq(void)
{
	uint32_t intid = gic_acknowledge();
	uint64_t late = counter() - deadline;

	check(intid == INTID_VIRTUAL_TIMER, "INTID %u", intid);
	if (late > latest)
		latest = late;
	store(&ticks, load(&ticks) + 1);
	deadline += us_to_ticks(PERIOD_US);
	timer_set(deadline);
	gic_end(intid);
}

void main(uint64_t fdt)
{
	uint64_t start, runs = 0;

	(void)fdt;
	scheduler_start(1);
	gic_enable_private(INTID_VIRTUAL_TIMER);
	start = counter();
	deadline = start + us_to_ticks(PERIOD_US);
	timer_set(deadline);
	irq_unmask();

	for (; load(&ticks) < TICKS; runs++) {
		struct regs r = run_once(FIRST_SECONDARY, 0);
		check(func(r) == SPCI_INTERRUPT, "run: 0x%lx %lx %lx", r.x[0], r.x[1], r.x[2]);
	}
	irq_mask();
	print("%u ticks of %u us in %lu us, the latest %lu us late, %lu runs\n", TICKS, PERIOD_US,
	      ticks_to_ns(counter() - start) / 1000, ticks_to_ns(latest) / 1000, runs);
	pass();
}
