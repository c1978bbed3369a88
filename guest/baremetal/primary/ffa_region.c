// SPDX-License-Identifier: Apache-2.0
// primary_ffa_region: asks partitions to use their memory as their manifests allow, and then not so. Secondaries:
// ffa_region, ffa_region with manifests.
#include "ffa.h"
#include "ffa_region.h"
#include "scheduler.h"

#define PRIMARY 1u
#define FIRST   0x8001u
#define SECOND  0x8002u

static struct ffa_regs ask(uint16_t to, uint64_t what, uint64_t offset)
{
	struct ffa_regs r = { { FFA_DIRECT_REQ, ffa_pair(PRIMARY, to), 0, what, offset } };

	ffa_hvc(&r);
	while (ffa_func(&r) == FFA_INTERRUPT)
		r = ffa_call(FFA_RUN, r.x[1], 0, 0, 0);
	return r;
}

static void expect(uint16_t to, uint64_t what, uint64_t offset, uint64_t want)
{
	struct ffa_regs r = ask(to, what, offset);

	check(ffa_func(&r) == FFA_DIRECT_RESP && r.x[3] == want, "partition 0x%x, %lu at 0x%lx: 0x%lx, 0x%lx", to, what, offset,
	      r.x[0], r.x[3]);
}

static void dies(uint16_t to, uint64_t offset)
{
	struct ffa_regs r = ask(to, REGION_WRITE, offset);

	check(ffa_errno(&r) == FFA_ABORTED, "partition 0x%x writes 0x%lx: 0x%lx", to, offset, r.x[0]);
}

void main(uint64_t fdt)
{
	(void)fdt;
	for (uint16_t to = FIRST; to <= SECOND; to++) {
		expect(to, REGION_DISCOVER, 0, PRIMARY);
		expect(to, REGION_MAP, 0, (uint32_t)FFA_DENIED);
		expect(to, REGION_WRITE, REGION_TX, 1);
		expect(to, REGION_WRITE, REGION_AFTER, 1);
	}
	dies(FIRST, REGION_FIXED);
	dies(SECOND, REGION_RX);
	pass();
}
