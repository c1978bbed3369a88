// SPDX-License-Identifier: Apache-2.0
// yield: gives the CPU back whenever it has it.
#include "service.h"

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	for (;;)
		spci_yield();
}
