// SPDX-License-Identifier: Apache-2.0
// The role of a secondary in the interface of January 2019.
#include "service.h"

#include "hf.h"

const uint16_t primary_vm = JAN_PRIMARY;

uint16_t own_id(void)
{
	return (uint16_t)jan_call(JAN_VM_GET_ID, 0, 0, 0);
}

void yield(void)
{
	jan_call(JAN_VCPU_YIELD, 0, 0, 0);
}

void release(void)
{
	jan_call(JAN_MAILBOX_CLEAR, 0, 0, 0);
}

void enable_interrupt(uint32_t intid)
{
	jan_call(JAN_INTERRUPT_ENABLE, intid, true, 0);
}

uint32_t take_interrupt(void)
{
	return (uint32_t)jan_call(JAN_INTERRUPT_GET, 0, 0, 0);
}

void inject_sibling(uint16_t vcpu, uint32_t intid)
{
	jan_call(JAN_INTERRUPT_INJECT, own_id(), vcpu, intid);
}

// Blocks until some mailbox that this VM waits for became writable.
static void wait_writable(void)
{
	while (take_interrupt() != INTID_WRITABLE)
		wfi();
	while (jan_call(JAN_MAILBOX_WRITABLE_GET, 0, 0, 0) != (uint64_t)HF_NONE)
		;
}

// A failure may be a full mailbox or a VM that cannot be sent to: only the former is ever notified.
int32_t send(uint16_t to, uint32_t size)
{
	int32_t busy = 0;

	while (jan_call(JAN_MAILBOX_SEND, to, size, true) != 0) {
		busy++;
		wait_writable();
	}
	return busy;
}

bool try_send(uint16_t to, uint32_t size)
{
	return jan_call(JAN_MAILBOX_SEND, to, size, false) == 0;
}

struct message receive(void)
{
	for (;;) {
		uint64_t m = jan_call(JAN_MAILBOX_RECEIVE, true, 0, 0);

		if (jan_sender(m) != JAN_NO_VM)
			return (struct message){ (uint16_t)jan_sender(m), jan_size(m) };
		while (take_interrupt() != HF_NO_INTID)
			;
	}
}

void map_or_die(void)
{
	enable_interrupt(INTID_WRITABLE);
	if (jan_call(JAN_VM_CONFIGURE, (uintptr_t)tx, (uintptr_t)rx, 0) != 0) {
		print("FAIL configure\n");
		die();
	}
}
