// SPDX-License-Identifier: Apache-2.0
#include "el0.h"

#include "page_table.h"

// EL0 sees the first two GiB, devices and memory, 2 GiB higher: below 4 GiB, where AArch32 reaches.
#define MOVED (2 * GIB)

bool el0_has_32(void)
{
	return (read_sysreg(id_aa64pfr0_el1) & 0xf) == 2;
}

uint64_t el0_address(const volatile void *p)
{
	return (uintptr_t)p + MOVED;
}

void el0_run(const char *program, uint64_t pstate, uint64_t x[31])
{
	uint64_t vbar = read_sysreg(vbar_el1);

	page_table_alias(2, 0, PAGE_EL0);
	page_table_alias(3, 1, PAGE_EL0 | PAGE_PXN);
	write_sysreg(vbar_el1, el0_vectors);
	write_sysreg(elr_el1, el0_address(program));
	write_sysreg(spsr_el1, pstate);
	isb();
	eret_all(x);
	write_sysreg(vbar_el1, vbar);
	isb();
}
