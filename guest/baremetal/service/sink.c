// SPDX-License-Identifier: Apache-2.0
// sink: the slow receiver of flood. It yields some times before it frees its mailbox, so that the sender
// meets a full one; checks the numbers; and reports "received N bad M" to the primary after the last one.
#include "service.h"

#define YIELDS 3u

void main(uint64_t memory)
{
	uint32_t received = 0, bad = 0;

	(void)memory;
	map_or_die();
	for (;;) {
		receive();
		uint32_t number = ((uint32_t *)rx)[0], count = ((uint32_t *)rx)[1];

		if (number != received++)
			bad++;
		for (uint32_t n = 0; n < YIELDS; n++)
			yield();
		release();
		if (number + 1 == count) {
			send(primary_vm,
			     (uint32_t)format((char *)tx, sizeof(tx), "received %u bad %u", received, bad));
			received = bad = 0;
		}
	}
}
