// SPDX-License-Identifier: Apache-2.0
// What a client of SDEI should not do: handlers that are nowhere, random calls on all CPUs at once.
#include "el0.h"
#include "random.h"
#include "sdei_pes.h"

// Vectors of which one is in use: an exception at EL1 enters sdei_entry. If it is the one of fetching the first
// instruction of a handler, the registers still are what that was to find.
asm("	.pushsection .text\n"
    "	.balign 2048\n"
    "abort_vectors:\n"
    "	.fill 0x200 / 4, 4, 0x14000000\n" // b .
    "	b sdei_entry\n"
    "	.fill (0x600 - 4) / 4, 4, 0x14000000\n"
    "	.popsection\n");
extern char abort_vectors[];

#define EC_FETCH 0x21u // the abort of a fetch at EL1

static uint64_t nowhere;

static void expect_abort(uint32_t event)
{
	uint64_t esr = read_sysreg(esr_el1), elr = read_sysreg(elr_el1);

	expect(sdei(SDEI_STATUS, event, 0), REGISTERED | ENABLED | RUNNING);
	check(EC(esr) == EC_FETCH && elr == nowhere, "ESR 0x%lx ELR 0x%lx, handler 0x%lx", esr, elr, nowhere);
}

PE_TEST(a_handler_that_is_nowhere_is_the_abort_of_its_cpu)
{
	static const uint64_t places[] = {
		1ul << 39,           // beyond the page table
		0xfffffffffffffffc,  // in the half that has none
		UARTIMSC,            // mapped, not to be executed
		10ul << 30,          // mapped to an address where nothing is
		0,                   // mapped to one where no device is
	};
	volatile struct pe *p = self();
	uint64_t vbar = read_sysreg(vbar_el1);

	write_sysreg(vbar_el1, abort_vectors);
	isb();
	unmask();
	p->work = expect_abort;
	for (uint32_t n = 0; n < sizeof(places) / sizeof(places[0]); n++) {
		for (uint32_t relative = 0; relative < 2; relative++) {
			nowhere = places[n];
			expect(sdei_register(0, relative ? nowhere - (uintptr_t)abort_vectors : nowhere, 7, relative ? RELATIVE : 0), 0);
			expect(sdei(SDEI_ENABLE, 0, 0), 0);
			p->events = 0;
			expect(signal(cpu_index()), 0);
			check(p->events == 1, "%u events", p->events);
			expect(sdei(SDEI_UNREGISTER, 0, 0), 0);
		}
	}
	write_sysreg(vbar_el1, vbar);
	isb();
}

// Random calls on all CPUs at once, with random arguments, in handlers and outside, while the host raises events and
// CPUs come and go.

// Of each CPU in each phase.
#define CALLS      400u
#define CALLS_LONG 10000u

// What makes sense, and what nearly does.
static const uint64_t events[] = { 0, WATCHDOG, PRIVATE, CRITICAL, SHARED, SHARED_CRITICAL, UART_EVENT };
static const uint64_t odd_events[] = { 1, 5, 0x40400001, UART_EVENT + 1, 0x40000100, 1ul << 32, 0x80000000, 0x3fffffff, ~0ul };
static const uint64_t numbers[] = { 0, 1, 2, 3, 4, 5, 17, 18, 27, 32, 33, 34, 95, 1019, 1020, 1ul << 31, 1ul << 32, ~0ul };

// Calls of which more are made than of the others, so that events come.
static const uint32_t calls[] = { SDEI_REGISTER, SDEI_ENABLE, SDEI_PE_UNMASK, SDEI_SIGNAL, SDEI_SIGNAL };

#define SOME(list) list[random_below(state, sizeof(list) / sizeof(list[0]))]

static uint32_t calls_wanted;
static uint64_t states[MAX_CPUS];
static uint32_t calls_made[MAX_CPUS], handled[MAX_CPUS];

// Handlers that are nowhere and handlers that go on elsewhere take turns: an abort loses the ELR_EL1 that the other
// needs.
static enum { ELSEWHERE, NOWHERE, PHASES } phase;

static uint64_t any_event(uint64_t *state)
{
	return random_below(state, 4) ? SOME(events) : SOME(odd_events);
}

static uint64_t any_affinity(uint64_t *state)
{
	return random_below(state, 8) ? random_below(state, cpus) : random_next(state);
}

static uint64_t any_entry(uint64_t *state)
{
	switch (random_below(state, 8)) {
	case 0:
		return phase == NOWHERE ? 1ul << 39 : (uintptr_t)sdei_entry; // the abort enters that
	case 1:
		return random_next(state) | 1; // refused
	}
	return (uintptr_t)sdei_entry;
}

static void call_at_random(bool inside)
{
	uint64_t *state = &states[cpu_index()];
	uint32_t fn = random_below(state, 3) ? SOME(calls) : SDEI_VERSION + (uint32_t)random_below(state, 0x20);
	uint64_t a[5] = { SOME(numbers), SOME(numbers), SOME(numbers), SOME(numbers), SOME(numbers) };

	if (inside && (fn == SDEI_COMPLETE || fn == SDEI_COMPLETE_RESUME))
		fn = SDEI_STATUS; // these leave the handler, which sdei_entry does
	switch (fn) {
	case SDEI_REGISTER:
		a[0] = any_event(state);
		a[1] = any_entry(state);
		a[2] = (uint32_t)a[0] + 7;
		a[3] = random_below(state, 4) ? 0 : TO_PE;
		a[4] = any_affinity(state);
		break;
	case SDEI_ROUTING_SET:
	case SDEI_GET_INFO:
		a[2] = any_affinity(state);
		// fallthrough
	case SDEI_ENABLE:
	case SDEI_DISABLE:
	case SDEI_UNREGISTER:
	case SDEI_STATUS:
	case SDEI_RELEASE:
		a[0] = any_event(state);
		break;
	case SDEI_SIGNAL:
		a[0] = random_below(state, 8) ? 0 : a[0];
		a[1] = any_affinity(state);
		break;
	case SDEI_PRIVATE_RESET:
	case SDEI_SHARED_RESET:
		if (random_below(state, 8)) // there is more to see between them
			return;
	}
	int64_t r = sdei_call(fn, a[0], a[1], a[2], a[3], a[4]);

	calls_made[cpu_index()]++;
	if (fn == SDEI_CONTEXT)
		return; // anything
	check(r >= 0 || r == SDEI_INVALID || r == SDEI_DENIED || r == SDEI_PENDING || r == SDEI_OUT_OF_RESOURCE ||
	              (r == SDEI_NOT_SUPPORTED && fn > SDEI_SHARED_RESET),
	      "0x%x(0x%lx, 0x%lx) returned %ld", fn, a[0], a[1], r);
}

static void do_anything_inside(uint32_t event)
{
	volatile struct pe *p = self();
	uint64_t *state = &states[cpu_index()], pstate = p->pstate;

	handled[cpu_index()]++;
	if (event >= UART_EVENT && event < UART_EVENT + 4)
		store((uint32_t *)UARTIMSC, 0);
	for (uint64_t n = random_below(state, 4); n > 0; n--)
		call_at_random(true);
	// As Linux does: on as an interrupt would, but only where one could have come.
	p->answer = phase == NOWHERE || pstate & 0x80 ? random_below(state, 2) : random_below(state, 2) * (uintptr_t)sdei_resume;
}

// A secondary does its work meanwhile.
static void echo_answers(void)
{
	check(send_text(FIRST_SECONDARY, "well?") == 0, "send to echo");
	expect_text(receive(), "well?");
	release();
}

static void do_anything(void)
{
	volatile struct pe *p = self();
	uint32_t me = cpu_index();
	uint64_t *state = &states[me], vbar = read_sysreg(vbar_el1);

	write_sysreg(vbar_el1, abort_vectors);
	isb();
	p->work = do_anything_inside;
	states[me] = random_seed(PHASES * me + phase);
	for (uint32_t until = calls_made[me] + calls_wanted; calls_made[me] < until;) {
		if (random_below(state, 2)) {
			irq_unmask();
			call_at_random(false);
			irq_mask();
		} else {
			call_at_random(false);
		}
		if (random_below(state, 32) == 0)
			raise_uart();
		if (me == 0 && random_below(state, 32) == 0)
			raise((uint32_t)events[1 + random_below(state, 5)]);
		if (me == 0 && random_below(state, 32) == 0)
			echo_answers();
	}
	sdei(SDEI_PE_MASK, 0, 0);
	write_sysreg(vbar_el1, vbar);
	isb();
}

static void off(void)
{
	cpu_off();
}

static void random_calls(uint32_t count, uint32_t wanted)
{
	uint32_t made = 0, taken = 0;

	cpus = count;
	calls_wanted = wanted;
	scheduler_start(1);
	while (func(run_once(FIRST_SECONDARY, 0)) != SPCI_MSG_WAIT)
		;
	for (phase = 0; phase < PHASES; phase++) {
		store(&sdei_smc, phase);
		for (uint32_t cpu = 1; cpu < cpus; cpu++)
			give(cpu, do_anything);
		do_anything();
		for (uint32_t cpu = 1; cpu < cpus; cpu++)
			finish(cpu);
		store((uint32_t *)UARTIMSC, 0);
		for (uint32_t cpu = 0; cpu < cpus; cpu++)
			on(cpu, begin);

		// All is as it was: every CPU hears signals, and can be switched off.
		for (uint32_t cpu = 0; cpu < cpus; cpu++) {
			on(cpu, hear);
			expect(signal(cpu), 0);
			await(cpu, 1);
			made += calls_made[cpu];
			taken += handled[cpu];
			calls_made[cpu] = handled[cpu] = 0;
			if (cpu == 0)
				continue;
			give(cpu, off);
			while (cpu_state(cpu) != CPU_IS_OFF)
				;
			forget(cpu);
		}
		echo_answers();
	}
	print("%u calls, %u events\n", made, taken);
	check(made >= cpus * wanted * PHASES && taken > made / 100, "few of %u calls", made);
}

TEST(sdei_1, random_calls_harm_nobody, "cpus=1 sdei=primary raise vm=echo") { random_calls(1, CALLS); }
TEST(sdei_2, random_calls_harm_nobody, "cpus=2 sdei=primary raise vm=echo") { random_calls(2, CALLS); }
TEST(sdei_8, random_calls_harm_nobody, "cpus=8 sdei=primary raise vm=echo") { random_calls(8, CALLS); }
TEST(sdei_8, many_random_calls_harm_nobody, "cpus=8 sdei=primary raise vm=echo soak minutes=60") { random_calls(8, CALLS_LONG); }
