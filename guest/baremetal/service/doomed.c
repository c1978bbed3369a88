// SPDX-License-Identifier: Apache-2.0
// doomed: a service of two vCPUs. The first message is the address of a word that it shares with the primary;
// vCPU 1 counts in it for ever. At the second message vCPU 0 touches what is not its own.
#include "service.h"

static void second(uint64_t word)
{
	for (uint64_t n = 1;; n++)
		store((uint64_t *)word, n);
}

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	receive();
	uint64_t word = *(uint64_t *)rx;

	release();
	cpu_on(1, second, word);
	receive();
	die();
}
