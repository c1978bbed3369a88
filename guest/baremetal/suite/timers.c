// SPDX-License-Identifier: Apache-2.0
// The virtual timers of secondaries, and the primary's own while its CPU is lent.
#include "clock.h"
#include "gicv3.h"
#include "hv.h"
#include "suite.h"

// Interrupts that the primary took, interrupts being unmasked all the time.
static uint32_t taken;        // INTID 27
static uint32_t own;          // of them with its own timer expired
static uint64_t own_deadline; // of that
static uint64_t lateness;     // ticks, of the last one

void handle_irq(void)
{
	uint32_t intid = gic_acknowledge();

	check(intid == INTID_VIRTUAL_TIMER, "INTID %u", intid);
	store(&taken, load(&taken) + 1);
	if ((read_sysreg(cntv_ctl_el0) & (TIMER_ENABLE | TIMER_IMASK | TIMER_ISTATUS)) == (TIMER_ENABLE | TIMER_ISTATUS)) {
		lateness = counter() - own_deadline;
		timer_off();
		store(&own, load(&own) + 1);
	}
	gic_end(intid);
}

static void take_interrupts(void)
{
	gic_enable_private(INTID_VIRTUAL_TIMER);
	irq_unmask();
}

// The clock service is secondary 0. Lets it come to its first wait.
static uint16_t start_clock(void)
{
	uint16_t vm = hv_secondary(0);
	struct hv_run r;

	hv_map();
	do
		r = hv_run(vm, 0);
	while (r.kind == RAN_PREEMPTED);
	check(r.kind == RAN_WAITS && r.ns == 0, "first run: 0x%lx", r.x0);
	return vm;
}

static void order(uint16_t vm, enum clock_wait wait, uint64_t period_us, uint64_t count)
{
	struct clock_order o = { wait, period_us, count };

	memcpy(tx, &o, sizeof(o));
	check(hv_send(vm, sizeof(o)), "send");
}

static void wait_until(uint64_t deadline)
{
	while (counter() < deadline)
		;
}

// Takes the report of a run that sent it, and lets the service wait for the next order.
static struct clock_report report_of(struct hv_run r, uint16_t vm, uint64_t count)
{
	check(r.kind == RAN_SENT && r.size == sizeof(struct clock_report), "run: kind %u, 0x%lx", r.kind, r.x0);
	struct clock_report got = *(struct clock_report *)rx;

	hv_release();
	check(got.taken == count, "%lu timer interrupts of %lu", got.taken, count);
	check(got.early == 0, "%lu timer interrupts came early", got.early);
	do
		r = hv_run(vm, 0);
	while (r.kind == RAN_PREEMPTED);
	check(r.kind == RAN_WAITS && r.ns == 0, "run: kind %u, 0x%lx", r.kind, r.x0);
	return got;
}

// Runs the service as its waits ask for, until it reports.
static struct clock_report serve(uint16_t vm, enum clock_wait wait, uint64_t period_us, uint64_t count)
{
	uint64_t start = counter();
	struct hv_run r;

	order(vm, wait, period_us, count);
	while ((r = hv_run(vm, 0)).kind != RAN_SENT) {
		if (r.kind == RAN_WAITS) {
			check(r.ns != 0, "it waits for nothing: 0x%lx", r.x0);
			check(r.ns <= period_us * 1000, "it waits for %lu ns, its timer fires in %lu us", r.ns, period_us);
			wait_until(counter() + us_to_ticks(r.ns / 1000));
		} else {
			check(r.kind == RAN_PREEMPTED, "run: kind %u, 0x%lx", r.kind, r.x0);
		}
	}
	uint64_t ns = ticks_to_ns(counter() - start);
	struct clock_report got = report_of(r, vm, count);

	check(got.ns >= count * period_us * 1000, "%lu times %lu us took %lu ns", count, period_us, got.ns);
	print("%lu times %lu us: %lu ns, the latest %lu ns late, %lu waits; %lu ns in all\n", count, period_us, got.ns,
	      got.latest_ns, got.waits, ns);
	return got;
}

// The slice is long enough that nothing else ends a run.
TEST_BOTH(timers, expiry_while_it_runs_is_interrupt_27_of_the_primary, "slice=100s vm=clock")
{
	uint16_t vm = start_clock();

	take_interrupts();
	for (uint32_t n = 1; n <= 20; n++) {
		order(vm, CLOCK_SPIN, 2000, 1);
		struct hv_run r = hv_run(vm, 0);
		check(r.kind == RAN_PREEMPTED, "run: kind %u, 0x%lx", r.kind, r.x0);
		check(load(&taken) == n, "%u interrupts after %u expiries", load(&taken), n);
		report_of(hv_run(vm, 0), vm, 1);
		check(load(&taken) == n, "%u interrupts after %u expiries", load(&taken), n);
	}
	check(load(&own) == 0, "the primary's own timer was touched");
}

TEST_BOTH(timers, expiry_while_it_runs_is_dropped_by_a_gic_that_has_27_disabled, "slice=100s vm=clock")
{
	uint16_t vm = start_clock();

	order(vm, CLOCK_SPIN, 2000, 1);
	struct hv_run r = hv_run(vm, 0);
	check(r.kind == RAN_PREEMPTED, "run: kind %u, 0x%lx", r.kind, r.x0);
	take_interrupts();
	report_of(hv_run(vm, 0), vm, 1);
	check(load(&taken) == 0, "%u interrupts", load(&taken));
}

// Both timers at once: each interrupt of the primary's own comes, however many of the secondary's come between.
TEST_BOTH(timers, expiries_of_a_secondary_do_not_lose_those_of_the_primary, "vm=clock")
{
	uint16_t vm = start_clock();

	take_interrupts();
	for (uint32_t n = 1; n <= 200; n++) {
		order(vm, CLOCK_SPIN, 1 + n * 37 % 2000, 1);
		own_deadline = counter() + us_to_ticks(1 + n * 53 % 2000);
		timer_set(own_deadline);
		struct hv_run r;
		do
			r = hv_run(vm, 0);
		while (r.kind == RAN_PREEMPTED);
		report_of(r, vm, 1);
		while (load(&own) < n)
			;
		check(load(&own) == n, "%u interrupts of the primary's timer after %u", load(&own), n);
	}
	print("%u interrupts, %u of the primary's own timer\n", load(&taken), load(&own));
}

static void blocked(enum clock_wait wait)
{
	uint16_t vm = start_clock();
	struct hv_run r;

	take_interrupts();
	// The first WFI may be seen late, and then its timer may fire while it still runs.
	serve(vm, wait, 20000, 1);
	uint32_t before = load(&taken);

	for (uint32_t n = 0; n < 5; n++) {
		order(vm, wait, 50000, 1);
		uint64_t start = counter();
		do
			r = hv_run(vm, 0);
		while (r.kind == RAN_PREEMPTED);
		uint64_t left = 50000000;
		for (uint32_t asked = 0; r.kind == RAN_WAITS; asked++) {
			check(r.ns > 0 && r.ns <= left, "%lu ns after %lu", r.ns, left);
			left = r.ns;
			r = hv_run(vm, 0);
		}
		check(ticks_to_ns(counter() - start) >= 50000000, "it ran early");
		while (r.kind == RAN_PREEMPTED)
			r = hv_run(vm, 0);
		struct clock_report got = report_of(r, vm, 1);
		check(got.waits == 1, "it woke %lu times", got.waits);
	}
	check(load(&taken) == before, "%u interrupts of timers that fired while it did not run", load(&taken) - before);
}

TEST_BOTH(timers, wfi_with_a_timer_is_not_run_until_it_fires, "vm=clock")
{
	blocked(CLOCK_WFI);
}

TEST_BOTH(timers, receive_with_a_timer_is_not_run_until_it_fires, "vm=clock")
{
	blocked(CLOCK_RECEIVE);
}

// It has the interrupt as it begins to run: nothing ends that run.
TEST_BOTH(timers, one_that_expired_between_two_runs_is_taken_in_the_second, "slice=100s vm=clock")
{
	uint16_t vm = start_clock();
	uint32_t early = 0;

	take_interrupts();
	for (uint32_t n = 0; n < 20; n++) {
		order(vm, CLOCK_YIELD, 5000, 1);
		struct hv_run r = hv_run(vm, 0);
		if (r.kind == RAN_PREEMPTED) { // it fired before the yield, on a slow host
			while (r.kind == RAN_PREEMPTED || r.kind == RAN_YIELDED)
				r = hv_run(vm, 0);
			report_of(r, vm, 1);
			early++;
			continue;
		}
		check(r.kind == RAN_YIELDED, "run: kind %u, 0x%lx", r.kind, r.x0);
		wait_until(counter() + us_to_ticks(5000));
		report_of(hv_run(vm, 0), vm, 1);
	}
	check(load(&taken) == early, "%u interrupts, and %u timers that fired while it ran", load(&taken), early);
}

TEST_BOTH(timers, one_microsecond, "minutes=5 vm=clock")
{
	uint16_t vm = start_clock();

	serve(vm, CLOCK_SPIN, 1, 400);
	serve(vm, CLOCK_WFI, 1, 400);
	serve(vm, CLOCK_RECEIVE, 1, 400);
}

TEST_BOTH(timers, thousands_in_a_second, "minutes=5 vm=clock")
{
	uint16_t vm = start_clock();

	serve(vm, CLOCK_WFI, 250, 1500);
	serve(vm, CLOCK_RECEIVE, 250, 1500);
	serve(vm, CLOCK_SPIN, 250, 1500);
}

TEST_BOTH(timers, twenty_seconds, "soak minutes=5 vm=clock")
{
	uint16_t vm = start_clock();

	take_interrupts();
	serve(vm, CLOCK_WFI, 20000000, 1);
	serve(vm, CLOCK_RECEIVE, 20000000, 1);
	serve(vm, CLOCK_SPIN, 20000000, 1);
}

// A sorted list of latenesses, in ns.
#define SAMPLES 200u
static uint64_t samples[SAMPLES];

static void print_distribution(const char *what)
{
	for (uint32_t i = 1; i < SAMPLES; i++) {
		uint64_t v = samples[i];
		uint32_t at = i;

		for (; at > 0 && samples[at - 1] > v; at--)
			samples[at] = samples[at - 1];
		samples[at] = v;
	}
	print("%s: least %lu us, median %lu us, 90%% %lu us, 99%% %lu us, most %lu us\n", what, samples[0] / 1000,
	      samples[SAMPLES / 2] / 1000, samples[SAMPLES * 9 / 10] / 1000, samples[SAMPLES * 99 / 100] / 1000,
	      samples[SAMPLES - 1] / 1000);
}

// Nothing but the timer ends the runs, so each one that ends shows that it did.
TEST(timers, the_primarys_own_ends_a_run, "slice=100s vm=busy")
{
	take_interrupts();
	for (uint32_t n = 0; n < SAMPLES; n++) {
		irq_mask(); // it must not come before the run
		own_deadline = counter() + us_to_ticks(1 + n * 977 % 5000);
		timer_set(own_deadline);
		struct regs r = spci_run(FIRST_SECONDARY, 0);
		irq_unmask();
		isb();
		check(func(r) == SPCI_INTERRUPT, "run: 0x%lx", r.x[0]);
		check(load(&own) == n + 1, "%u interrupts after %u runs", load(&own), n + 1);
		samples[n] = ticks_to_ns(lateness);
	}
	print_distribution("from the deadline to the interrupt");
}

TEST(timers, the_primarys_own_ends_short_runs_too, "slice=100s vm=yield")
{
	take_interrupts();
	for (uint32_t n = 0; n < SAMPLES; n++) {
		own_deadline = counter() + us_to_ticks(1 + n * 977 % 5000);
		timer_set(own_deadline);
		while (load(&own) == n) {
			struct regs r = spci_run(FIRST_SECONDARY, 0);
			check(func(r) == SPCI_INTERRUPT || func(r) == SPCI_YIELD, "run: 0x%lx", r.x[0]);
		}
		samples[n] = ticks_to_ns(lateness);
	}
	print_distribution("from the deadline to the interrupt");
}

TEST(timers, the_primarys_own_ends_a_run_at_once_if_it_is_pending_behind_a_mask, "slice=100s vm=busy")
{
	take_interrupts();
	for (uint32_t n = 0; n < 50; n++) {
		irq_mask();
		own_deadline = counter();
		timer_set(own_deadline);
		struct regs r = spci_run(FIRST_SECONDARY, 0);
		check(func(r) == SPCI_INTERRUPT, "run: 0x%lx", r.x[0]);
		check(load(&own) == n, "it was taken behind the mask");
		irq_unmask();
		isb();
		check(load(&own) == n + 1, "%u interrupts after %u runs", load(&own), n + 1);
	}
}

TEST(timers, the_primarys_own_behind_imask_ends_no_run, "slice=40ms vm=busy")
{
	take_interrupts();
	for (uint32_t n = 0; n < 10; n++) {
		uint64_t start = counter();

		write_sysreg(cntv_cval_el0, start + us_to_ticks(1000));
		write_sysreg(cntv_ctl_el0, TIMER_ENABLE | TIMER_IMASK);
		isb();
		struct regs r = spci_run(FIRST_SECONDARY, 0);
		uint64_t us = ticks_to_ns(counter() - start) / 1000;
		check(func(r) == SPCI_INTERRUPT, "run: 0x%lx", r.x[0]);
		check(us >= 20000, "the run ended after %lu us of its slice of 40000", us);
	}
	check(load(&taken) == 0, "%u interrupts", load(&taken));
}

// A primary may look at its timer and have no interrupt of it. Secondaries must get on.
TEST(timers, the_primarys_own_without_an_interrupt_does_not_stop_secondaries, "slice=100s vm=yield")
{
	uint32_t yields = 0;

	timer_set(counter());
	while (yields < 500) {
		struct regs r = spci_run(FIRST_SECONDARY, 0);
		check(func(r) == SPCI_INTERRUPT || func(r) == SPCI_YIELD, "run: 0x%lx", r.x[0]);
		yields += func(r) == SPCI_YIELD;
	}
}
