// SPDX-License-Identifier: Apache-2.0
// primary_pvsched_host: vCPU 0 counts and never leaves; vCPU 1 compares its flag with its counting, for the host
// is busy with other things and takes their CPUs away. That vCPU 0 stands still with a clear flag proves
// nothing where the host's own CPUs are emulated, and stand still. No secondaries. The primary has 2 CPUs.
#include "pvsched.h"
#include "scheduler.h"

#define WANTED 100u // looks at a counter that stood still, and at one that moved
#define WINDOW 200u // us
#define LIMIT  240u // s, for an emulated CPU may itself have a CPU seldom

static struct pvsched_state state[2];
static volatile uint64_t count;
static volatile uint64_t still[2], moved[2]; // looks, by flag
static uint32_t done;

static void second(uint64_t unused)
{
	uint64_t end = counter() + us_to_ticks(LIMIT * 1000000ul);

	(void)unused;
	while ((still[1] < WANTED || moved[0] < WANTED) && counter() < end) {
		uint32_t flag = load(&state[0].preempted);
		uint64_t before = count;
		uint64_t start = counter(), until = start + us_to_ticks(WINDOW);

		while (counter() < until)
			;
		bool stood = count == before;
		if (flag != load(&state[0].preempted) || counter() - start > 2 * us_to_ticks(WINDOW))
			continue; // its CPU was taken or given back meanwhile, or that of vCPU 1 was
		if (stood)
			still[flag != 0] = still[flag != 0] + 1;
		else
			moved[flag != 0] = moved[flag != 0] + 1;
	}
	store(&done, 1);
	for (;;)
		;
}

void main(uint64_t fdt)
{
	(void)fdt;
	check(pvsched(PV_SCHED_FEATURES, PV_SCHED_IPA_INIT) == 0, "the flag follows no host");
	check(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&state[0]) == 0, "init");
	check(cpu_on(1, second, 0) == 0, "CPU_ON");
	while (!load(&done))
		count = count + 1;
	print("stood: flag 0 %lu, flag 1 %lu; counted: flag 0 %lu, flag 1 %lu\n", still[0], still[1], moved[0], moved[1]);
	check(still[1] >= WANTED && moved[0] >= WANTED, "too few looks");
	check(moved[1] * 10 <= moved[0], "vCPU 0 counted and its flag was set");
	pass();
}
