// SPDX-License-Identifier: Apache-2.0
// ffa_notify: returns every notification of the primary: the same bits, global ones as they come, those of its vCPU too.
#include "ffa.h"
#include "service.h"

#define PRIMARY 1u

static uint32_t pending;

void handle_irq(void)
{
	while (hvc(HAF_INTERRUPT_GET, 0, 0, 0, 0).x[0] == FFA_INTID_NPI)
		store(&pending, 1);
}

static void expect(const char *what, struct ffa_regs r)
{
	if (ffa_func(&r) != FFA_SUCCESS) {
		print("FAIL %s: 0x%lx %d\n", what, r.x[0], ffa_errno(&r));
		die();
	}
}

void main(uint64_t memory)
{
	(void)memory;
	ffa_call(FFA_VERSION, FFA_VERSION_1_1, 0, 0, 0);
	uint16_t self = (uint16_t)ffa_call(FFA_ID_GET, 0, 0, 0, 0).x[2];

	hvc(HAF_INTERRUPT_ENABLE, FFA_INTID_NPI, 1, 0, 0);
	expect("bind", ffa_call(FFA_NOTIFICATION_BIND, ffa_pair(PRIMARY, self), 0, 0xffffffff, 0));
	expect("bind for the vCPU", ffa_call(FFA_NOTIFICATION_BIND, ffa_pair(PRIMARY, self), 1, 0, 0xffffffff));
	irq_unmask();
	for (;;) {
		if (!load(&pending)) {
			ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0); // its result says only that the primary ran this vCPU
			continue;
		}
		store(&pending, 0);
		struct ffa_regs r = ffa_call(FFA_NOTIFICATION_GET, self, FFA_NOTIFICATIONS_ALL, 0, 0);

		expect("get", r);
		if (r.x[4] | r.x[5])
			expect("set", ffa_call(FFA_NOTIFICATION_SET, ffa_pair(self, PRIMARY), 0, r.x[4], r.x[5]));
	}
}
