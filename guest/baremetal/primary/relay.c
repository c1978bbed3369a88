// SPDX-License-Identifier: Apache-2.0
// primary_relay: a message goes round through two secondaries. Secondaries: relay, relay.
#include "scheduler.h"

#define ROUNDS 100u

void main(uint64_t fdt)
{
	(void)fdt;
	scheduler_start(2);
	receive();
	for (uint32_t n = 0; n < ROUNDS; n++) {
		check(send_text(2, "3 2 3 1 round we go") == 0, "send");
		struct message m = receive();
		check(m.from == 3, "message from VM %u", m.from);
		expect_text(m, "round we go");
		release();
	}
	print("%u messages went round\n", ROUNDS);
	pass();
}
