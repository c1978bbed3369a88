// SPDX-License-Identifier: Apache-2.0
// busy: never gives the CPU back and answers nobody, on as many vCPUs as it has. It must be preempted.
#include "service.h"

static void spin(uint64_t unused)
{
	(void)unused;
	for (volatile uint64_t n = 0;; n++)
		;
}

void main(uint64_t memory)
{
	(void)memory;
	print("busy: spinning\n");
	map_or_die();
	for (uint64_t i = 1; cpu_state(i) == CPU_IS_OFF; i++)
		if (cpu_on(i, spin, 0))
			die();
	spin(0);
}
