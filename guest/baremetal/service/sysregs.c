// SPDX-License-Identifier: Apache-2.0
// sysregs: answers a message with a struct sysreg_report of what happens when it reads each of those system
// registers, and writes back what it read, or zero; and with the value of ID_AA64MMFR0_EL1.
#include "sysregs.h"

#include "service.h"

// Vectors that skip the instruction that made the exception.
extern char skipping[];
asm(".pushsection .text\n"
    ".balign 2048\n"
    "skipping:\n"
    ".skip 512\n"
    "msr tpidr_el1, x0\n"
    "mrs x0, elr_el1\n"
    "add x0, x0, #4\n"
    "msr elr_el1, x0\n"
    "mrs x0, tpidr_el1\n"
    "eret\n"
    ".balign 2048\n"
    ".popsection\n");

static uint8_t verdict(void)
{
	uint64_t esr = read_sysreg(esr_el1), unknown = 1ul << 25; // EC 0, a 32-bit instruction

	isb();
	return esr == 0 ? WORKS : esr == unknown ? TRAPPED : OTHER;
}

static void probe(struct sysreg_report *r)
{
	uint64_t value;

#define X(name, encoding, group)                                                            \
	asm volatile("msr esr_el1, xzr; isb; mov %0, xzr; mrs %0, " #encoding : "=r"(value)); \
	r->read[SYSREG_##name] = verdict();                                                 \
	asm volatile("msr esr_el1, xzr; isb; msr " #encoding ", %0; isb" ::"r"(value));      \
	r->write[SYSREG_##name] = verdict();
	SYSREGS(X)
#undef X
}

void main(uint64_t memory)
{
	static struct sysreg_report report;

	(void)memory;
	map_or_die();
	for (;;) {
		struct message m = receive();
		uint64_t vbar = read_sysreg(vbar_el1);

		release();
		write_sysreg(vbar_el1, (uintptr_t)skipping);
		isb();
		probe(&report);
		write_sysreg(vbar_el1, vbar);
		isb();
		report.mmfr0 = read_sysreg(id_aa64mmfr0_el1);
		memcpy(tx, &report, sizeof(report));
		send(m.from, sizeof(report));
	}
}
