// SPDX-License-Identifier: Apache-2.0
// busy: never gives the CPU back and answers nobody. It must be preempted.
#include "service.h"

void main(uint64_t memory)
{
	(void)memory;
	print("busy: spinning\n");
	map_or_die();
	for (volatile uint64_t n = 0;; n++)
		;
}
