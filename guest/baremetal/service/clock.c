// SPDX-License-Identifier: Apache-2.0
// clock: sets its timer as a struct clock_order says, waits for its interrupts, and answers with a struct
// clock_report. Under either interface.
#include "clock.h"
#include "hv.h"
#include "service.h"

static struct clock_report report;
static uint64_t deadline;
static bool expired;

void handle_irq(void)
{
	if (hv_interrupt_get() != INTID_TIMER)
		return;
	uint64_t now = counter();

	timer_off(); // level triggered: silent until the next deadline is set
	report.taken++;
	if (now < deadline)
		report.early++;
	else if (ticks_to_ns(now - deadline) > report.latest_ns)
		report.latest_ns = ticks_to_ns(now - deadline);
	store(&expired, true);
}

// Waits once, interrupts masked before and after.
static void wait(enum clock_wait how)
{
	switch (how) {
	case CLOCK_WFI:
		wfi();
		break;
	case CLOCK_RECEIVE:
		hv_receive(true);
		break;
	default:
		break;
	}
	report.waits++;
	irq_unmask();
	isb();
	irq_mask();
}

static void serve(struct clock_order o)
{
	uint64_t start = counter();

	report = (struct clock_report){ 0 };
	for (uint64_t n = 1; n <= o.count; n++) {
		deadline = start + us_to_ticks(n * o.period_us);
		if (o.wait == CLOCK_OFF) {
			while (counter() < deadline)
				;
			continue;
		}
		store(&expired, false);
		timer_set(deadline);
		if (o.wait == CLOCK_YIELD)
			hv_yield();
		while (!load(&expired))
			wait(o.wait);
	}
	report.ns = ticks_to_ns(counter() - start);
}

void main(uint64_t x0)
{
	(void)x0;
	hv_map();
	hv_interrupt_enable(INTID_TIMER);
	for (;;) {
		struct hv_message m = hv_receive(true);

		if (!m.there)
			continue;
		struct clock_order o = *(struct clock_order *)rx;

		hv_release();
		serve(o);
		memcpy(tx, &report, sizeof(report));
		hv_send(m.from, sizeof(report));
	}
}
