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
