// SPDX-License-Identifier: Apache-2.0
// primary_ffa_told: switches a CPU off and on, and lets a VM die, of which two partitions are told. Secondaries:
// ffa_told*2 and ffa_told*2 with manifests, ffa_told without.
#include "ffa.h"
#include "ffa_told.h"
#include "scheduler.h"
#include "spci.h"

#define PRIMARY 1u
#define FIRST   0x8001u
#define SECOND  0x8002u
#define DOOMED  4u

static struct ffa_regs ask(uint16_t to, uint32_t what)
{
	struct ffa_regs r = { { FFA_DIRECT_REQ, ffa_pair(PRIMARY, to), 0, what } };

	ffa_hvc(&r);
	while (ffa_func(&r) == FFA_INTERRUPT)
		r = ffa_call(FFA_RUN, r.x[1], 0, 0, 0);
	check(ffa_func(&r) == FFA_DIRECT_RESP, "partition 0x%x: 0x%lx, error %d", to, r.x[0], ffa_errno(&r));
	return r;
}

static void expect(uint16_t from, uint64_t destroyed, uint64_t started)
{
	struct ffa_regs r = ask(from, TOLD_WHO);

	check(r.x[3] == cpu_index() && r.x[4] == 2 && r.x[5] == destroyed && r.x[6] == started,
	      "partition 0x%x: vCPU %lu, %lu created, %lu destroyed, %lu starts", from, r.x[3], r.x[4], r.x[5], r.x[6]);
}

// The second CPU, each time that it is on.
static void agreed(uint64_t starts)
{
	expect(FIRST, 0, starts);
	expect(SECOND, 0, starts);
	cpu_off();
}

static void refused(uint64_t starts)
{
	expect(FIRST, 0, starts);
	ask(SECOND, TOLD_REFUSE);
	int64_t result = (int64_t)hvc(PSCI_CPU_OFF, 0, 0, 0, 0).x[0];

	check(result == PSCI_DENIED, "CPU_OFF returned %ld", result);
	expect(FIRST, 0, starts + 1); // it had agreed, and is on again
	expect(SECOND, 0, starts);
	cpu_off();
}

static void on_and_off(void (*what)(uint64_t), uint64_t arg)
{
	check(cpu_on(1, what, arg) == 0, "CPU_ON");
	while (cpu_state(1) != CPU_IS_OFF)
		isb();
}

void main(uint64_t fdt)
{
	(void)fdt;
	expect(FIRST, 0, 1);
	on_and_off(agreed, 1);
	on_and_off(agreed, 2);
	on_and_off(refused, 3);
	struct ffa_regs r = ffa_call(FFA_RUN, ffa_pair(DOOMED, 0), 0, 0, 0);

	while (ffa_func(&r) == FFA_INTERRUPT) {
		check(r.x[1] == ffa_pair(DOOMED, 0), "0x%lx is to be run", r.x[1]);
		r = ffa_call(FFA_RUN, r.x[1], 0, 0, 0);
	}
	check(ffa_errno(&r) == FFA_ABORTED, "the VM dies: 0x%lx, error %d", r.x[0], ffa_errno(&r));
	expect(FIRST, 2, 1);
	expect(SECOND, 2, 1);
	pass();
}
