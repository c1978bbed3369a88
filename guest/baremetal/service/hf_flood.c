// SPDX-License-Identifier: Apache-2.0
// hf_flood: on a message {u32 VM, u32 count} it sends that VM, which is to send them back, so many
// numbered messages, as fast as it can, and answers {u32 good, u32 busy}: how many came back in order,
// and how often the mailbox was full. In the interface of January 2019.
#include "service.h"

#include "hf.h"

static uint32_t back, good; // messages that came back

static void take(uint64_t m)
{
	if (*(uint32_t *)rx == back && jan_size(m) == 4)
		good++;
	back++;
	jan_call(JAN_MAILBOX_CLEAR, 0, 0, 0);
}

// Blocks until a message came back or a mailbox is writable.
static void wait(void)
{
	uint64_t m = jan_call(JAN_MAILBOX_RECEIVE, true, 0, 0);

	if (jan_sender(m) != JAN_NO_VM) {
		take(m);
		return;
	}
	if (jan_call(JAN_INTERRUPT_GET, 0, 0, 0) == INTID_WRITABLE) {
		while (jan_call(JAN_MAILBOX_WRITABLE_GET, 0, 0, 0) != (uint64_t)-1)
			;
	}
}

void main(uint64_t x0)
{
	if (x0 != 0 || jan_call(JAN_VM_CONFIGURE, (uintptr_t)tx, (uintptr_t)rx, 0) != 0)
		die();
	jan_call(JAN_INTERRUPT_ENABLE, INTID_WRITABLE, true, 0);
	for (;;) {
		uint64_t m = jan_call(JAN_MAILBOX_RECEIVE, true, 0, 0);

		if (jan_sender(m) == JAN_NO_VM) {
			jan_call(JAN_INTERRUPT_GET, 0, 0, 0);
			continue;
		}
		uint32_t to = ((uint32_t *)rx)[0], count = ((uint32_t *)rx)[1], busy = 0;

		jan_call(JAN_MAILBOX_CLEAR, 0, 0, 0);
		back = good = 0;
		for (uint32_t sent = 0; sent < count;) {
			*(uint32_t *)tx = sent;
			if (jan_call(JAN_MAILBOX_SEND, to, 4, true) == 0) {
				sent++;
				continue;
			}
			busy++;
			wait();
		}
		while (back < count)
			wait();
		((uint32_t *)tx)[0] = good;
		((uint32_t *)tx)[1] = busy;
		jan_call(JAN_MAILBOX_SEND, jan_sender(m), 8, false);
	}
}
