// SPDX-License-Identifier: Apache-2.0
// The page table of start.S, in which entry n maps the n-th GiB to itself.
#pragma once

#include "cpu.h"

#define GIB (1ul << 30)

#define PAGE_EL0     (1ul << 6)  // EL0 may access it as well
#define PAGE_PXN     (1ul << 53) // EL1 does not execute it
#define PAGE_GUARDED (1ul << 50) // indirect branches must land on BTI

// Has entry n map GiB of, with these flags, for all CPUs. What was there must not be in use.
static inline void page_table_alias(uint32_t n, uint32_t of, uint64_t flags)
{
	uint64_t *table = (uint64_t *)(read_sysreg(ttbr0_el1) & 0x0000fffffffff000ul);
	uint64_t entry = load(&table[of]) | flags;

	if (load(&table[n]) == entry)
		return;
	store(&table[n], 0);
	asm volatile("dsb ishst; tlbi vmalle1is; dsb ish" ::: "memory");
	store(&table[n], entry);
	asm volatile("dsb ishst; isb" ::: "memory");
}
