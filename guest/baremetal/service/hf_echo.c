// SPDX-License-Identifier: Apache-2.0
// hf_echo: sends every message back to whoever sent it, in the interface of January 2019.
#include "service.h"

#include "hf.h"

void main(uint64_t x0)
{
	print("hf_echo: VM %lu of %lu, x0 %lu\n", jan_call(JAN_VM_GET_ID, 0, 0, 0), jan_call(JAN_VM_GET_COUNT, 0, 0, 0), x0);
	if (x0 != 0 || jan_call(JAN_VM_CONFIGURE, (uintptr_t)tx, (uintptr_t)rx, 0) != 0)
		die();
	jan_call(JAN_INTERRUPT_ENABLE, INTID_WRITABLE, true, 0);
	for (;;) {
		uint64_t m = jan_call(JAN_MAILBOX_RECEIVE, true, 0, 0);

		if (jan_sender(m) == JAN_NO_VM) {
			jan_call(JAN_INTERRUPT_GET, 0, 0, 0);
			continue;
		}
		memcpy(tx, rx, jan_size(m));
		jan_call(JAN_MAILBOX_CLEAR, 0, 0, 0);
		while (jan_call(JAN_MAILBOX_SEND, jan_sender(m), jan_size(m), true) != 0) {
			while (jan_call(JAN_INTERRUPT_GET, 0, 0, 0) != INTID_WRITABLE)
				wfi();
			while (jan_call(JAN_MAILBOX_WRITABLE_GET, 0, 0, 0) != jan_sender(m))
				;
		}
	}
}
