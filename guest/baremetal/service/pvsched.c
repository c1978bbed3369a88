// SPDX-License-Identifier: Apache-2.0
// pvsched: a service of two vCPUs that are run in turn, so that each sees the other one scheduled out and
// itself not. At each message vCPU 0 kicks vCPU 1 out of its WFI, which no interrupt would end, waits
// until that has looked, looks itself, and answers "ok" or with what is wrong.
#include "pvsched.h"
#include "service.h"

static struct pvsched_state state[2];
static uint32_t ready, work;
static uint32_t seen[2][2]; // [vCPU that looked][vCPU it looked at]

static void look(uint32_t self)
{
	for (uint32_t i = 0; i < 2; i++)
		store(&seen[self][i], load(&state[i].preempted));
}

static void second(uint64_t unused)
{
	(void)unused;
	pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&state[1]);
	store(&ready, 1);
	for (;;) {
		while (!load(&work))
			wfi();
		look(1);
		dmb();
		store(&work, 0);
	}
}

static const char *verdict(void)
{
	if (seen[0][0] || seen[1][1])
		return "a vCPU that runs is flagged as preempted";
	if (seen[0][1] != 1 || seen[1][0] != 1)
		return "a vCPU that does not run is not flagged";
	return "ok";
}

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	if (pvsched(PV_SCHED_IPA_INIT, (uintptr_t)tx) != PV_SCHED_INVALID_PARAMETER ||
	    pvsched(PV_SCHED_IPA_INIT, UNOWNED) != PV_SCHED_INVALID_PARAMETER ||
	    pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&state[0]) != 0 || cpu_on(1, second, 0) != 0) {
		print("FAIL set-up\n");
		die();
	}
	while (!load(&ready))
		spci_yield();
	for (;;) {
		struct message m = receive();

		spci_release();
		store(&work, 1);
		pvsched(PV_SCHED_KICK_CPU, 1);
		while (load(&work))
			spci_yield();
		look(0);
		const char *text = verdict();
		memcpy(tx, text, strlen(text));
		send(m.from, (uint32_t)strlen(text));
	}
}
