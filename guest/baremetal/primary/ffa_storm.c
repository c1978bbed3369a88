// SPDX-License-Identifier: Apache-2.0
// primary_ffa_storm: two CPUs make direct requests of three relays that pass them on to each other, and run a
// partition that never stops. Secondaries: ffa_relay, ffa_relay, ffa_relay, busy.
#include "ffa.h"
#include "scheduler.h"

#define PRIMARY 1u
#define FIRST   2u
#define RELAYS  3u
#define BUSY    5u
#define ROUNDS  1500u

static uint32_t answered[2], refused[2], done;

static void storm(uint64_t cpu)
{
	for (uint32_t n = 0; answered[cpu] < ROUNDS; n++) {
		uint64_t hops = n % 4, value = n * 1000 + cpu; // three hops come back to where they began
		struct ffa_regs r = { { FFA_DIRECT_REQ_64, ffa_pair(PRIMARY, (uint16_t)(FIRST + (n + cpu) % RELAYS)), 0, hops, value } };

		if (n % 16 == 0)
			ffa_call(FFA_RUN, ffa_pair(BUSY, 0), 0, 0, 0);
		ffa_hvc(&r);
		while (ffa_func(&r) == FFA_INTERRUPT || ffa_func(&r) == FFA_YIELD) {
			check(low(r.x[1]) == 0 && high(r.x[1]) == FIRST + (n + cpu) % RELAYS, "asked %lu, interrupted in 0x%lx",
			      FIRST + (n + cpu) % RELAYS, r.x[1]);
			r = ffa_call(FFA_RUN, r.x[1], 0, 0, 0);
		}
		if (ffa_func(&r) == FFA_DIRECT_RESP_64 && r.x[3] == 0) {
			check(hops < RELAYS && r.x[4] == value + hops + 1, "%lu hops made 0x%lx of 0x%lx", hops, r.x[4], value);
			answered[cpu]++;
			continue;
		}
		int32_t e = ffa_func(&r) == FFA_DIRECT_RESP_64 ? (int32_t)r.x[3] : ffa_errno(&r);

		check(e == FFA_BUSY || (e == FFA_DENIED && hops == RELAYS), "%lu hops: 0x%lx, error %d", hops, r.x[0], e);
		refused[cpu]++;
	}
}

static void second(uint64_t cpu)
{
	storm(cpu);
	store(&done, 1);
	for (;;)
		wfi();
}

void main(uint64_t fdt)
{
	(void)fdt;
	ffa_call(FFA_VERSION, FFA_VERSION_1_2, 0, 0, 0);
	check(cpu_on(1, second, 1) == 0, "CPU_ON");
	storm(0);
	while (!load(&done))
		isb();
	print("%u and %u requests were answered, %u and %u refused\n", answered[0], answered[1], refused[0], refused[1]);
	pass();
}
