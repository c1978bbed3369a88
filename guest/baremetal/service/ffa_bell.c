// SPDX-License-Identifier: Apache-2.0
// ffa_bell: takes every notification of the primary, by its interrupt, and does no more with it.
#include "ffa.h"
#include "service.h"

#define PRIMARY 1u

static uint16_t self;

void handle_irq(void)
{
	hvc(HAF_INTERRUPT_GET, 0, 0, 0, 0);
	ffa_call(FFA_NOTIFICATION_GET, self, FFA_NOTIFICATIONS_ALL, 0, 0);
}

void main(uint64_t memory)
{
	(void)memory;
	ffa_call(FFA_VERSION, FFA_VERSION_1_2, 0, 0, 0);
	self = (uint16_t)ffa_call(FFA_ID_GET, 0, 0, 0, 0).x[2];
	hvc(HAF_INTERRUPT_ENABLE, FFA_INTID_NPI, 1, 0, 0);

	struct ffa_regs r = ffa_call(FFA_NOTIFICATION_BIND, ffa_pair(PRIMARY, self), 0, 0xffffffff, 0);

	if (ffa_func(&r) != FFA_SUCCESS)
		die();
	irq_unmask();
	for (;;)
		ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
}
