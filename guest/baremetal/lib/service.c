// SPDX-License-Identifier: Apache-2.0
// The role of a secondary: no device, a debug log, virtual interrupts, a mailbox.
#include "service.h"

static uint16_t self; // this VM's id

void put_char(char c)
{
	hvc(HF_DEBUG_LOG, (uint8_t)c, 0, 0, 0);
}

void die(void)
{
	for (;;)
		store((uint32_t *)UNOWNED, 0);
}

// Blocks until some mailbox that this VM waits for became writable.
static void wait_writable(void)
{
	while (hf_interrupt_get() != INTID_WRITABLE)
		wfi();
	while (hf_writable_get() != HF_NONE)
		;
}

int32_t send(uint16_t to, uint32_t size)
{
	int32_t busy = 0;

	for (;;) {
		struct regs r = spci_send(self, to, size, SPCI_NOTIFY);

		if (func(r) == SPCI_SUCCESS)
			return busy;
		if (error(r) != SPCI_BUSY)
			return error(r);
		busy++;
		wait_writable();
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
	self = spci_id();
	hf_interrupt_enable(INTID_WRITABLE, true);

	struct regs r = spci_map();

	if (func(r) != SPCI_SUCCESS) {
		print("FAIL map: %d\n", error(r));
		die();
	}
}
