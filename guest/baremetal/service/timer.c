// SPDX-License-Identifier: Apache-2.0
// timer: on the message "PERIOD COUNT" (microseconds, decimal) it sets its own timer, sleeps in WFI, and
// sends its client the text "tick N after U us" at each of COUNT periods. Then it waits for the next one.
#include "service.h"

static uint32_t expired;

void handle_irq(void)
{
	if (take_interrupt() != INTID_TIMER)
		return;
	store(&expired, 1);
	// Level triggered: silence it until the next deadline is set.
	timer_off();
}

static void tick(uint16_t client, uint64_t period, uint64_t count)
{
	uint64_t start = counter(), deadline = start;

	for (uint64_t n = 1; n <= count; n++) {
		deadline += period;
		store(&expired, 0);
		timer_set(deadline);
		while (!load(&expired)) {
			// WFI ends at a pending interrupt though masked, so none is lost in between.
			wfi();
			irq_unmask();
			isb();
			irq_mask();
		}
		uint64_t us = ticks_to_ns(counter() - start) / 1000;
		send(client, (uint32_t)format((char *)tx, sizeof(tx), "tick %lu after %lu us", n, us));
	}
}

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	enable_interrupt(INTID_TIMER);
	for (;;) {
		struct message m = receive();
		const char *p = (const char *)rx, *end = p + m.size;
		uint64_t period = us_to_ticks(read_number(&p, end));
		uint64_t count = read_number(&p, end);

		release();
		tick(m.from, period, count);
	}
}
