// SPDX-License-Identifier: Apache-2.0
// primary_ffa_run: schedules the only vCPU of the first secondary until that VM ends, and says how its runs ended.
// Secondaries: a Linux kernel, others that it makes requests of.
#include "ffa.h"
#include "scheduler.h"

void main(uint64_t fdt)
{
	uint64_t runs = 0, preempted = 0, idle = 0, longest = 0;
	struct ffa_regs r = ffa_call(FFA_VERSION, FFA_VERSION_1_2, 0, 0, 0);

	(void)fdt;
	check(r.x[0] == FFA_VERSION_1_2, "VERSION 0x%lx", r.x[0]);
	for (;; runs++) {
		r = ffa_call(FFA_RUN, ffa_pair(FIRST_SECONDARY, 0), 0, 0, 0);
		switch (ffa_func(&r)) {
		case FFA_INTERRUPT:
			preempted++;
			continue;
		case HAF_RUN_WFI: // for so many ns there is nothing to do, unless something happens
			check(r.x[2] != 0, "a VM with a GIC is idle for ever");
			if (r.x[2] > longest)
				longest = r.x[2];
			idle++;
			continue;
		}
		break;
	}
	check(ffa_errno(&r) == FFA_ABORTED, "run 0x%lx 0x%lx, error %d", r.x[0], r.x[1], ffa_errno(&r));
	check(idle > 0, "%lu runs, and it was never idle", runs);
	print("%lu runs, %lu preempted, %lu idle, for %lu ns at most\n", runs, preempted, idle, longest);
	pass();
}
