// SPDX-License-Identifier: Apache-2.0
// flood: on the message "VM COUNT" it sends COUNT numbered messages to that VM as fast as it can, each
// {u32 number, u32 count, padding to 64 bytes}, then reports "sent N busy M" to its client. M is how often
// the mailbox was full and flood slept until it was notified.
#include "service.h"

#define SIZE 64u

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	for (;;) {
		struct message m = receive();
		const char *p = (const char *)rx, *end = p + m.size;
		uint16_t to = (uint16_t)read_number(&p, end);
		uint32_t count = (uint32_t)read_number(&p, end);
		uint32_t sent = 0, busy = 0;

		release();
		for (; sent < count; sent++) {
			((uint32_t *)tx)[0] = sent;
			((uint32_t *)tx)[1] = count;

			int32_t e = send(to, SIZE);
			if (e < 0)
				break;
			busy += (uint32_t)e;
		}
		send(m.from, (uint32_t)format((char *)tx, sizeof(tx), "sent %u busy %u", sent, busy));
	}
}
