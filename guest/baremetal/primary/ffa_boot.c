// SPDX-License-Identifier: Apache-2.0
// primary_ffa_boot: makes direct requests of partitions that were started before it, on both CPUs. Secondaries:
// ffa_boot*2, ffa_boot*2, with manifests.
#include "ffa.h"
#include "scheduler.h"

#define PRIMARY 1u
#define FIRST   0x8001u

static struct ffa_regs request(uint16_t to, uint32_t what)
{
	struct ffa_regs r = { { FFA_DIRECT_REQ, ffa_pair(PRIMARY, to), 0, what } };

	ffa_hvc(&r);
	return r;
}

static uint32_t done;

static void whoami(uint32_t cpu)
{
	for (uint16_t id = FIRST; id <= FIRST + 1; id++) {
		struct ffa_regs r = request(id, 0);

		while (ffa_func(&r) == FFA_INTERRUPT)
			r = ffa_call(FFA_RUN, r.x[1], 0, 0, 0);
		check(ffa_func(&r) == FFA_DIRECT_RESP && r.x[3] == id, "partition 0x%x: 0x%lx, error %d", id, r.x[0], ffa_errno(&r));
		check(r.x[4] == 1 && r.x[5] == cpu, "told of %lu VMs, on vCPU %lu", r.x[4], r.x[5]);
	}
}

static void second(uint64_t unused)
{
	(void)unused;
	whoami(1);
	store(&done, 1);
	for (;;)
		wfi();
}

void main(uint64_t fdt)
{
	(void)fdt;
	whoami(0);
	for (uint32_t n = 0; n < 10; n++) {
		struct ffa_regs r = request(FIRST, 1);

		while (ffa_func(&r) == FFA_INTERRUPT) // it was too slow to exit
			r = ffa_call(FFA_RUN, r.x[1], 0, 0, 0);
		check(ffa_func(&r) == FFA_DIRECT_RESP && r.x[3] == 1, "managed exit: 0x%lx, error %d", r.x[0], ffa_errno(&r));
	}
	check(cpu_on(1, second, 0) == 0, "CPU_ON");
	while (!load(&done))
		isb();
	pass();
}
