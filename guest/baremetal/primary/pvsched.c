// SPDX-License-Identifier: Apache-2.0
// primary_pvsched: every call of PV_SCHED with every error, and the flag of a vCPU whose CPU is lent as
// its sibling sees it. Secondaries: pvsched, with 2 vCPUs. The primary has 2 CPUs.
#include "pvsched.h"
#include "scheduler.h"

#define ROUNDS    50u
#define KICKS     200u
#define UNCHANGED 7u
#define PATIENCE  100000u // us

#define PSCI_CPU_OFF       0x84000002u
#define PSCI_AFFINITY_INFO 0xc4000004u

static struct pvsched_state state[2];
static uint64_t samples[2]; // of vCPU 0's flag by vCPU 1: 0, not 0
static uint32_t go, stop, kicked, turn;

// vCPU 1 watches vCPU 0 until it is told to stop, then sleeps in WFI and counts its wake-ups, then
// switches itself off with a state registered.
static void second(uint64_t unused)
{
	(void)unused;
	pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&state[1]);
	store(&go, 1);
	while (!load(&stop))
		samples[load(&state[0].preempted) != 0]++;
	store(&go, 2);
	while (load(&kicked) < KICKS) {
		wfi();
		if (load(&turn) > load(&kicked))
			store(&kicked, load(&turn));
	}
	hvc(PSCI_CPU_OFF, 0, 0, 0, 0);
}

static void check_calls(void)
{
	const uint64_t mine = (uintptr_t)&state[0];

	for (uint32_t fn = PV_SCHED_FEATURES; fn <= PV_SCHED_KICK_CPU; fn++) {
		check(pvsched(PV_SCHED_FEATURES, fn) == 0, "features 0x%x", fn);
		check(pvsched_smc(PV_SCHED_FEATURES, fn) == 0, "features 0x%x by SMC", fn);
	}
	check(pvsched(PV_SCHED_FEATURES, 0xc5000094) == PV_SCHED_NOT_SUPPORTED, "features of nothing");
	check(pvsched(0xc5000094, 0) == PV_SCHED_NOT_SUPPORTED, "a call that does not exist");

	check(pvsched(PV_SCHED_IPA_INIT, mine + 4) == PV_SCHED_INVALID_PARAMETER, "unaligned");
	check(pvsched(PV_SCHED_IPA_INIT, 0x09000000) == PV_SCHED_INVALID_PARAMETER, "a device");
	check(pvsched(PV_SCHED_IPA_INIT, ~0ul << 6) == PV_SCHED_INVALID_PARAMETER, "the end of everything");
	check(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)rx) == PV_SCHED_INVALID_PARAMETER, "a mailbox");
	check(pvsched(PV_SCHED_KICK_CPU, 2) == PV_SCHED_NOT_SUPPORTED, "kick of a vCPU that does not exist");

	store(&state[0].preempted, UNCHANGED);
	struct regs r = hvc(PV_SCHED_IPA_INIT, mine, 1, 1, 1);
	check(r.x[0] == 0 && r.x[1] == 0 && r.x[2] == 0 && r.x[3] == 0, "init: 0x%lx", r.x[0]);
	check(load(&state[0].preempted) == 0, "a vCPU that runs is flagged");
	check(pvsched(PV_SCHED_IPA_RELEASE, 0) == 0, "release");
	store(&state[0].preempted, UNCHANGED);
	run_once(FIRST_SECONDARY, 0);
	check(load(&state[0].preempted) == UNCHANGED, "written after its release");
	check(pvsched_smc(PV_SCHED_IPA_INIT, mine) == 0, "init by SMC");
}

// A kick that comes before the WFI that it was meant for is lost on a host so slow that its repetition comes
// before that as well.
static void check_kicks(void)
{
	uint32_t kicks = 0;

	for (uint32_t n = 1; n <= KICKS; n++) {
		store(&turn, n);
		do {
			check(pvsched(PV_SCHED_KICK_CPU, 1) == 0, "kick %u", n);
			kicks++;
			for (uint64_t end = counter() + us_to_ticks(PATIENCE); load(&kicked) < n && counter() < end;)
				;
		} while (load(&kicked) < n);
	}
	check(kicks < KICKS + KICKS / 10, "%u kicks for %u WFIs", kicks, KICKS);
	while (hvc(PSCI_AFFINITY_INFO, 1, 0, 0, 0).x[0] == 0)
		;
	store(&state[1].preempted, UNCHANGED);
	for (uint32_t n = 0; n < ROUNDS; n++)
		run_once(FIRST_SECONDARY, 0);
	check(load(&state[1].preempted) == UNCHANGED, "flag of a vCPU that is off written");
	check(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&state[1]) == 0, "a vCPU that is off still has its state");
}

void main(uint64_t fdt)
{
	(void)fdt;
	scheduler_start(1);
	check_calls();
	check(cpu_on(1, second, 0) == 0, "CPU_ON");
	while (!load(&go))
		;
	check(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&state[1]) == PV_SCHED_INVALID_PARAMETER, "the state of a sibling");

	receive();
	for (uint32_t n = 0; n < ROUNDS; n++) {
		check(send_text(FIRST_SECONDARY, "look") == 0, "send %u", n);
		struct message m = receive();
		check(m.from == FIRST_SECONDARY, "no answer to %u", n);
		expect_text(m, "ok");
		release();
		check(load(&state[0].preempted) == 0, "flagged while it runs");
	}
	store(&stop, 1);
	while (load(&go) != 2)
		;
	check(samples[0] > 0 && samples[1] > 0, "vCPU 1 saw %lu times 0 and %lu times 1", samples[0], samples[1]);
	check_kicks();
	print("%u rounds, %u kicks\n", ROUNDS, KICKS);
	pass();
}
