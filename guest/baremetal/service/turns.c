// SPDX-License-Identifier: Apache-2.0
// turns: works a little, yields, and so on. Every now and then it looks for a message, and answers it with
// the number of yields so far, a decimal text, so that a scheduler can tell whether it lost one.
#include "service.h"

#define WORK 200u
#define LOOK 16u // turns from one look to the next

static void answer(uint64_t turns)
{
	struct regs r = hvc(SPCI_MSG_POLL, 0, 0, 0, 0);

	if (func(r) != SPCI_MSG_SEND)
		return;
	uint32_t size = (uint32_t)format((char *)tx, sizeof(tx), "%lu", turns);
	spci_release();
	send(high(r.x[1]), size);
}

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	for (uint64_t turns = 0;; turns++) {
		if (turns % LOOK == 0)
			answer(turns);
		for (volatile uint32_t n = 0; n < WORK; n++)
			;
		spci_yield();
	}
}
