// SPDX-License-Identifier: Apache-2.0
// pvsched: a service of up to 8 vCPUs that looks after its flags of PV_SCHED, under either interface of 2019. It takes
// orders, enum pvsched_job, and sends them back; if anything is wrong, it says FAIL and dies. Where no other CPU
// runs, its vCPUs run in turn, and each sees itself run and the others scheduled out.
#include "hv.h"
#include "pvsched_calls.h"
#include "service.h"

#define LOOKS 20u
#define KICKS 50u

static uint32_t vcpus = 1;

static void have_flag(void)
{
	expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&states[cpu_index()]), 0);
}

// Of each vCPU: it has a flag; it has looked often enough. One that counted for all could be preempted while it adds.
static bool flagged[MAX_CPUS], looked[MAX_CPUS];

static void wait_for_all(const bool *done)
{
	for (uint32_t i = 0; i < vcpus; i++)
		while (!load(&done[i]))
			hv_yield();
}

static void look(void)
{
	for (uint32_t i = 0; i < vcpus; i++) {
		uint32_t want = i != cpu_index(), got = load(&states[i].preempted);
		check(got == want, "vCPU %u sees flag %u of vCPU %u", cpu_index(), got, i);
	}
}

static void look_often(uint64_t unused)
{
	(void)unused;
	have_flag();
	store(&flagged[cpu_index()], true);
	wait_for_all(flagged);
	for (uint32_t n = 0; n < LOOKS; n++) {
		hv_yield();
		look();
	}
	store(&looked[cpu_index()], true);
	wait_for_all(looked);
	if (cpu_index() != 0)
		cpu_off();
}

static void until_off(uint32_t vcpu)
{
	while (cpu_state(vcpu) != CPU_IS_OFF)
		hv_yield();
}

static void look_everywhere(void)
{
	for (uint32_t i = 1; i < vcpus; i++)
		expect(cpu_on(i, look_often, 0), 0);
	look_often(0);
	for (uint32_t i = 1; i < vcpus; i++)
		until_off(i);
}

// Rounds that the first vCPU has begun, and that the last one has seen begin.
static uint32_t begun, seen;

static void kick_back(uint64_t unused)
{
	(void)unused;
	have_flag();
	for (;;) {
		while (load(&begun) == load(&seen))
			wfi();
		if (load(&begun) > KICKS)
			cpu_off();
		look();
		store(&seen, load(&begun));
		dmb();
		expect(pvsched(PV_SCHED_KICK_CPU, 0), 0);
	}
}

static void kick_to_and_fro(void)
{
	const uint32_t last = vcpus - 1;

	for (uint32_t i = 0; i < vcpus; i++) // those that are off
		store(&states[i].preempted, 1);
	have_flag();
	expect(cpu_on(last, kick_back, 0), 0);
	for (uint32_t n = 1; n <= KICKS; n++) {
		store(&begun, n);
		dmb();
		expect(pvsched(PV_SCHED_KICK_CPU, last), 0);
		while (load(&seen) < n)
			wfi();
		look();
	}
	store(&begun, KICKS + 1);
	expect(pvsched(PV_SCHED_KICK_CPU, last), 0);
	until_off(last);
}

static void run_for_a_while(uint64_t unused)
{
	(void)unused;
	for (uint32_t n = 0; n < LOOKS; n++)
		hv_yield();
	cpu_off();
}

static void have_flag_and_go(uint64_t unused)
{
	(void)unused;
	have_flag();
	run_for_a_while(0);
}

static void switch_off(void)
{
	const uint32_t last = vcpus - 1;

	have_flag();
	expect(cpu_on(last, have_flag_and_go, 0), 0);
	until_off(last);
	store(&states[last].preempted, UNTOUCHED);
	expect(cpu_on(last, run_for_a_while, 0), 0);
	until_off(last);
	check(load(&states[last].preempted) == UNTOUCHED, "the flag of an earlier life is 0x%x", load(&states[last].preempted));
	expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&states[last]), 0);
}

static uint32_t inside;

static void tell(uint64_t unused)
{
	(void)unused;
	for (;;) {
		while (!load(&inside))
			hv_yield();
		check(hv_send(hv_primary(), 1), "send");
		store(&inside, 0);
	}
}

static void stay(void)
{
	expect(cpu_on(1, tell, 0), 0);
	for (;;) {
		store(&inside, 1);
		while (load(&inside))
			;
		hv_yield();
	}
}

void main(uint64_t memory)
{
	(void)memory;
	hv_map();
	while (cpu_state(vcpus) == CPU_IS_OFF)
		vcpus++;

	const struct pvsched_vm vm = { vcpus, true, UNOWNED, hv_yield };

	for (;;) {
		struct hv_message m = hv_receive(true);
		uint32_t job = *(uint32_t *)rx;

		if (!m.there)
			continue;
		hv_release();
		switch (job) {
		case PVSCHED_CALLS:
			check_all_calls(&vm);
			break;
		case PVSCHED_LOOK:
			look_everywhere();
			break;
		case PVSCHED_KICK:
			kick_to_and_fro();
			break;
		case PVSCHED_OFF:
			switch_off();
			break;
		case PVSCHED_STAY:
			stay();
			break;
		case PVSCHED_DIE:
			have_flag();
			die();
		}
		*(uint32_t *)tx = job;
		check(hv_send(m.from, sizeof(job)), "send");
	}
}
