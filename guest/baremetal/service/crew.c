// SPDX-License-Identifier: Apache-2.0
// crew: a service of several vCPUs, under either interface. vCPU 0 switches the others on, which take turns: they
// count, look whether all is as they left it, and yield. It takes orders, struct crew_order, and answers them with
// a struct crew_report.
#include "crew.h"
#include "hv.h"
#include "service.h"

static struct crew_report report;
static uint32_t vcpus = 1;
static uint16_t self;
static uint32_t taken; // interrupts CREW_INTID of vCPU 0
static bool riot;
static uint64_t seen[MAX_CPUS]; // by a vCPU that was switched on: its argument

// Notes a thing that is not so.
#define expect(condition)                                \
	do {                                             \
		if (!(condition)) {                      \
			report.bad++;                    \
			if (!report.line)                \
				report.line = __LINE__;  \
		}                                        \
	} while (0)

void handle_irq(void)
{
	while (hv_interrupt_get() == CREW_INTID)
		if (cpu_index() == 0)
			store(&taken, load(&taken) + 1);
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

// Whatever a vCPU may do. Interrupts are masked, so that WFI and receive end at a pending one.
static void misbehave(uint64_t *x)
{
	uint32_t sibling = (uint32_t)(next_random(x) % vcpus);

	switch (next_random(x) % 8) {
	case 0:
		wfi();
		break;
	case 1:
		hv_receive(true);
		hv_release();
		break;
	case 2:
		hv_interrupt_inject(self, (uint16_t)sibling, CREW_INTID);
		break;
	case 3:
		timer_set(counter() + next_random(x) % us_to_ticks(1000));
		break;
	case 4:
		tx[0] = 0;
		hv_send(hv_primary(), 1);
		break;
	case 5:
		while (hv_interrupt_get() != HF_NO_INTID)
			;
		timer_off();
		break;
	default:
		hv_yield();
	}
}

static void work(uint64_t index)
{
	uint64_t turns = 0, random = 88172645463325252ull + index;

	hv_interrupt_enable(CREW_INTID);
	hv_interrupt_enable(INTID_TIMER);
	write_sysreg(tpidr_el1, ~index);
	while (!load(&riot)) {
		expect(report.turns[index] == turns);
		expect(read_sysreg(tpidr_el1) == ~index);
		expect(cpu_index() == index);
		report.turns[index] = ++turns;
		hv_yield();
	}
	for (;;) {
		if (next_random(&random) % 32 == 0 && index != 0)
			cpu_off();
		if (next_random(&random) % 32 == 0)
			cpu_on(1 + next_random(&random) % (vcpus - 1), work, 1 + next_random(&random) % (vcpus - 1));
		misbehave(&random);
	}
}

static void once(uint64_t arg)
{
	store(&seen[cpu_index()], arg);
	cpu_off();
}

static int64_t cpu_on_at(uint64_t target, uint64_t entry)
{
	return (int64_t)hvc(PSCI_CPU_ON, target, entry, 0, 0).x[0];
}

static void power(uint64_t count)
{
	expect(cpu_on(1, work, 1) == PSCI_ALREADY_ON);
	expect(cpu_on(0, work, 0) == PSCI_ALREADY_ON);
	expect(cpu_on_at(vcpus, 0) == PSCI_INVALID_PARAMETERS);
	expect(cpu_on_at(vcpus - 1, UNOWNED) == PSCI_INVALID_ADDRESS);
	expect(cpu_state(vcpus) == PSCI_INVALID_PARAMETERS);
	expect(cpu_state(0) == CPU_IS_ON);
	for (uint64_t n = 1; n <= count; n++) {
		uint64_t last = vcpus - 1;

		expect(cpu_state(last) == CPU_IS_OFF);
		expect(cpu_on(last, once, n) == 0);
		while (cpu_state(last) != CPU_IS_OFF)
			hv_yield();
		expect(load(&seen[last]) == n);
	}
}

static void take(uint64_t count, uint16_t client)
{
	uint32_t before = load(&taken);

	for (uint64_t n = 1; n < count; n++) {
		irq_unmask();
		while (load(&taken) == before)
			;
		irq_mask();
		before = load(&taken);
		memcpy(tx, &report, sizeof(report));
		hv_send(client, sizeof(report));
		hv_release();
	}
}

// The last vCPU stays off, for orders of power, until the riot.
static void start_others(void)
{
	for (uint32_t i = 1; cpu_state(i) == CPU_IS_OFF; i++)
		vcpus = i + 1;
	for (uint32_t i = 1; i + 1 < vcpus; i++)
		expect(cpu_on(i, work, i) == 0 && cpu_state(i) == CPU_IS_ON);
}

void main(uint64_t x0)
{
	(void)x0;
	hv_map();
	self = (uint16_t)(hv_january() ? jan_call(JAN_VM_GET_ID, 0, 0, 0) : spci_id());
	hv_interrupt_enable(CREW_INTID);
	start_others();
	for (;;) {
		struct hv_message m = hv_receive(true);

		if (!m.there) {
			while (hv_interrupt_get() != HF_NO_INTID)
				;
			continue;
		}
		struct crew_order o = *(struct crew_order *)rx;

		hv_release();
		if (o.job == CREW_DIE)
			die();
		if (o.job == CREW_POWER)
			power(o.arg);
		if (o.job == CREW_TAKE)
			take(o.arg, m.from);
		if (o.job == CREW_RIOT)
			store(&riot, true);
		memcpy(tx, &report, sizeof(report));
		hv_send(m.from, sizeof(report));
	}
}
