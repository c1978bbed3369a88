// SPDX-License-Identifier: Apache-2.0
// primary_two: a service whose vCPU 0 powers on and signals vCPU 1. Secondaries: two, with 2 vCPUs.
#include "scheduler.h"

#define ROUNDS 100u

void main(uint64_t fdt)
{
	char text[64];

	(void)fdt;
	scheduler_start(1);
	receive();
	for (uint32_t n = 0; n < ROUNDS; n++) {
		format(text, sizeof(text), "job %u", n);
		check(send_text(FIRST_SECONDARY, text) == 0, "send %u", n);

		struct message m = receive();
		check(m.from == FIRST_SECONDARY, "no answer to %u", n);
		format(text, sizeof(text), "vcpu 1: job %u", n);
		expect_text(m, text);
		release();
	}
	print("vCPU 1 answered %u times\n", ROUNDS);
	pass();
}
