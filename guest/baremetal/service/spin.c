// SPDX-License-Identifier: Apache-2.0
// spin: on the message "US" (microseconds, decimal) it works for so long without letting go of the CPU, then
// answers how often it saw its clock move on.
#include "service.h"

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	for (;;) {
		struct message m = receive();
		const char *p = (const char *)rx, *end = p + m.size;
		uint64_t until = counter() + us_to_ticks(read_number(&p, end)), moved = 0;

		release();
		for (uint64_t now = counter(), was = now; now < until; was = now, now = counter())
			moved += now != was;
		send(m.from, (uint32_t)format((char *)tx, sizeof(tx), "%lu", moved));
	}
}
