// SPDX-License-Identifier: Apache-2.0
// trespass: touches an address as a message of struct trespass asks, and says so if it survived. Its
// exception vectors print and then write to memory of the primary; whoever wants to know what killed
// it must look at the log.
#include "service.h"

#include "trespass.h"

extern char _start[];

static void read_pair(uint64_t a)
{
	uint64_t x, y;

	asm volatile("ldp %0, %1, [%2]" : "=&r"(x), "=&r"(y) : "r"(a) : "memory");
}

static void fpsimd_on(void)
{
	write_sysreg(cpacr_el1, 3ul << 20);
	isb();
}

static void touch(uint64_t how, uint64_t a)
{
	uint64_t x;

	switch (how) {
	case TOUCH_READ:
		asm volatile("ldr %0, [%1]" : "=r"(x) : "r"(a) : "memory");
		break;
	case TOUCH_WRITE:
		asm volatile("str xzr, [%0]" ::"r"(a) : "memory");
		break;
	case TOUCH_READ_BYTE:
		asm volatile("ldrb %w0, [%1]" : "=r"(x) : "r"(a) : "memory");
		break;
	case TOUCH_READ_PAIR:
		read_pair(a);
		break;
	case TOUCH_WRITE_PAIR:
		asm volatile("stp xzr, xzr, [%0]" ::"r"(a) : "memory");
		break;
	case TOUCH_READ_Q:
		fpsimd_on();
		asm volatile(".arch_extension fp\n.arch_extension simd\nldr q0, [%0]" ::"r"(a) : "memory");
		break;
	case TOUCH_WRITE_BACK:
		asm volatile("str xzr, [%0], #8" : "+r"(a)::"memory");
		break;
	case TOUCH_EXCLUSIVE:
		asm volatile("ldxr %0, [%1]" : "=r"(x) : "r"(a) : "memory");
		break;
	case TOUCH_ZERO:
		asm volatile("dc zva, %0" ::"r"(a) : "memory");
		break;
	case TOUCH_VECTORS:
		write_sysreg(vbar_el1, a & ~0x7fful);
		isb();
		// fall through
	case TOUCH_FETCH:
		asm volatile("br %0" ::"r"(a & ~3ul) : "memory");
		break;
	case TOUCH_TABLES:
		write_sysreg(ttbr0_el1, a & ~0xffful);
		asm volatile("isb; tlbi vmalle1; dsb nsh; isb" ::: "memory");
		break;
	}
}

// Turns the MMU and the caches off. The identity map makes that safe; what was written before is cleaned
// out of the caches first.
static void bare(uint64_t memory)
{
	uint64_t start = (uintptr_t)_start;

	for (uint64_t a = start; a < start + memory; a += 16)
		asm volatile("dc civac, %0" ::"r"(a) : "memory");
	asm volatile("dsb sy" ::: "memory");
	write_sysreg(vbar_el1, 0);
	write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) & ~(1ul | 1ul << 2 | 1ul << 12));
	isb();
}

// Fills memory with instructions that do nothing, so that execution runs off its end.
static void nops(uint64_t a, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i += 4)
		store((uint32_t *)(a + i), 0xd503201f);
	asm volatile("dc cvau, %0; dsb ish; ic ialluis; dsb ish; isb" ::"r"(a) : "memory");
}

void main(uint64_t memory)
{
	map_or_die();
	for (;;) {
		struct message m = receive();
		struct trespass t;

		memcpy(&t, rx, sizeof(t));
		release();
		uint64_t a = t.address;

		if (a == WHERE_OWN_START || a == WHERE_OWN_END)
			a = (uintptr_t)_start + (a == WHERE_OWN_END ? memory : 0);
		else if (a == WHERE_OWN_RX)
			a = (uintptr_t)rx;
		a -= t.back;
		if (t.touch == TOUCH_FETCH && t.back)
			nops(a & ~3ul, t.back);
		if (t.bare)
			bare(memory);
		touch(t.touch, a);
		send(m.from, (uint32_t)format((char *)tx, sizeof(tx), "still alive"));
	}
}
