// SPDX-License-Identifier: Apache-2.0
// SDEI and the power of CPUs and of the machine: calls of PSCI in handlers.
#include "gicv3.h"
#include "sdei_pes.h"

#define PSCI_VERSION       0x84000000u
#define PSCI_CPU_SUSPEND   0xc4000001u
#define PSCI_CPU_ON        0xc4000003u
#define PSCI_AFFINITY_INFO 0xc4000004u
#define PSCI_SYSTEM_OFF    0x84000008u
#define PSCI_SYSTEM_RESET  0x84000009u
#define PSCI_FEATURES      0x8400000au

#define PSCI_1_0 0x10000

static int64_t psci(uint32_t fn, uint64_t a1, uint64_t a2)
{
	return (int32_t)sdei_call(fn, a1, a2, 0, 0, 0);
}

// Waits for an interrupt, which is there.
static void suspend(void)
{
	gic_signal(1u << cpu_index(), SGI);
	expect(psci(PSCI_CPU_SUSPEND, 0, 0), 0);
}

static void ask_and_suspend(uint32_t event)
{
	if (event == INTERRUPT)
		return;
	check(psci(PSCI_VERSION, 0, 0) >= PSCI_1_0, "version");
	expect(psci(PSCI_FEATURES, PSCI_CPU_ON, 0), 0);
	expect(psci(PSCI_AFFINITY_INFO, cpu_index(), 0), CPU_IS_ON);
	expect(psci(PSCI_AFFINITY_INFO, cpus, 0), PSCI_INVALID_PARAMETERS);
	expect(psci(PSCI_CPU_ON, cpu_index(), 0), PSCI_ALREADY_ON);
	suspend();
	check(self()->interrupts == 0, "an interrupt in the handler");
	expect(sdei(SDEI_STATUS, 0, 0), REGISTERED | ENABLED | RUNNING);
}

PE_TEST(psci_serves_in_a_handler)
{
	volatile struct pe *p = self();

	gic_enable_private(SGI);
	listen(0);
	unmask();
	irq_unmask();
	p->work = ask_and_suspend;
	expect(signal(cpu_index()), 0);
	while (p->interrupts == 0)
		;
	irq_mask();
	check(p->events == 1 && p->interrupts == 1, "%u events, %u interrupts", p->events, p->interrupts);
}

PE_TEST(standby_leaves_the_mask_and_the_handlers)
{
	volatile struct pe *p = self();

	gic_enable_private(SGI);
	listen(0);
	for (uint32_t masked = 0; masked < 2; masked++) {
		if (!masked)
			unmask();
		else
			expect(sdei(SDEI_PE_MASK, 0, 0), 1);
		suspend();
		irq_unmask();
		while (p->interrupts == masked)
			;
		irq_mask();
		expect(sdei(SDEI_STATUS, 0, 0), REGISTERED | ENABLED);
		expect(signal(cpu_index()), 0);
		check(p->events == 1, "%u events", p->events);
	}
	expect(sdei(SDEI_PE_MASK, 0, 0), 0);
	unmask();
	check(p->events == 2, "%u events", p->events);
}

static void switch_off(void)
{
	cpu_off();
}

// Switches the other CPU off, and waits until it is.
static void switch_other_off(void)
{
	uint32_t there = other();

	give(there, switch_off);
	while (cpu_state(there) != CPU_IS_OFF)
		;
	forget(there);
}

// What a CPU finds that has just been switched on.
static void be_new(void)
{
	complete_nothing();
	expect(sdei(SDEI_STATUS, 0, 0), 0);
	expect(sdei(SDEI_PE_MASK, 0, 0), 0);
}

static void switch_other_on(uint32_t event)
{
	uint32_t there = other();

	(void)event;
	expect(psci(PSCI_AFFINITY_INFO, there, 0), CPU_IS_OFF);
	on(there, be_new);
	expect(psci(PSCI_AFFINITY_INFO, there, 0), CPU_IS_ON);
	expect(psci(PSCI_CPU_ON, there, 0), PSCI_ALREADY_ON);
}

PES_TEST(a_cpu_is_switched_on_in_a_handler)
{
	volatile struct pe *p = self();
	uint32_t there = other();

	if (cpu_index() != 0)
		return; // the first CPU has its own stack only once
	hear();
	p->work = switch_other_on;
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		on(there, hear); // which its next life has to forget
		switch_other_off();
		expect(signal(cpu_index()), 0);
		check(p->events == n, "%u events", p->events);
		expect(sdei(SDEI_STATUS, 0, 0), REGISTERED | ENABLED);
	}
}

static void power_off(uint32_t event)
{
	(void)event;
	cpu_off();
}

// Off in the handler, and on again: masked, nothing registered, nothing running. What is off stays off.
PES_TEST(power_off_in_a_handler_completes_it)
{
	uint32_t there = other();

	if (cpu_index() != 0)
		return; // the first CPU has its own stack only once
	for (uint32_t life = 0; life < 3; life++) {
		uint32_t events = pes[there].events;

		on(there, hear);
		events = pes[there].events;
		pes[there].work = power_off;
		expect(signal(there), 0);
		while (cpu_state(there) == CPU_IS_ON)
			;
		await(there, events + 1);
		expect(signal(there), 0);
		check(cpu_state(there) == CPU_IS_OFF, "an event switched a CPU on");
		forget(there);
		on(there, complete_nothing);
	}
}

static void unmask_and_look(void)
{
	complete_nothing();
	unmask();
}

// A shared event whose PE is off waits for it, or until it is routed to another one.
PES_RAISE_TEST(a_shared_event_waits_for_a_pe_that_is_off)
{
	uint32_t here = cpu_index(), there = other();

	if (here != 0)
		return;
	unmask();
	for (uint32_t critical = 0; critical < 2; critical++) {
		uint32_t event = critical ? SHARED_CRITICAL : SHARED;

		pes[here].events = pes[there].events = 0;
		on(there, begin);
		expect(reg(event), 0);
		expect(sdei_call(SDEI_ROUTING_SET, event, TO_PE, there, 0, 0), 0);
		expect(sdei(SDEI_ENABLE, event, 0), 0);
		switch_other_off();
		expect(sdei(SDEI_STATUS, event, 0), REGISTERED | ENABLED);
		expect(sdei(SDEI_GET_INFO, event, 4), there);
		raise(event);
		check(cpu_state(there) == CPU_IS_OFF, "an event switched a CPU on");
		check(pes[here].events == 0 && pes[there].events == 0, "somebody took an event of a PE that is off");
		on(there, complete_nothing); // which switches it on, masked
		check(pes[here].events == 0 && pes[there].events == 0, "somebody took an event of a PE that is masked");
		on(there, unmask_and_look);
		await(there, 1);

		switch_other_off();
		raise(event);
		expect(sdei_call(SDEI_ROUTING_SET, event, TO_PE, here, 0, 0), SDEI_DENIED); // it is enabled
		expect(sdei(SDEI_DISABLE, event, 0), 0);
		expect(sdei_call(SDEI_ROUTING_SET, event, TO_PE, here, 0, 0), 0);
		check(pes[here].events == 0, "an event that is disabled");
		expect(sdei(SDEI_ENABLE, event, 0), 0);
		check(pes[here].events == 1, "%u events", pes[here].events);

		expect(sdei(SDEI_DISABLE, event, 0), 0);
		expect(sdei(SDEI_ROUTING_SET, event, 0), 0); // to any: this one is the only one that is not off
		expect(sdei(SDEI_ENABLE, event, 0), 0);
		raise(event);
		check(pes[here].events == 2 && pes[there].events == 1, "%u and %u events", pes[here].events, pes[there].events);
		expect(sdei(SDEI_UNREGISTER, event, 0), 0);
	}
}

// Comes and goes as a client until it is switched off: in its handler, if an event comes in time.
static bool off_inside;

static void off_if_asked(uint32_t event)
{
	(void)event;
	if (off_inside)
		cpu_off();
}

static void come_and_go(void)
{
	hear();
	self()->work = off_if_asked;
	for (uint32_t n = 0; n < 20; n++) {
		int64_t r = sdei(SDEI_UNREGISTER, 0, 0);

		check(r == 0, "unregister: %ld", r);
		listen(0);
	}
	cpu_off();
}

PES_TEST(signals_race_with_a_client_that_comes_and_goes)
{
	uint32_t there = other(), signals = 0, taken = 0;

	if (cpu_index() != 0)
		return;
	for (uint32_t life = 0; life < 4 * ROUNDS; life++) {
		off_inside = life & 1;
		give(there, come_and_go);
		do {
			expect(signal(there), 0);
			signals++;
		} while (cpu_state(there) != CPU_IS_OFF);
		forget(there);
		taken += pes[there].events;
		on(there, be_new);
		on(there, hear);
		expect(signal(there), 0);
		await(there, 1);
	}
	check(taken > 0 && taken <= signals, "%u events of %u signals", taken, signals);
	on(there, begin);
}

static void take_and_switch_off(uint32_t event)
{
	(void)event;
	cpu_off();
}

// The handler of a shared event is completed by CPU_OFF, and the next one runs elsewhere.
PES_RAISE_TEST(a_shared_handler_on_a_pe_that_is_switched_off_is_free_for_others)
{
	uint32_t here = cpu_index(), there = other();

	if (here != 0)
		return;
	on(there, begin);
	pes[there].work = take_and_switch_off;
	listen(SHARED);
	on(there, unmask);
	raise(SHARED); // this PE is masked
	while (cpu_state(there) != CPU_IS_OFF)
		;
	forget(there);
	check(pes[there].events == 1 && pes[here].events == 0, "%u and %u events", pes[there].events, pes[here].events);
	expect(sdei(SDEI_STATUS, SHARED, 0), REGISTERED | ENABLED);
	unmask();
	raise(SHARED);
	check(pes[here].events == 1, "%u events", pes[here].events);
}

// The end of the machine: a test has passed if it ends, in the way that the machine line says.
static uint32_t ending;

static void end(void)
{
	print("PASS\n");
	psci(ending, 0, 0);
	check(false, "0x%x returned", ending);
}

static void end_now(uint32_t event)
{
	(void)event;
	end();
}

static void end_in_a_handler(void)
{
	hear();
	self()->work = end_now;
	expect(signal(cpu_index()), 0);
}

static void be_nested(uint32_t event)
{
	if (event != 0)
		end();
	raise(CRITICAL);
}

static void end_in_the_inner_of_two_handlers(void)
{
	hear();
	listen(CRITICAL);
	self()->work = be_nested;
	expect(signal(cpu_index()), 0);
}

static void wait_for_the_end(void)
{
	give(other(), end_in_a_handler);
	for (;;)
		;
}

static uint32_t stays;

static void stay(uint32_t event)
{
	(void)event;
	store(&stays, 1);
	for (;;)
		;
}

static void end_while_a_handler_runs_elsewhere(void)
{
	on(other(), hear);
	pes[other()].work = stay;
	expect(signal(other()), 0);
	while (!load(&stays))
		;
	end();
}

static void end_machine(uint32_t count, uint32_t smc, uint32_t how, void (*fn)(void))
{
	cpus = count;
	ending = how;
	store(&sdei_smc, smc);
	fn();
	check(false, "it did not end");
}

#define END_TEST(name, fn, how, words)                                                                        \
	TEST(sdei_1, name, "cpus=1 sdei=primary raise" words) { end_machine(1, 0, PSCI_SYSTEM_##how, fn); }   \
	PES_END_TEST(name, fn, how, words)

#define PES_END_TEST(name, fn, how, words)                                                                    \
	TEST(sdei_2, name, "cpus=2 sdei=primary raise" words) { end_machine(2, 1, PSCI_SYSTEM_##how, fn); }   \
	TEST(sdei_8, name, "cpus=8 sdei=primary raise" words) { end_machine(8, 0, PSCI_SYSTEM_##how, fn); }

END_TEST(system_off_in_a_handler, end_in_a_handler, OFF, "")
END_TEST(system_off_in_the_inner_of_two_handlers, end_in_the_inner_of_two_handlers, OFF, "")
PES_END_TEST(system_off_in_a_handler_of_the_last_cpu, wait_for_the_end, OFF, "")
PES_END_TEST(system_off_while_a_handler_runs_elsewhere, end_while_a_handler_runs_elsewhere, OFF, "")
END_TEST(system_reset_in_a_handler, end_in_a_handler, RESET, " reset")
END_TEST(system_reset_in_the_inner_of_two_handlers, end_in_the_inner_of_two_handlers, RESET, " reset")
PES_END_TEST(system_reset_in_a_handler_of_the_last_cpu, wait_for_the_end, RESET, " reset")
PES_END_TEST(system_reset_while_a_handler_runs_elsewhere, end_while_a_handler_runs_elsewhere, RESET, " reset")
