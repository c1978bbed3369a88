// SPDX-License-Identifier: Apache-2.0
// SDEI from inside of a primary: discovery, states, arguments, pending events, resets, bound interrupts, several
// PEs.
#include "gicv3.h"
#include "sdei_pes.h"

#define RTC_INTID  34u
#define FIRST_SLOT 0x40000100u

#define GICD_ISENABLER1 0x08000104ul
#define GICD_ICENABLER1 0x08000184ul

// Discovery

PE_TEST(every_identifier_is_served_or_unknown)
{
	expect(sdei(SDEI_VERSION, 0, 0), 0x000100016866766d);
	expect(sdei(SDEI_FEATURES, 0, 0), 4 << 16 | 2);
	expect(sdei(SDEI_FEATURES, 1, 0), 1);
	expect(sdei(SDEI_FEATURES, 1ul << 32 | 1, 0), 1);
	expect(sdei(SDEI_FEATURES, 2, 0), SDEI_INVALID);
	expect(sdei(SDEI_FEATURES, 0xffffffff, 0), SDEI_INVALID);
	for (uint32_t fn = SDEI_SHARED_RESET + 1; fn < 0xc4000040u; fn++)
		expect(sdei(fn, 0, 0), SDEI_NOT_SUPPORTED);
	for (uint32_t fn = SDEI_VERSION; fn <= SDEI_SHARED_RESET; fn++)
		expect((int32_t)sdei(fn & ~(1u << 30), 0, 0), SDEI_NOT_SUPPORTED);
}

TEST(sdei_off, no_identifier_is_served, "cpus=1")
{
	for (uint32_t smc = 0; smc < 2; smc++) {
		store(&sdei_smc, smc);
		for (uint32_t fn = SDEI_VERSION; fn < 0xc4000040u; fn++)
			expect(sdei(fn, 0, 0), SDEI_NOT_SUPPORTED);
	}
}

// States

enum { NO_STATE = 8 };

// A call that takes an event, and its result and the state after it, from each state: 0, 1, 3, and in its
// handler 7, 5, 4.
static const uint32_t from[] = { 0, 1, 3, 7, 5, 4 };
static const struct transition {
	uint32_t fn;
	struct {
		int8_t result, state;
	} to[6];
} table[] = {
	{ SDEI_REGISTER, { { 0, 1 }, { -3, 1 }, { -3, 3 }, { -3, 7 }, { -3, 5 }, { -3, 4 } } },
	{ SDEI_ENABLE, { { -3, 0 }, { 0, 3 }, { 0, 3 }, { 0, 7 }, { 0, 7 }, { -3, 4 } } },
	{ SDEI_DISABLE, { { -3, 0 }, { 0, 1 }, { 0, 1 }, { 0, 5 }, { 0, 5 }, { -3, 4 } } },
	{ SDEI_UNREGISTER, { { -3, 0 }, { 0, 0 }, { 0, 0 }, { -5, 4 }, { -5, 4 }, { -5, 4 } } },
};

// The last two for bound events; private ones that are not refuse them as they are.
static const struct transition bound_table[] = {
	{ SDEI_ROUTING_SET, { { -3, 0 }, { 0, 1 }, { -3, 3 }, { -3, 7 }, { -3, 5 }, { -3, 4 } } },
	{ SDEI_RELEASE, { { 0, NO_STATE }, { -3, 1 }, { -3, 3 }, { -3, 7 }, { -3, 5 }, { -3, 4 } } },
};

static const struct transition *row;
static uint32_t column;

static void try_row(uint32_t event)
{
	int64_t got = row->fn == SDEI_REGISTER ? reg(event) : sdei(row->fn, event, 0);
	int64_t after = sdei(SDEI_STATUS, event, 0);
	int64_t state = row->to[column].state == NO_STATE ? SDEI_INVALID : row->to[column].state;

	check(got == row->to[column].result && after == state, "0x%x of event 0x%x in state %u: %ld, state %ld", row->fn,
	      event, from[column], got, after);
}

static void in_state(uint32_t event)
{
	if (from[column] == 5)
		expect(sdei(SDEI_DISABLE, event, 0), 0);
	if (from[column] == RUNNING)
		expect(sdei(SDEI_UNREGISTER, event, 0), SDEI_PENDING);
	expect(sdei(SDEI_STATUS, event, 0), from[column]);
	expect(sdei(SDEI_GET_INFO, event, 0), event == UART_EVENT);
	expect(sdei(SDEI_GET_INFO, event, 1), event == UART_EVENT);
	expect(sdei(SDEI_GET_INFO, event, 2), 0);
	if (from[column] & RUNNING) {
		expect(sdei(SDEI_CONTEXT, 18, 0), SDEI_INVALID);
		expect(sdei(SDEI_COMPLETE_RESUME, 2, 0), SDEI_INVALID);
	} else {
		expect(sdei(SDEI_CONTEXT, 0, 0), SDEI_DENIED);
		expect(sdei(SDEI_COMPLETE, 0, 0), SDEI_DENIED);
		expect(sdei(SDEI_COMPLETE_RESUME, 0, 0), SDEI_DENIED);
	}
	try_row(event);
}

static void try_table(uint32_t event, const struct transition *t, uint32_t rows)
{
	volatile struct pe *p = self();

	for (row = t; row < t + rows; row++) {
		for (column = 0; column < 6; column++) {
			uint32_t events = p->events;
			int8_t state = row->to[column].state;

			begin();
			if (event == UART_EVENT)
				expect(sdei(SDEI_BIND, UART_INTID, 0), UART_EVENT);
			expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
			if (from[column] & REGISTERED || from[column] == RUNNING)
				expect(reg(event), 0);
			if (from[column] & (ENABLED | RUNNING))
				expect(sdei(SDEI_ENABLE, event, 0), 0);
			if (!(from[column] & RUNNING)) {
				in_state(event);
				continue;
			}
			p->work = in_state;
			events = p->events;
			if (event == UART_EVENT)
				raise_uart();
			else
				expect(signal(read_sysreg(mpidr_el1)), 0);
			check(p->events == events + 1, "%u events", p->events - events);
			expect(sdei(SDEI_STATUS, event, 0), state & ~RUNNING);
		}
	}
}

PE_TEST(every_call_in_every_state_answers_and_moves_as_specified)
{
	try_table(0, table, sizeof(table) / sizeof(table[0]));
	try_table(UART_EVENT, table, sizeof(table) / sizeof(table[0]));
	try_table(UART_EVENT, bound_table, sizeof(bound_table) / sizeof(bound_table[0]));
}

// Arguments

PE_TEST(arguments_are_checked)
{
	static const uint64_t no_events[] = { ~0ul, 2, 0x01000000, 0x3fffffff, 0x41000000, 0x80000000, FIRST_SLOT + 2 };
	static const uint32_t calls[] = { SDEI_ENABLE,	 SDEI_DISABLE,	   SDEI_UNREGISTER, SDEI_STATUS,
					  SDEI_GET_INFO, SDEI_ROUTING_SET, SDEI_RELEASE,    SDEI_SIGNAL };
	uint64_t here = read_sysreg(mpidr_el1);

	for (uint32_t i = 0; i < sizeof(no_events) / sizeof(no_events[0]); i++) {
		expect(reg((uint32_t)no_events[i]), SDEI_INVALID);
		for (uint32_t n = 0; n < sizeof(calls) / sizeof(calls[0]); n++)
			expect(sdei(calls[n], no_events[i], 0), SDEI_INVALID);
	}
	for (uint32_t bit = 2; bit < 64; bit++)
		expect(sdei_register(0, (uintptr_t)sdei_entry, 7, 1ul << bit), SDEI_INVALID);
	expect(sdei_call(SDEI_REGISTER, 0, (uintptr_t)sdei_entry, 7, TO_PE, ~0ul), 0); // a private event has no routing
	expect(sdei(SDEI_STATUS, 1ul << 32, 0), REGISTERED);
	expect(sdei(SDEI_ROUTING_SET, 0, 0), SDEI_INVALID);
	expect(sdei(SDEI_GET_INFO, 0, 3), SDEI_INVALID);
	expect(sdei(SDEI_GET_INFO, 0, 5), SDEI_INVALID);
	expect(sdei(SDEI_RELEASE, 0, 0), SDEI_INVALID);

	expect(sdei_call(SDEI_REGISTER, SHARED, (uintptr_t)sdei_entry, 0, TO_PE, cpus), SDEI_INVALID);
	expect(sdei_call(SDEI_REGISTER, SHARED, (uintptr_t)sdei_entry, 0, TO_PE, 1ul << 40), SDEI_INVALID);
	expect(sdei_call(SDEI_REGISTER, SHARED, (uintptr_t)sdei_entry, 0, TO_PE, here), 0);
	expect(sdei(SDEI_GET_INFO, SHARED, 3), 1);
	expect(sdei(SDEI_GET_INFO, SHARED, 4), (int64_t)cpu_index());
	expect(sdei(SDEI_ROUTING_SET, SHARED, 2), SDEI_INVALID);
	expect(sdei_call(SDEI_ROUTING_SET, SHARED, TO_PE, cpus, 0, 0), SDEI_INVALID);
	expect(sdei(SDEI_ROUTING_SET, SHARED, 0), 0);
	expect(sdei(SDEI_GET_INFO, SHARED, 3), 0);
	expect(sdei(SDEI_GET_INFO, SHARED, 4), SDEI_INVALID);

	expect(signal(cpus), SDEI_INVALID);
	expect(signal(1ul << 40), SDEI_INVALID);
	expect(signal(here), 0);
	for (uint32_t cpu = 0; cpu < cpus; cpu++) // those that are off as well
		expect(signal(cpu), 0);
}

// Pending events and masks

static void signal_twice(uint32_t event)
{
	volatile struct pe *p = self();
	uint64_t here = read_sysreg(mpidr_el1);

	(void)event;
	p->work = 0;
	expect(signal(here), 0);
	expect(signal(here), 0);
	check(p->events == 1, "an event interrupts its own handler");
	expect(sdei(SDEI_STATUS, 0, 0), 7);
}

static void mask(uint32_t event)
{
	(void)event;
	expect(sdei(SDEI_PE_MASK, 0, 0), 1);
}

PE_TEST(what_comes_while_it_cannot_be_taken_is_one_event_later)
{
	volatile struct pe *p = self();
	uint64_t here = read_sysreg(mpidr_el1);

	expect(signal(here), 0); // nobody listens
	listen(0);
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
	check(p->events == 0, "an event from before the registration");
	p->work = signal_twice;
	for (uint32_t resume = 0; resume < 2; resume++) {
		p->answer = resume ? (uintptr_t)sdei_resume : 0;
		p->work = signal_twice;
		p->events = 0;
		expect(signal(here), 0);
		check(p->events == 2, "%u events", p->events);
	}
	expect(sdei(SDEI_PE_MASK, 0, 0), 1);
	expect(sdei(SDEI_PE_MASK, 0, 0), 0);
	for (uint32_t n = 0; n < 3; n++)
		expect(signal(here), 0);
	check(p->events == 2, "an event while masked");
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
	check(p->events == 3, "%u events when unmasked", p->events - 2);
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
	expect(sdei(SDEI_DISABLE, 0, 0), 0);
	expect(signal(here), 0);
	check(p->events == 3, "an event while disabled");
	expect(sdei(SDEI_ENABLE, 0, 0), 0);
	check(p->events == 4, "%u events when enabled", p->events - 3);
	p->work = mask;
	expect(signal(here), 0);
	expect(signal(here), 0);
	check(p->events == 5, "%u events after a handler that masks", p->events - 4);
	expect(sdei(SDEI_UNREGISTER, 0, 0), 0); // drops it
	p->work = 0;
	listen(0);
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
	check(p->events == 5, "an event outlived its registration");
}

// Resets

static void reset_inside(uint32_t event)
{
	bool shared = event == UART_EVENT;

	expect(sdei(shared ? SDEI_SHARED_RESET : SDEI_PRIVATE_RESET, 0, 0), SDEI_DENIED);
	expect(sdei(SDEI_STATUS, event, 0), RUNNING);
	expect(sdei(SDEI_STATUS, shared ? SHARED : CRITICAL, 0), 0);
	expect(sdei(SDEI_STATUS, shared ? CRITICAL : SHARED, 0), REGISTERED | ENABLED);
	expect(sdei(SDEI_STATUS, UART_EVENT + 1, 0), 0); // no interrupt is released
}

PE_TEST(resets_are_denied_while_a_handler_runs)
{
	static const uint32_t events[] = { 0, UART_EVENT, CRITICAL, SHARED };
	volatile struct pe *p = self();

	for (uint32_t shared = 0; shared < 2; shared++) {
		begin();
		expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
		expect(sdei(SDEI_BIND, UART_INTID, 0), UART_EVENT);
		expect(sdei(SDEI_BIND, RTC_INTID, 0), UART_EVENT + 1);
		for (uint32_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
			listen(events[i]);
		p->work = reset_inside;
		if (shared)
			raise_uart();
		else
			expect(signal(read_sysreg(mpidr_el1)), 0);
		check(p->events == 1, "%u events", p->events);
		expect(sdei(SDEI_STATUS, 0, 0), shared ? REGISTERED | ENABLED : 0);
		expect(sdei(SDEI_STATUS, UART_EVENT, 0), shared ? 0 : REGISTERED | ENABLED);
		expect(sdei(SDEI_PRIVATE_RESET, 0, 0), 0);
		expect(sdei(SDEI_SHARED_RESET, 0, 0), 0);
		expect(sdei(SDEI_STATUS, 0, 0), 0);
		expect(sdei(SDEI_STATUS, SHARED, 0), 0);
		expect(sdei(SDEI_STATUS, UART_EVENT, 0), SDEI_INVALID); // released
		expect(sdei(SDEI_STATUS, UART_EVENT + 1, 0), SDEI_INVALID);
	}
}

// Bound interrupts

PE_TEST(a_bound_interrupt_is_an_event)
{
	volatile struct pe *p = self();

	store((uint32_t *)GICD_ISENABLER1, 1u << (RTC_INTID - 32));
	expect(sdei(SDEI_BIND, RTC_INTID, 0), SDEI_DENIED);
	store((uint32_t *)GICD_ICENABLER1, 1u << (RTC_INTID - 32));
	for (uint32_t intid = 0; intid < 32; intid++) // SGIs, and PPIs of timers
		expect(sdei(SDEI_BIND, intid, 0), SDEI_INVALID);
	expect(sdei(SDEI_BIND, 40, 0), SDEI_INVALID);
	expect(sdei(SDEI_BIND, 1020, 0), SDEI_INVALID);
	expect(sdei(SDEI_BIND, UART_INTID, 0), UART_EVENT);
	expect(sdei(SDEI_BIND, UART_INTID, 0), UART_EVENT);
	expect(sdei(SDEI_BIND, RTC_INTID, 0), UART_EVENT + 1);
	listen(UART_EVENT);
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
	check(p->events == 0, "an event of a UART that asks for nothing");
	for (uint32_t n = 1; n <= 20; n++) {
		raise_uart();
		check(p->events == n, "%u events after %u requests", p->events, n);
	}
	expect(sdei(SDEI_RELEASE, UART_EVENT, 0), SDEI_DENIED);
	expect(sdei(SDEI_UNREGISTER, UART_EVENT, 0), 0);
	expect(sdei(SDEI_RELEASE, UART_EVENT, 0), 0);
	expect(sdei(SDEI_RELEASE, UART_EVENT, 0), SDEI_INVALID);
	expect(sdei(SDEI_STATUS, UART_EVENT, 0), SDEI_INVALID);
	expect(sdei(SDEI_RELEASE, UART_EVENT + 1, 0), 0);
	check((load((uint32_t *)GICD_ISENABLER1) >> (UART_INTID - 32) & 3) == 0, "a released interrupt is enabled");
}

// Interrupts

static void in_either(uint32_t event)
{
	volatile struct pe *p = self();

	if (event == INTERRUPT) { // an event in the handler of an interrupt
		expect(signal(read_sysreg(mpidr_el1)), 0);
		return;
	}
	if (p->interrupts == 0) { // an interrupt in that of an event
		gic_signal(1u << cpu_index(), SGI);
		check(p->interrupts == 0, "an interrupt in the handler of an event");
	}
}

PE_TEST(an_interrupt_waits_for_the_handler_and_an_event_for_nobody)
{
	volatile struct pe *p = self();

	gic_enable_private(SGI);
	listen(0);
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
	irq_unmask();
	p->work = in_either;
	expect(signal(read_sysreg(mpidr_el1)), 0);
	while (p->interrupts == 0)
		;
	irq_mask();
	check(p->interrupts == 1 && p->events == 2, "%u interrupts, %u events", p->interrupts, p->events);
}

// Several PEs: this CPU and one other.

static uint32_t inside; // a handler waits until this is 0

static void wait_inside(uint32_t event)
{
	(void)event;
	while (load(&inside))
		;
}

PES_TEST(a_signal_reaches_its_target_alone)
{
	for (uint32_t cpu = 0; cpu < cpus; cpu++)
		on(cpu, hear);
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		for (uint32_t cpu = 0; cpu < cpus; cpu++) {
			expect(signal(cpu), 0);
			await(cpu, n);
		}
	}
	expect(sdei(SDEI_UNREGISTER, 0, 0), 0);
	expect(signal(other()), 0); // whose handler is its own
	await(other(), ROUNDS + 1);
	check(self()->events == ROUNDS, "%u events here", self()->events);
	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		if (cpu != cpu_index())
			on(cpu, begin);
	}
}

// The bound interrupt is a shared event: what it asks for is taken by the CPU that it is routed to.
PES_TEST(a_shared_event_has_one_handler_at_a_time_where_it_is_routed_to)
{
	uint32_t here = cpu_index(), there = other();

	on(there, begin);
	expect(sdei(SDEI_BIND, UART_INTID, 0), UART_EVENT);
	expect(reg(UART_EVENT), 0);
	expect(sdei_call(SDEI_ROUTING_SET, UART_EVENT, TO_PE, there, 0, 0), 0);
	expect(sdei(SDEI_ENABLE, UART_EVENT, 0), 0);
	expect(sdei_call(SDEI_ROUTING_SET, UART_EVENT, TO_PE, here, 0, 0), SDEI_DENIED);
	unmask();
	raise_uart(); // for the other one, which is masked
	check(pes[here].events == 0 && pes[there].events == 0, "an event of a masked PE");
	store(&inside, 1);
	pes[there].work = wait_inside;
	give(there, unmask);
	await(there, 1);
	expect(sdei(SDEI_STATUS, UART_EVENT, 0), 7);
	complete_nothing(); // it is not this PE's
	expect(sdei(SDEI_SHARED_RESET, 0, 0), SDEI_DENIED);
	expect(sdei(SDEI_UNREGISTER, UART_EVENT, 0), SDEI_PENDING);
	expect(sdei(SDEI_STATUS, UART_EVENT, 0), RUNNING);
	store(&inside, 0);
	finish(there);
	expect(sdei(SDEI_STATUS, UART_EVENT, 0), 0);

	listen(UART_EVENT); // for any: the one that is not masked takes it
	on(there, mask_here);
	raise_uart();
	await(here, 1);
	expect(sdei(SDEI_PE_MASK, 0, 0), 1);
	raise_uart();
	pes[there].work = 0;
	on(there, unmask);
	await(there, 2);
	check(pes[here].events == 1, "two PEs took a shared event");
	on(there, mask_here);
}

// What a CPU stores before it signals is there for the handler, without a barrier of either.
#define WORDS  16u
#define STORES 50u

static struct {
	uint64_t value;
	uint8_t apart[56];
} words[WORDS] __attribute__((aligned(64)));

static uint64_t stored, looked, stale;

static void look_for_stores(uint32_t event)
{
	(void)event;
	for (uint32_t i = WORDS; i-- > 0;)
		stale += load(&words[i].value) != load(&stored);
	dmb();
	store(&looked, load(&stored));
}

PES_TEST(a_handler_sees_what_was_stored_before_the_signal)
{
	uint32_t there = other();

	on(there, hear);
	pes[there].work = look_for_stores;
	for (uint64_t n = 1; n <= STORES; n++) {
		store(&stored, n);
		for (uint32_t i = 0; i < WORDS; i++)
			store(&words[i].value, n);
		expect(signal(there), 0);
		while (load(&looked) != n)
			;
		dmb();
	}
	check(pes[there].events == STORES, "%u events", pes[there].events);
	check(stale == 0, "%lu words were stale", stale);
	on(there, begin);
}
