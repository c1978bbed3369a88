// SPDX-License-Identifier: Apache-2.0
// turns: works a little, yields, and so on. Answers every message with the number of yields so far, a
// decimal text, so that a scheduler can tell whether it lost one.
#include "service.h"

#define WORK 5000u

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	for (uint64_t turns = 0;; turns++) {
		struct regs r = hvc(SPCI_MSG_POLL, 0, 0, 0, 0);

		if (func(r) == SPCI_MSG_SEND) {
			uint32_t size = (uint32_t)format((char *)tx, sizeof(tx), "%lu", turns);

			spci_release();
			send(high(r.x[1]), size);
		}
		for (volatile uint32_t n = 0; n < WORK; n++)
			;
		spci_yield();
	}
}
