// SPDX-License-Identifier: Apache-2.0
// The role of a secondary in SPCI 0.9.
#include "service.h"

const uint16_t primary_vm = SPCI_PRIMARY;

static uint16_t self; // this VM's id

uint16_t own_id(void)
{
	return spci_id();
}

void yield(void)
{
	spci_yield();
}

void release(void)
{
	spci_release();
}

void enable_interrupt(uint32_t intid)
{
	hf_interrupt_enable(intid, true);
}

uint32_t take_interrupt(void)
{
	return hf_interrupt_get();
}

void inject_sibling(uint16_t vcpu, uint32_t intid)
{
	hf_interrupt_inject(self, vcpu, intid);
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

bool try_send(uint16_t to, uint32_t size)
{
	return func(spci_send(self, to, size, 0)) == SPCI_SUCCESS;
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
