// SPDX-License-Identifier: Apache-2.0
// primary_race: two CPUs race SPCI_RUN on one vCPU. The loser gets BUSY and no turn is lost or counted
// twice. Secondaries: turns. The primary has 2 CPUs.
#include "scheduler.h"

#define RUNS 10000u // by each CPU

// What one CPU saw; nobody else writes it.
struct racer {
	uint64_t done;
	uint64_t yields, busy, interrupts, others, strange;
};

static struct racer racers[2];
static uint64_t ready; // the second CPU is there

static void attempt(struct racer *self)
{
	struct regs r = spci_run(FIRST_SECONDARY, 0);

	if (func(r) == SPCI_YIELD)
		self->yields++;
	else if (func(r) == SPCI_INTERRUPT)
		self->interrupts++;
	else if (error(r) == SPCI_BUSY)
		self->busy++;
	else {
		self->others++;
		self->strange = r.x[0];
	}
}

static void race(struct racer *self)
{
	for (uint32_t i = 0; i < RUNS; i++)
		attempt(self);
	dmb();
	store(&self->done, 1);
}

static void second(uint64_t unused)
{
	(void)unused;
	store(&ready, 1);
	race(&racers[1]);
	for (;;)
		wfi();
}

void main(uint64_t fdt)
{
	(void)fdt;
	scheduler_start(1);
	int64_t e = cpu_on(1, second, 0);
	check(e == 0, "CPU_ON: %ld", e);

	while (!load(&ready))
		;
	race(&racers[0]);
	while (!load(&racers[1].done))
		;
	dmb();
	struct racer *a = &racers[0], *b = &racers[1];
	uint64_t yields = a->yields + b->yields, busy = a->busy + b->busy;

	print("CPU 0: %lu yields, %lu busy, %lu interrupts; CPU 1: %lu yields, %lu busy, %lu interrupts\n", a->yields,
	      a->busy, a->interrupts, b->yields, b->busy, b->interrupts);
	check(a->others == 0 && b->others == 0, "%lu other results: 0x%lx, 0x%lx", a->others + b->others, a->strange,
	      b->strange);
	check(busy > 0, "the CPUs never met");

	// The service counts its turns: it must have had as many as we saw it end.
	check(send_text(FIRST_SECONDARY, "?") == 0, "send");
	struct regs r;
	do {
		r = spci_run(FIRST_SECONDARY, 0);
		if (func(r) == SPCI_YIELD)
			yields++;
	} while (func(r) == SPCI_YIELD || func(r) == SPCI_INTERRUPT);
	check(func(r) == SPCI_MSG_SEND && low(r.x[1]) == SPCI_PRIMARY, "run: 0x%lx", r.x[0]);

	const char *p = (const char *)rx;
	uint64_t turns = read_number(&p, p + (uint32_t)r.x[3]);
	check(turns == yields, "the service had %lu turns, its runs ended %lu times", turns, yields);
	print("%u runs by each CPU, %lu turns, loser BUSY %lu times\n", RUNS, turns, busy);
	pass();
}
