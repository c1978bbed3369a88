// SPDX-License-Identifier: Apache-2.0
// The role of a secondary: no device, a debug log, virtual interrupts, a mailbox.
#include "service.h"

void put_char(char c)
{
	hvc(HF_DEBUG_LOG, (uint8_t)c, 0, 0, 0);
}

void die(void)
{
	for (;;)
		store((uint32_t *)UNOWNED, 0);
}

void wait_writable(uint16_t to)
{
	for (;;) {
		while (hf_interrupt_get() != INTID_WRITABLE)
			wfi();
		for (int64_t vm; (vm = hf_writable_get()) != HF_NONE;) {
			if (vm == to)
				return;
		}
	}
}

uint32_t send(uint16_t to, uint32_t size)
{
	uint16_t self = spci_id();
	uint32_t busy = 0;

	hf_interrupt_enable(INTID_WRITABLE, true);
	for (;;) {
		struct regs r = spci_send(self, to, size, SPCI_NOTIFY);

		if (func(r) == SPCI_SUCCESS)
			return busy;
		if (error(r) != SPCI_BUSY) {
			print("FAIL send to VM %u: %d\n", to, error(r));
			die();
		}
		busy++;
		wait_writable(to);
	}
}

struct message receive(void)
{
	for (;;) {
		struct regs r = spci_wait();

		if (func(r) == SPCI_MSG_SEND)
			return (struct message){ high(r.x[1]), (uint32_t)r.x[3] };
		if (error(r) != SPCI_INTERRUPTED) {
			print("FAIL wait: %d\n", error(r));
			die();
		}
		while (hf_interrupt_get() != HF_NO_INTID)
			;
	}
}

void map_or_die(void)
{
	struct regs r = spci_map();

	if (func(r) != SPCI_SUCCESS) {
		print("FAIL map: %d\n", error(r));
		die();
	}
}
