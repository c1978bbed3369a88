// SPDX-License-Identifier: Apache-2.0
// borrower: on the message {u64 address, u64 size} it gives that memory, which the sender may have shared with it, back to
// the sender and yields, at each run from then on.
#include "service.h"

#include "memory.h"

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();

	struct message m = receive();
	uint64_t address = ((uint64_t *)rx)[0], size = ((uint64_t *)rx)[1];

	spci_release();
	for (;;) {
		hf_share_memory(m.from, HF_GIVE, address, size);
		spci_yield();
	}
}
