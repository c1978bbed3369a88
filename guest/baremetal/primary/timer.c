// SPDX-License-Identifier: Apache-2.0
// primary_timer: lets a service be woken by its own timer, through the time-outs that its runs report.
// Secondaries: timer.
#include "scheduler.h"

#define PERIOD_US 10000u
#define TICKS     20u

void main(uint64_t fdt)
{
	char text[64];

	(void)fdt;
	scheduler_start(1);
	receive();
	format(text, sizeof(text), "%u %u", PERIOD_US, TICKS);
	uint64_t start = counter();
	check(send_text(FIRST_SECONDARY, text) == 0, "send");

	for (uint32_t n = 1; n <= TICKS; n++) {
		struct message m = receive();
		uint64_t us = ticks_to_ns(counter() - start) / 1000;

		check(m.from == FIRST_SECONDARY, "no tick %u", n);
		const char *p = (const char *)rx + strlen("tick"), *end = (const char *)rx + m.size;
		check(read_number(&p, end) == n, "tick %u has another number", n);
		check(us >= n * PERIOD_US, "tick %u came after %lu us", n, us);
		release();
	}
	print("%u ticks of %u us took %lu us\n", TICKS, PERIOD_US, ticks_to_ns(counter() - start) / 1000);
	check(receive().from == 0, "a message too many");
	pass();
}
