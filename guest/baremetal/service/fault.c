// SPDX-License-Identifier: Apache-2.0
// fault: does what no VM may do. The first letter of the message says what to do with a page of the
// primary: r reads it, w writes it, x executes it, v executes it with the vectors there too, so that the
// abort repeats for ever. Anything else is answered with the message itself.
#include "service.h"

static void misbehave(uint8_t how)
{
	switch (how) {
	case 'r':
		load((uint64_t *)UNOWNED);
		break;
	case 'w':
		store((uint64_t *)UNOWNED, 0);
		break;
	case 'v':
		write_sysreg(vbar_el1, UNOWNED);
		isb();
		// fall through
	case 'x':
		((void (*)(void))UNOWNED)();
		break;
	default:
		return;
	}
	print("FAIL still alive after '%c'\n", how);
}

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	for (;;) {
		struct message m = receive();

		memcpy(tx, rx, m.size);
		release();
		if (m.size)
			misbehave(tx[0]);
		send(m.from, m.size);
	}
}
