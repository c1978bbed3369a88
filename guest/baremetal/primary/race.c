// SPDX-License-Identifier: Apache-2.0
// primary_race: two CPUs race SPCI_RUN on one vCPU. The loser gets BUSY and no turn is lost or counted
// twice. Secondaries: turns. The primary has 2 CPUs.
#include "scheduler.h"

#define ROUNDS 10000u

// What one CPU saw; nobody else writes it.
struct racer {
	uint64_t round; // the last round that the CPU has finished
	uint64_t yields, busy, interrupts, others, strange;
};

static struct racer racers[2];
static uint64_t go; // the round that may begin

static void run(struct racer *self)
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

static void second(uint64_t unused)
{
	(void)unused;
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		while (load(&go) < round)
			;
		run(&racers[1]);
		dmb();
		store(&racers[1].round, round);
	}
	for (;;)
		wfi();
}

void main(uint64_t fdt)
{
	(void)fdt;
	scheduler_start(1);
	int64_t e = cpu_on(1, second, 0);
	check(e == 0, "CPU_ON: %ld", e);

	for (uint64_t round = 1; round <= ROUNDS; round++) {
		store(&go, round);
		run(&racers[0]);
		while (load(&racers[1].round) < round)
			;
	}
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
	print("%u rounds, %lu turns, loser BUSY %lu times\n", ROUNDS, turns, busy);
	pass();
}
