// SPDX-License-Identifier: Apache-2.0
// waiter: waits for messages that it ignores, and for the interrupt that it takes and drops.
#include "service.h"

#define INTID_WAITER 8u

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	enable_interrupt(INTID_WAITER);
	for (;;) {
		receive();
		release();
	}
}
