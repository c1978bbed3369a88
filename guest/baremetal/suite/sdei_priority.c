// SPDX-License-Identifier: Apache-2.0
// Critical events of SDEI interrupt handlers of normal ones; nothing else interrupts a handler. Critical events are
// raised by the host.
#include "registers.h"
#include "sdei_pes.h"

// For a handler that raises events itself.
static void raise_masked(uint32_t event)
{
	expect(sdei(SDEI_PE_MASK, 0, 0), 1);
	raise(event);
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
}

// What the handlers did, in order: an event's index in names as it begins, and with END as it ends.
static const uint32_t names[] = { 0, PRIVATE, SHARED, CRITICAL, SHARED_CRITICAL, WATCHDOG };

#define EVENTS  (sizeof(names) / sizeof(names[0]))
#define END     0x10u
#define NO_STEP 0xffu

static uint8_t steps[16];
static uint32_t count;

static void note(uint32_t event, uint32_t end)
{
	uint32_t i = 0;

	while (i < EVENTS && names[i] != event)
		i++;
	check(i < EVENTS && count < sizeof(steps), "step %u, event 0x%x", count, event);
	steps[count++] = (uint8_t)(i | end);
}

static void expect_steps(uint32_t line, const uint8_t *want, uint32_t n)
{
	for (uint32_t i = 0; i < n || i < count; i++)
		check(i < n && i < count && steps[i] == want[i], "line %u: step %u is 0x%x, not 0x%x", line, i,
		      i < count ? steps[i] : NO_STEP, i < n ? want[i] : NO_STEP);
}

#define expect_order(...)                                               \
	do {                                                            \
		static const uint8_t want_[] = { __VA_ARGS__ };         \
		expect_steps(__LINE__, want_, sizeof(want_));           \
	} while (0)

enum { ZERO, P, S, C, SC, W }; // of names

static void status(uint32_t event, int64_t want)
{
	int64_t got = sdei(SDEI_STATUS, event, 0);

	check(got == want, "event 0x%x has status %ld, not %ld", event, got, want);
}

// What a handler of each class does, beside what it notes.
static void (*in_normal)(void), (*in_critical)(void);

static void handle(uint32_t event)
{
	bool normal = event == 0 || event == PRIVATE || event == SHARED;
	void (*fn)(void) = normal ? in_normal : in_critical;

	note(event, 0);
	status(event, REGISTERED | ENABLED | RUNNING);
	if (fn)
		fn();
	note(event, END);
}

static void listen_to_all(void)
{
	count = 0;
	in_normal = in_critical = 0;
	self()->work = handle;
	for (uint32_t i = 0; i < EVENTS; i++) {
		expect(reg(names[i]), 0);
		if (names[i] == SHARED || names[i] == SHARED_CRITICAL || names[i] == WATCHDOG)
			expect(sdei_call(SDEI_ROUTING_SET, names[i], TO_PE, cpu_index(), 0, 0), 0);
		expect(sdei(SDEI_ENABLE, names[i], 0), 0);
		expect(sdei(SDEI_GET_INFO, names[i], 2), i >= C);
	}
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
}

static void signal_here(void)
{
	expect(signal(cpu_index()), 0);
}

static void raise_critical(void)
{
	raise(CRITICAL);
}

static void raise_shared_critical(void)
{
	raise(SHARED_CRITICAL);
}

PE_RAISE_TEST(a_critical_event_interrupts_a_normal_handler)
{
	listen_to_all();
	in_normal = raise_critical;
	signal_here();
	expect_order(ZERO, C, C | END, ZERO | END);
	in_normal = raise_shared_critical;
	count = 0;
	raise_masked(SHARED);
	expect_order(S, SC, SC | END, S | END);
}

// The normal one first: it would be taken before the critical one if it could.
static void raise_one_of_each(void)
{
	if (count != 1)
		return;
	signal_here();
	raise(PRIVATE);
	raise(SHARED);
	raise(SHARED_CRITICAL);
	check(count == 1, "%u steps in a critical handler", count);
}

PE_RAISE_TEST(nothing_interrupts_a_critical_handler)
{
	listen_to_all();
	in_critical = raise_one_of_each;
	raise_masked(CRITICAL);
	expect_order(C, C | END, SC, SC | END, ZERO, ZERO | END, P, P | END, S, S | END);
}

static void raise_normal_ones(void)
{
	if (count != 1)
		return;
	raise(SHARED);
	raise(PRIVATE);
	check(count == 1, "%u steps in a normal handler", count);
}

PE_RAISE_TEST(events_of_one_class_come_one_after_the_other)
{
	listen_to_all();
	in_normal = raise_normal_ones;
	signal_here();
	expect_order(ZERO, ZERO | END, P, P | END, S, S | END);
	count = 0;
	expect(sdei(SDEI_PE_MASK, 0, 0), 1);
	raise(WATCHDOG);
	raise(CRITICAL);
	raise(CRITICAL); // is the same one
	signal_here();
	check(count == 0, "%u steps while masked", count);
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
	expect_order(W, W | END, C, C | END, ZERO, ZERO | END);
}

// Makes a call with the pattern in all registers from x3 on.
static void call_with_pattern(uint32_t fn, uint64_t a1, uint64_t a2)
{
	uint64_t x[31];

	pattern(x);
	x[0] = fn;
	x[1] = a1;
	x[2] = a2;
	(load(&sdei_smc) ? call_all_smc : call_all_hvc)(x);
	check(x[0] == 0 && differing(x) == 0, "x0 0x%lx, %u registers differ", x[0], differing(x));
}

static uintptr_t call_pc(void)
{
	return (uintptr_t)(load(&sdei_smc) ? call_all_smc_pc : call_all_hvc_pc);
}

// Of the handler of the critical event, and of the normal one that it interrupts.
static uint64_t inner_answer, outer_answer;

static void expect_context(uint64_t x2)
{
	expect(sdei(SDEI_CONTEXT, 0, 0), 0);
	expect(sdei(SDEI_CONTEXT, 2, 0), (int64_t)x2);
	for (uint64_t n = 3; n <= 17; n++)
		expect(sdei(SDEI_CONTEXT, n, 0), (int64_t)PATTERN(n));
}

#define OUTSIDE 0x5eed // in x2 where no handler runs; in the normal one the CPU is

static void look_at_both(void)
{
	volatile struct pe *p = self();

	status(0, REGISTERED | ENABLED | RUNNING);
	expect_context(OUTSIDE + 1);
	expect_pattern();
	check(p->pc == call_pc(), "interrupted at 0x%lx, not 0x%lx", p->pc, call_pc());
	check((p->pstate & (PSTATE_DAIF | 0x1f)) == (PSTATE_DAIF | PSTATE_EL1H), "interrupted PSTATE 0x%lx", p->pstate);
	p->answer = inner_answer;
}

// A critical event that waits until the PE is unmasked interrupts that very call.
static void be_interrupted(void)
{
	volatile struct pe *p = self();
	uint64_t resumes = load(&sdei_resumes);

	expect_context(OUTSIDE);
	status(CRITICAL, REGISTERED | ENABLED);
	expect(sdei(SDEI_PE_MASK, 0, 0), 1);
	raise(CRITICAL);
	check(count == 1, "a masked PE takes an event");
	call_with_pattern(SDEI_PE_UNMASK, 0, OUTSIDE + 1);
	check(count == 3, "%u steps", count);
	check(load(&sdei_resumes) == resumes + !!inner_answer, "resumed %lu times", load(&sdei_resumes) - resumes);
	if (inner_answer)
		check(sdei_elr == call_pc() && (sdei_spsr & PSTATE_DAIF) == PSTATE_DAIF, "ELR 0x%lx SPSR 0x%lx", sdei_elr, sdei_spsr);
	expect_context(OUTSIDE); // its own once more
	status(CRITICAL, REGISTERED | ENABLED);
	p->answer = outer_answer;
}

PE_RAISE_TEST(each_of_two_nested_handlers_has_a_context_of_its_own)
{
	for (uint32_t ways = 0; ways < 4; ways++) {
		begin();
		listen_to_all();
		in_normal = be_interrupted;
		in_critical = look_at_both;
		inner_answer = ways & 1 ? (uintptr_t)sdei_resume : 0;
		outer_answer = ways & 2 ? (uintptr_t)sdei_resume : 0;
		uint64_t resumes = load(&sdei_resumes);

		expect(sdei(SDEI_PE_MASK, 0, 0), 1);
		signal_here();
		irq_unmask();
		call_with_pattern(SDEI_PE_UNMASK, 0, OUTSIDE);
		irq_mask();
		expect_order(ZERO, C, C | END, ZERO | END);
		check(load(&sdei_resumes) - resumes == (ways & 1) + (ways >> 1), "resumed %lu times", load(&sdei_resumes) - resumes);
		check(!outer_answer || (sdei_spsr & 0x80) == 0, "SPSR 0x%lx", sdei_spsr);
	}
}

// An unregistration waits for its own handler, not for the other one.
static void unregister_both(void)
{
	expect(sdei(SDEI_UNREGISTER, 0, 0), SDEI_PENDING);
	expect(sdei(SDEI_UNREGISTER, CRITICAL, 0), SDEI_PENDING);
	status(0, RUNNING);
	status(CRITICAL, RUNNING);
}

static void raise_and_be_alone(void)
{
	raise(CRITICAL);
	status(0, RUNNING);
	status(CRITICAL, 0);
	expect(reg(0), SDEI_DENIED);
	expect(reg(CRITICAL), 0);
}

PE_RAISE_TEST(nested_handlers_are_unregistered_one_by_one)
{
	listen_to_all();
	in_normal = raise_and_be_alone;
	in_critical = unregister_both;
	signal_here();
	expect_order(ZERO, C, C | END, ZERO | END);
	status(0, 0);
	status(CRITICAL, REGISTERED);
}
