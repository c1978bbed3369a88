// SPDX-License-Identifier: Apache-2.0
// primary_ffa_queued: takes its interrupts only when a partition that is not to be disturbed has given the CPU back.
// With the bootarg "forever" the partition never does. Secondaries: ffa_told*2 with a manifest.
#include "fdt.h"
#include "ffa.h"
#include "ffa_told.h"
#include "gicv3.h"
#include "scheduler.h"

#define PRIMARY   1u
#define PARTITION 0x8001u
#define ROUNDS    10u
#define SPIN_US   20000u

static uint32_t taken;

void handle_irq(void)
{
	uint32_t intid = gic_acknowledge();

	check(intid == INTID_VIRTUAL_TIMER, "INTID %u", intid);
	store(&taken, load(&taken) + 1);
	timer_off();
	gic_end(intid);
}

void main(uint64_t fdt)
{
	uint64_t us = *fdt_bootargs(fdt) ? 0 : SPIN_US;

	gic_enable_private(INTID_VIRTUAL_TIMER);
	irq_unmask();
	for (uint32_t n = 0; n < ROUNDS; n++) {
		struct ffa_regs r = { { FFA_DIRECT_REQ, ffa_pair(PRIMARY, PARTITION), 0, TOLD_SPIN, us } };

		irq_mask();
		timer_set(counter() + us_to_ticks(SPIN_US / 10));
		ffa_hvc(&r);
		check(ffa_func(&r) == FFA_DIRECT_RESP, "request %u: 0x%lx, error %d", n, r.x[0], ffa_errno(&r));
		irq_unmask();
		isb();
		check(load(&taken) == n + 1, "%u interrupts after request %u", load(&taken), n);
	}
	pass();
}
