// SPDX-License-Identifier: Apache-2.0
// primary_bench: what the calls cost. One line per job: "BENCH name ns", for one iteration in the quickest of
// some batches, so that what else the host does now and then falls out. When guest time is a count of
// instructions, so are the figures. Secondaries: echo, yield, waiter.
#include "scheduler.h"

#define BATCHES    20u
#define ITERATIONS 100u // of a batch

#define ECHO   (FIRST_SECONDARY + 0)
#define YIELD  (FIRST_SECONDARY + 1)
#define WAITER (FIRST_SECONDARY + 2)

#define INTID_WAITER 8u

// Runs vCPU 0 of vm until it ends its run by itself.
static struct regs run(uint16_t vm)
{
	struct regs r;

	do
		r = spci_run(vm, 0);
	while (func(r) == SPCI_INTERRUPT);
	return r;
}

static void hypercall(void)
{
	hvc(SPCI_VERSION, 0, 0, 0, 0);
}

static void yield(void)
{
	struct regs r = run(YIELD);

	check(func(r) == SPCI_YIELD, "yield: 0x%lx", r.x[0]);
}

static void wake(void)
{
	hf_interrupt_inject(WAITER, 0, INTID_WAITER);
	struct regs r = run(WAITER);

	check(func(r) == SPCI_MSG_WAIT, "wake: 0x%lx", r.x[0]);
}

static void echo(uint32_t size)
{
	check(error(spci_send(SPCI_PRIMARY, ECHO, size, 0)) == 0, "send");
	struct regs r = run(ECHO);
	check(func(r) == SPCI_MSG_SEND && (uint32_t)r.x[3] == size, "echo: 0x%lx", r.x[0]);
	spci_release();
	r = run(ECHO);
	check(func(r) == SPCI_MSG_WAIT, "echo: 0x%lx", r.x[0]);
}

static void echo_64(void)
{
	echo(64);
}

static void echo_4096(void)
{
	echo(4096);
}

static void measure(const char *name, void (*job)(void))
{
	uint64_t best = ~0ull;

	for (uint32_t b = 0; b < BATCHES; b++) {
		uint64_t start = counter();

		for (uint32_t i = 0; i < ITERATIONS; i++)
			job();
		uint64_t ticks = counter() - start;
		if (ticks < best)
			best = ticks;
	}
	print("BENCH %s %lu\n", name, ticks_to_ns(best) / ITERATIONS);
}

void main(uint64_t fdt)
{
	(void)fdt;
	scheduler_start(3);
	run(ECHO);
	run(WAITER);
	measure("hypercall", hypercall);
	measure("wake", wake);
	measure("echo_64", echo_64);
	measure("echo_4096", echo_4096);
	measure("yield", yield);
	pass();
}
