// SPDX-License-Identifier: Apache-2.0
// loader: calls code with the MMU off, as a boot loader does: first one that waits in a WFI, twice, then another
// that it has put in its place. It answers with what that made of 41.
#include "service.h"

#define INTID_OWN 7u

#define WFI     0xd503207fu
#define RET     0xd65f03c0u
#define ADD_ONE 0x91000400u // add x0, x0, #1

// A cache line or more of its own: nothing else is written back to it.
static uint32_t code[512] __attribute__((aligned(2048)));

// Puts an instruction in front of a return, where the code is fetched from with and without caches.
static void put(uint32_t instruction)
{
	store(&code[0], instruction);
	store(&code[1], RET);
	asm volatile("dc civac, %0; dsb sy; ic ialluis; dsb sy; isb" ::"r"(code) : "memory");
}

// Calls the code with x0 = x. Meanwhile nothing is loaded or stored.
static uint64_t call_bare(uint64_t x)
{
	uint64_t on = read_sysreg(sctlr_el1);
	register uint64_t x0 asm("x0") = x;

	asm volatile("msr sctlr_el1, %1; isb; blr %3; msr sctlr_el1, %2; isb"
		     : "+r"(x0)
		     : "r"(on & ~(1ul | 1ul << 2 | 1ul << 12)), "r"(on), "r"(code)
		     : "memory", "x30");
	return x0;
}

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	enable_interrupt(INTID_OWN);
	for (;;) {
		struct message m = receive();

		release();
		put(WFI);
		for (int i = 0; i < 2; i++) {
			call_bare(0);
			if (take_interrupt() != INTID_OWN)
				die();
		}
		put(ADD_ONE);
		send(m.from, (uint32_t)format((char *)tx, sizeof(tx), "%lu", call_bare(41)));
	}
}
