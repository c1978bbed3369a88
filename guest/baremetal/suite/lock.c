// SPDX-License-Identifier: Apache-2.0
// A spinlock whose owner is often scheduled out: the vCPUs of a secondary share half as many CPUs, each of which
// runs its own in turn. The lines BENCH are nanoseconds per critical section.
#include "lock.h"
#include "suite.h"

#define CPUS     2u
#define VCPUS    4u
#define SECTIONS 400000u
#define SERVICE  FIRST_SECONDARY

// Runs the vCPUs that belong to the CPU in turn, until one of them sent something.
static void run_until_sent(uint16_t cpu)
{
	for (uint16_t i = cpu;; i = (uint16_t)((i + CPUS) % VCPUS)) {
		struct regs r = spci_run(SERVICE, i);

		if (func(r) == SPCI_MSG_SEND)
			return;
		check(func(r) == SPCI_INTERRUPT || func(r) == SPCI_YIELD, "vCPU %u: 0x%lx, error %d", i, r.x[0], error(r));
	}
}

static void second_cpu(uint64_t cpu)
{
	run_until_sent((uint16_t)cpu);
	check(false, "CPU %lu got a message", cpu);
}

// Lets vCPU 0 switch the others on and wait for its first order.
static void start(void)
{
	struct regs r;

	scheduler_start(1);
	check(hvc(HF_VCPU_GET_COUNT, SERVICE, 0, 0, 0).x[0] == VCPUS, "vCPUs");
	do {
		r = spci_run(SERVICE, 0);
		check(func(r) != SPCI_ERROR, "vCPU 0: error %d", error(r));
	} while (func(r) != SPCI_MSG_WAIT);
	check(cpu_on(1, second_cpu, 1) == 0, "CPU_ON");
}

// Has the service count, again and again until each vCPU had the lock and, if some are to, waited for it with a yield.
static void contend(const char *name, bool yields)
{
	uint64_t had[VCPUS] = { 0 }, backoffs = 0, ns = 0, orders = 0;

	start();
	do {
		((struct lock_order *)tx)->sections = SECTIONS;
		check(error(spci_send(SPCI_PRIMARY, SERVICE, sizeof(struct lock_order), 0)) == 0, "send");
		run_until_sent(0);
		struct lock_report r = *(struct lock_report *)rx;
		uint64_t sum = 0;

		spci_release();
		check(r.cells_wrong == 0, "%lu cells are wrong", r.cells_wrong);
		for (uint32_t i = 0; i < VCPUS; i++) {
			sum += r.sections[i];
			had[i] += r.sections[i];
		}
		check(sum == SECTIONS, "%lu sections", sum);
		backoffs += r.backoffs;
		ns += r.ns;
		orders++;
	} while (!had[0] || !had[1] || !had[2] || !had[3] || (yields && !backoffs));
	check(yields || !backoffs, "%lu yields", backoffs);
	print("%lu sections, %lu yields\nBENCH %s %lu\n", orders * SECTIONS, backoffs, name, ns / (orders * SECTIONS));
}

TEST(lock, is_exclusive_while_its_owners_are_scheduled_out, "cpus=2 slice=4ms vm=lock*4")
{
	contend("lock_spinning", false);
}

TEST(lock, is_exclusive_where_those_who_wait_yield, "cpus=2 slice=4ms vm=lock*4 pvsched=all")
{
	contend("lock_yielding", true);
}
