// SPDX-License-Identifier: Apache-2.0
// relay: takes the number of a VM off the front of a message, "VM REST", and sends the rest to that VM.
#include "service.h"

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	for (;;) {
		struct message m = receive();
		const char *p = (const char *)rx, *end = p + m.size;
		uint16_t to = (uint16_t)read_number(&p, end);

		if (p < end)
			p++;
		uint32_t size = (uint32_t)(end - p);

		memcpy(tx, p, size);
		release();
		int32_t e = send(to, size);
		if (e < 0)
			print("relay: no way to VM %u: %d\n", to, e);
	}
}
