// SPDX-License-Identifier: Apache-2.0
#include "scheduler.h"

void pass(void)
{
	print("PASS\n");
	die();
}

void map_or_die(void)
{
	struct regs r = spci_map();

	check(func(r) == SPCI_SUCCESS, "map: %d", error(r));
}

int32_t send(uint16_t vm, uint32_t size)
{
	return error(spci_send(SPCI_PRIMARY, vm, size, 0));
}

struct regs run_until_idle(uint16_t vm)
{
	for (;;) {
		struct regs r = spci_run(vm, 0);

		switch (func(r)) {
		case SPCI_INTERRUPT:
		case SPCI_YIELD:
			break;
		case SPCI_RX_RELEASE:
			for (int64_t waiter; (waiter = hf_waiter_get(vm)) != HF_NONE;) {
				if (waiter != SPCI_PRIMARY)
					hf_interrupt_inject((uint16_t)waiter, 0, INTID_WRITABLE);
			}
			break;
		default:
			return r;
		}
	}
}
