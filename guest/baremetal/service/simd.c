// SPDX-License-Identifier: Apache-2.0
// simd: a service of two vCPUs that keep values in all registers of FP and SIMD while they take turns. Asked
// "TURNS", it answers how many registers had changed on vCPU 0 and on vCPU 1.
#include "registers.h"
#include "service.h"

static uint64_t turns;    // of each vCPU
static uint64_t bad[2];   // registers
static uint64_t over[2];  // turns

static void work(uint64_t self)
{
	simd_enable();
	for (uint64_t n = 1; n <= load(&turns); n++) {
		simd_fill(2 * n + self);
		yield();
		store(&bad[self], bad[self] + simd_differs(2 * n + self));
		store(&over[self], n);
	}
}

static void second(uint64_t unused)
{
	(void)unused;
	work(1);
	for (;;)
		yield();
}

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	struct message m = receive();
	const char *p = (const char *)rx;

	turns = read_number(&p, p + m.size);
	release();
	cpu_on(1, second, 0);
	work(0);
	while (load(&over[1]) < turns)
		yield();
	send(m.from, (uint32_t)format((char *)tx, sizeof(tx), "%lu %lu", load(&bad[0]), load(&bad[1])));
	for (;;)
		receive();
}
