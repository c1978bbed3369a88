// SPDX-License-Identifier: Apache-2.0
// What a handler of SDEI finds and what its completion brings back, wherever it interrupts.
#include "el0.h"
#include "gicv3.h"
#include "page_table.h"
#include "sdei_pes.h"

static void read_context(uint32_t event)
{
	(void)event;
	expect(sdei(SDEI_CONTEXT, 0, 0), 0);
	for (uint64_t n = 3; n <= 17; n++)
		expect(sdei(SDEI_CONTEXT, n, 0), (int64_t)PATTERN(n));
}

static void interrupt_self(uint64_t flags)
{
	volatile struct pe *p = self();
	uintptr_t pc = (uintptr_t)(load(&sdei_smc) ? call_all_smc_pc : call_all_hvc_pc);

	expect(sdei_register(0, flags ? sdei_entry_relative() : (uintptr_t)sdei_entry, 7, flags), 0);
	expect(sdei(SDEI_ENABLE, 0, 0), 0);
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
	p->work = read_context;
	for (uint32_t way = 0; way < 3; way++) { // handled, failed, resumed elsewhere
		uint32_t events = p->events, resume = way == 2;
		uint64_t resumes = load(&sdei_resumes), x[31];

		p->answer = resume ? (uintptr_t)sdei_resume : way;
		write_sysreg(elr_el1, 0x1230);
		write_sysreg(spsr_el1, 0x3c4);
		write_sysreg(esr_el1, 0x56000000);
		write_sysreg(sp_el0, 0x7890);
		simd_enable();
		simd_fill(events);
		pattern(x);
		x[0] = SDEI_SIGNAL;
		x[1] = 0;
		x[2] = read_sysreg(mpidr_el1);
		(load(&sdei_smc) ? call_all_smc : call_all_hvc)(x);
		check(x[0] == 0 && x[2] == read_sysreg(mpidr_el1), "x0 0x%lx, x2 0x%lx", x[0], x[2]);
		check(differing(x) == 0, "%u registers differ", differing(x));
		check(simd_differs(events) == 0, "SIMD registers changed");
		check(p->events == events + 1, "%u events", p->events - events);
		check(p->pc == pc, "interrupted at 0x%lx, not 0x%lx", p->pc, pc);
		check((p->pstate & 0x1f) == PSTATE_EL1H, "interrupted PSTATE 0x%lx", p->pstate);
		check(sdei_nzcv == (p->pstate & 0xf0000000), "NZCV 0x%lx of 0x%lx", sdei_nzcv, p->pstate);
		expect_pattern();
		check(load(&sdei_resumes) == resumes + resume, "resumed %lu times", load(&sdei_resumes) - resumes);
		if (resume)
			check(sdei_elr == p->pc && sdei_spsr == p->pstate, "ELR 0x%lx SPSR 0x%lx", sdei_elr, sdei_spsr);
		else
			check(read_sysreg(elr_el1) == 0x1230 && read_sysreg(spsr_el1) == 0x3c4, "ELR or SPSR changed");
		check(read_sysreg(esr_el1) == 0x56000000 && read_sysreg(sp_el0) == 0x7890, "ESR or SP_EL0 changed");
	}
}

PE_TEST(a_handler_finds_every_register_and_completion_gives_it_back)
{
	interrupt_self(0);
	begin();
	interrupt_self(2); // a relative handler
}

// A handler that makes a call first, and what becomes of its event when it completes.
static const struct leave {
	uint32_t fn;
	int8_t result, after;
} leaves[] = {
	{ SDEI_DISABLE, 0, REGISTERED },
	{ SDEI_UNREGISTER, SDEI_PENDING, 0 },
	{ SDEI_PRIVATE_RESET, SDEI_DENIED, 0 },
};

static const struct leave *leave;

static void leave_it(uint32_t event)
{
	expect(sdei(leave->fn, event, 0), leave->result);
	expect(signal(cpu_index()), 0); // comes too late for all of them
}

PE_TEST(an_event_that_is_not_wanted_any_more_completes_both_ways)
{
	volatile struct pe *p = self();

	unmask();
	for (uint32_t n = 0; n < 2 * sizeof(leaves) / sizeof(leaves[0]); n++) {
		uint64_t resumes = load(&sdei_resumes);
		uint32_t events = p->events;

		leave = &leaves[n / 2];
		listen(0);
		p->work = leave_it;
		p->answer = n % 2 ? (uintptr_t)sdei_resume : 0;
		expect(signal(cpu_index()), 0);
		complete_nothing(); // once more
		check(p->events == events + 1, "%u events", p->events - events);
		check(load(&sdei_resumes) == resumes + n % 2, "resumed %lu times", load(&sdei_resumes) - resumes);
		expect(sdei(SDEI_STATUS, 0, 0), leave->after);
		expect(sdei(SDEI_UNREGISTER, 0, 0), leave->after ? 0 : SDEI_DENIED);
	}
}

// An event waits for the completion of the first, and interrupts where that goes on before an instruction is executed.
static uint64_t pcs[2];

static void signal_once(uint32_t event)
{
	volatile struct pe *p = self();

	(void)event;
	pcs[p->events - 1] = p->pc;
	if (p->events == 1)
		expect(signal(cpu_index()), 0);
	else
		p->answer = 0;
}

PE_TEST(an_event_that_waits_comes_before_anything_is_executed)
{
	volatile struct pe *p = self();

	listen(0);
	unmask();
	for (uint32_t resume = 0; resume < 2; resume++) {
		uint64_t resumes = load(&sdei_resumes);

		p->events = 0;
		p->work = signal_once;
		p->answer = resume ? (uintptr_t)sdei_resume : 0;
		expect(signal(cpu_index()), 0);
		check(p->events == 2, "%u events", p->events);
		check(pcs[1] == (resume ? (uintptr_t)sdei_resume : pcs[0]), "interrupted at 0x%lx, then at 0x%lx", pcs[0], pcs[1]);
		check(load(&sdei_resumes) == resumes + resume, "resumed %lu times", load(&sdei_resumes) - resumes);
		check(!resume || sdei_elr == pcs[0], "ELR 0x%lx", sdei_elr);
	}
}

// A handler on SP_EL1 of what ran on SP_EL0, which is the same stack below what is in use.
static void at_el1t(uint64_t here)
{
	uint64_t sp;

	asm volatile("mov %0, sp" : "=r"(sp));
	write_sysreg(sp_el0, sp - 1024);
	asm volatile("msr spsel, #0\nisb" ::: "memory");
	int64_t got = signal(here);
	uint64_t still = read_sysreg(spsel);
	asm volatile("msr spsel, #1\nisb" ::: "memory");
	check(got == 0 && still == 0, "signal %ld, SPSel %lu", got, still);
}

PE_TEST(pstate_of_a_handler_is_that_of_an_exception)
{
	volatile struct pe *p = self();
	uint64_t here = read_sysreg(mpidr_el1);

	listen(0);
	unmask();
	at_el1t(here);
	check(p->events == 1 && (p->pstate & 0x1f) == PSTATE_EL1T, "interrupted PSTATE 0x%lx", p->pstate);
	irq_unmask();
	expect(signal(here), 0);
	check((read_sysreg(daif) & 0x80) == 0, "IRQs are masked after the event");
	irq_mask();
	check((p->pstate & 0x80) == 0, "interrupted PSTATE 0x%lx", p->pstate);
}

// Fields of PSTATE that not every processor has: X(name, register, bit, register that says that it is there, field of
// that, its least value).
#define FIELDS(X)                                             \
	X(PAN, S3_0_C4_C2_3, 22, S3_0_C0_C7_1, 20, 1)         \
	X(UAO, S3_0_C4_C2_4, 23, S3_0_C0_C7_2, 4, 1)          \
	X(DIT, S3_3_C4_C2_5, 24, S3_0_C0_C4_0, 48, 1)         \
	X(SSBS, S3_3_C4_C2_6, 12, S3_0_C0_C4_1, 4, 2)         \
	X(TCO, S3_3_C4_C2_7, 25, S3_0_C0_C4_1, 8, 2)

#define X(name, reg, bit, id, field, least)                                                                  \
	static uint64_t read_##name(void) { return read_sysreg(reg); }                                       \
	static void write_##name(uint64_t on) { write_sysreg(reg, on << (bit)); isb(); }                     \
	static bool has_##name(void) { return (read_sysreg(id) >> (field) & 0xf) >= (least); }
FIELDS(X)
#undef X

enum field { PAN, UAO, DIT, SSBS, TCO, FIELD_COUNT };

static uint64_t read_field(uint32_t f)
{
	switch (f) {
#define X(name, reg, bit, id, field, least) \
	case name:                          \
		return read_##name() >> (bit) & 1;
		FIELDS(X)
#undef X
	}
	return 0;
}

static void write_field(uint32_t f, uint64_t on)
{
	switch (f) {
#define X(name, reg, bit, id, field, least) \
	case name:                          \
		write_##name(on);           \
		return;
		FIELDS(X)
#undef X
	}
}

// The bit of a field in PSTATE; 0 if this processor has none, which is said.
static uint64_t field_bit(uint32_t f)
{
	switch (f) {
#define X(name, reg, bit, id, field, least)                        \
	case name:                                                 \
		if (has_##name())                                  \
			return 1ul << (bit);                       \
		print("this processor has no " #name "\n");       \
		return 0;
		FIELDS(X)
#undef X
	}
	return 0;
}

#define SPAN  (1ul << 23)
#define DSSBS (1ul << 44)

// What a handler finds in a field after "on", with the two fields of SCTLR_EL1 that have a say.
static uint64_t after_exception(uint32_t f, uint64_t on, bool span, bool dssbs)
{
	switch (f) {
	case PAN:
		return on || !span;
	case DIT:
		return on;
	case SSBS:
		return dssbs;
	case TCO:
		return 1;
	}
	return 0;
}

static uint32_t field;
static uint64_t in_handler, in_vector;

static void look_at_field(uint32_t event)
{
	uint64_t on = read_field(field);

	store(event == RESUMED ? &in_vector : &in_handler, on);
	write_field(field, !on);
}

// Completed by COMPLETE, and at the vector of an interrupt, as Linux does.
PE_TEST(each_field_of_pstate_is_that_of_an_exception_and_comes_back)
{
	volatile struct pe *p = self();
	uint64_t here = read_sysreg(mpidr_el1), sctlr = read_sysreg(sctlr_el1);

	gic_enable_private(SGI); // for the vector
	listen(0);
	unmask();
	p->work = look_at_field;
	for (field = 0; field < FIELD_COUNT; field++) {
		uint64_t bit = field_bit(field), was;

		if (!bit)
			continue;
		was = read_field(field);
		for (uint32_t n = 0; n < 16; n++) {
			bool on = n & 1, resume = n & 2, span = n & 4, dssbs = n & 8;
			uint64_t want = after_exception(field, on, span, dssbs);

			if (dssbs && field != SSBS)
				continue;
			in_vector = !want;
			p->answer = resume ? read_sysreg(vbar_el1) + VECTOR_IRQ : 0;
			write_sysreg(sctlr_el1, (sctlr & ~(SPAN | DSSBS)) | (span ? SPAN : 0) | (dssbs ? DSSBS : 0));
			write_field(field, on);
			expect(signal(here), 0);
			uint64_t after = read_field(field);

			write_field(field, was);
			write_sysreg(sctlr_el1, sctlr);
			isb();
			check(in_handler == want, "field %u was %u, is %lu in the handler", field, on, in_handler);
			check(in_vector == (resume ? want : !want), "field %u was %u, is %lu in the vector", field, on, in_vector);
			check(after == on && !!(p->pstate & bit) == on, "field %u was %u: PSTATE 0x%lx, then %lu", field, on, p->pstate,
			      after);
		}
	}
}

PE_TEST(an_exclusive_store_after_an_event_fails)
{
	static uint32_t word;
	uint32_t old, failed;

	listen(0);
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
	register uint64_t x0 asm("x0") = SDEI_SIGNAL;
	register uint64_t x1 asm("x1") = 0;
	register uint64_t x2 asm("x2") = read_sysreg(mpidr_el1);
	uint32_t smc = load(&sdei_smc);

	asm volatile("ldxr %w0, [%5]\n"
		     "cbnz %w6, 1f\n"
		     "hvc #0\n"
		     "b 2f\n"
		     "1: smc #0\n"
		     "2: stxr %w1, wzr, [%5]\n"
		     : "=&r"(old), "=&r"(failed), "+r"(x0), "+r"(x1), "+r"(x2)
		     : "r"(&word), "r"(smc)
		     : "memory");
	check(failed == 1 && self()->events == 1, "the store succeeded, %u events", self()->events);
}


// EL0, in both states. A partner on another CPU, or the UART, interrupts it there.

static struct {
	uint32_t go, here; // el0_spin waits for the first and sets the other
} place;

static uint32_t target;

// What the partner does: signals the CPU that is at EL0.
static void signal_when_there(void)
{
	while (!load(&place.here))
		;
	expect(signal(target), 0);
}

static void let_go(uint32_t event)
{
	volatile struct pe *p = self();
	bool aarch32 = p->pstate & PSTATE_USR_32;

	(void)event;
	for (uint64_t n = 5; n < (aarch32 ? 15 : 18); n++)
		expect(sdei(SDEI_CONTEXT, n, 0), (int64_t)PATTERN(n));
	store(&place.go, 1);
}

#define NZCV 0xf0000000ul
#define Q_GE 0x080f0000ul // what AArch32 has beside

// Of a program at EL0: how it was interrupted, and how it ended.
static void expect_el0(uint64_t pstate, uint64_t x[31], uint64_t first, uint64_t last)
{
	volatile struct pe *p = self();
	uint64_t from = el0_address(0), ec = pstate & PSTATE_USR_32 ? EC_SVC_32 : EC_SVC_64;
	uint64_t esr = read_sysreg(esr_el1), end = read_sysreg(spsr_el1);
	uint64_t own = pstate & PSTATE_USR_32 ? ~NZCV : ~0ul; // AArch32 compares

	check(p->pc >= from + first && p->pc < from + last, "interrupted at 0x%lx", p->pc);
	check((p->pstate & own) == (pstate & own), "interrupted PSTATE 0x%lx, not 0x%lx", p->pstate, pstate);
	check(EC(esr) == ec, "it ended with ESR 0x%lx at 0x%lx", esr, read_sysreg(elr_el1));
	check((end & own) == (pstate & own), "PSTATE 0x%lx at its end, not 0x%lx", end, pstate);
	for (uint32_t n = 4; n < (pstate & PSTATE_USR_32 ? 15 : 31); n++)
		check(x[n] == PATTERN(n), "x%u became 0x%lx", n, x[n]);
	check(read_sysreg(sp_el0) == 0x7890, "SP_EL0 0x%lx", read_sysreg(sp_el0));
}

// Interrupts each state of EL0 and completes with COMPLETE, and with COMPLETE_AND_RESUME at the vector that an
// interrupt has, as Linux does.
static void interrupt_el0(bool by_uart)
{
	static const uint64_t states[] = { 0x60000000, PSTATE_USR_32 | Q_GE };
	volatile struct pe *p = self();

	for (uint32_t n = 0; n < 4; n++) {
		bool aarch32 = n & 1, resume = n & 2;
		uint64_t pstate = states[aarch32], resumes = load(&sdei_resumes), x[31];
		uint32_t events = p->events;

		if (aarch32 && !el0_has_32()) {
			print("this processor has no AArch32 at EL0\n");
			continue;
		}
		pattern(x);
		place.go = place.here = 0;
		p->answer = resume ? (uintptr_t)el0_vectors + (aarch32 ? VECTOR_IRQ_32 : VECTOR_IRQ_64) : 0;
		write_sysreg(sp_el0, 0x7890);
		if (by_uart) {
			x[1] = el0_address((void *)UARTIMSC);
			x[3] = UART_TXIM;
			el0_run(aarch32 ? el0_store_32 : el0_store, pstate, x);
			uintptr_t pc = (uintptr_t)(aarch32 ? el0_store_32_pc : el0_store_pc);
			expect_el0(pstate, x, pc, pc + 4);
		} else {
			x[1] = el0_address(&place);
			x[2] = 1;
			target = cpu_index();
			give(other(), signal_when_there);
			el0_run(aarch32 ? el0_spin_32 : el0_spin, pstate, x);
			finish(other());
			if (aarch32)
				expect_el0(pstate, x, (uintptr_t)el0_spin_32_loop, (uintptr_t)el0_spin_32_end);
			else
				expect_el0(pstate, x, (uintptr_t)el0_spin_loop, (uintptr_t)el0_spin_end);
		}
		check(p->events == events + 1, "%u events", p->events - events);
		check(load(&sdei_resumes) == resumes + resume, "resumed %lu times", load(&sdei_resumes) - resumes);
		if (resume) {
			check(sdei_elr == p->pc && sdei_spsr == p->pstate, "ELR 0x%lx SPSR 0x%lx", sdei_elr, sdei_spsr);
			check(sdei_pstate == (PSTATE_DAIF | PSTATE_EL1H), "resumed with PSTATE 0x%lx", sdei_pstate);
		}
	}
}

PE_TEST(an_event_at_el0_comes_right_after_the_access_to_a_device)
{
	expect(sdei(SDEI_BIND, UART_INTID, 0), UART_EVENT);
	listen(UART_EVENT);
	unmask();
	interrupt_el0(true);
}

PES_TEST(an_event_interrupts_el0_in_both_states)
{
	listen(0);
	unmask();
	self()->work = let_go;
	interrupt_el0(false);
}

#define MDSCR_SS  1ul
#define PSTATE_SS (1ul << 21)

// EL1 steps EL0 over an access to a device. The event comes after the step and before its exception, and nobody steps
// the handler.
PE_TEST(an_event_does_not_disturb_a_single_step)
{
	volatile struct pe *p = self();
	uint64_t mdscr = read_sysreg(mdscr_el1), x[31];

	expect(sdei(SDEI_BIND, UART_INTID, 0), UART_EVENT);
	listen(UART_EVENT);
	unmask();
	for (uint32_t n = 0; n < 2; n++) {
		pattern(x);
		x[1] = el0_address((void *)UARTIMSC);
		x[3] = UART_TXIM;
		p->answer = n ? (uintptr_t)el0_vectors + VECTOR_IRQ_64 : 0;
		write_sysreg(oslar_el1, 0);
		write_sysreg(mdscr_el1, mdscr | MDSCR_SS);
		el0_run(el0_store, PSTATE_SS, x);
		write_sysreg(mdscr_el1, mdscr);
		isb();
		check(p->events == n + 1, "%u events", p->events);
		check(p->pc == el0_address(el0_store_pc), "interrupted at 0x%lx", p->pc);
		check((p->pstate & PSTATE_SS) == 0, "interrupted PSTATE 0x%lx", p->pstate);
		check(EC(read_sysreg(esr_el1)) == EC_STEP, "it ended with ESR 0x%lx", read_sysreg(esr_el1));
		check(read_sysreg(elr_el1) == el0_address(el0_store_pc), "and at 0x%lx", read_sysreg(elr_el1));
	}
}

// A branch to itself: whatever interrupts it finds a BTYPE that is not zero. Ends where branch_end is completed to.
asm("	.pushsection .text\n"
    "branch_for_ever:\n"
    "	mov	w2, #1\n"
    "	adr	x9, 1f\n"
    "	str	w2, [x0]\n"
    "1:	br	x9\n"
    "branch_end:\n"
    "	ret\n"
    "	.popsection\n");

extern char branch_end[];
void branch_for_ever(uint32_t *here);

#define BTYPE(pstate) ((pstate) >> 10 & 3)

// Its handler is in memory where every indirect branch must land on a BTI instruction, and does not begin with one.
PES_TEST(a_handler_does_not_have_to_begin_with_bti)
{
	volatile struct pe *p = self();

	if ((read_sysreg(id_aa64pfr1_el1) & 0xf) == 0) {
		print("this processor has no BTYPE\n");
		return;
	}
	page_table_alias(4, 1, PAGE_GUARDED);
	expect(sdei_register(0, (uintptr_t)sdei_entry + 3 * GIB, 7, 0), 0);
	expect(sdei(SDEI_ENABLE, 0, 0), 0);
	unmask();
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		place.here = 0;
		target = cpu_index();
		p->answer = (uintptr_t)branch_end;
		give(other(), signal_when_there);
		branch_for_ever(&place.here);
		finish(other());
		check(p->events == n, "%u events", p->events);
		check(BTYPE(p->pstate) == 1, "interrupted PSTATE 0x%lx", p->pstate);
	}
}

// A CPU that waits for an event of another kind.
static void sleep_here(void)
{
	listen(0);
	unmask();
	store(&place.here, 1);
	while (!load(&place.go))
		asm volatile("wfe" ::: "memory");
}

PES_TEST(an_event_ends_wfe)
{
	on(other(), begin);
	place.here = place.go = 0;
	give(other(), sleep_here);
	while (!load(&place.here))
		;
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		expect(signal(other()), 0);
		await(other(), n);
	}
	store(&place.go, 1);
	asm volatile("dsb ish; sev");
	finish(other());
	on(other(), begin);
}
