// SPDX-License-Identifier: Apache-2.0
// echo: sends every message back to whoever sent it.
#include "service.h"

void main(uint64_t memory)
{
	print("echo: %lu KiB at 0x%lx\n", memory / 1024, (uintptr_t)main & ~0xffful);
	map_or_die();
	for (;;) {
		struct message m = receive();

		memcpy(tx, rx, m.size);
		// Release before the answer: whoever has the answer may send again at once.
		release();
		send(m.from, m.size);
	}
}
