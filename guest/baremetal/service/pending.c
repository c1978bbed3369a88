// SPDX-License-Identifier: Apache-2.0
// pending: asked "N", it raises an interrupt of its own N times and each time waits for it in every way there
// is: WFI, CPU_SUSPEND and the receiving call. None of them may block. It answers how often it has waited.
#include "service.h"

#define INTID_OWN        7u
#define PSCI_CPU_SUSPEND 0xc4000001u

static bool raise(void)
{
	return hf_interrupt_inject(own_id(), 0, INTID_OWN) == 0;
}

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	enable_interrupt(INTID_OWN);
	for (;;) {
		struct message m = receive();
		const char *p = (const char *)rx;
		uint64_t count = read_number(&p, p + m.size), waited = 0;

		release();
		for (uint64_t n = 0; n < count; n++) {
			if (!raise())
				break;
			wfi();
			waited += take_interrupt() == INTID_OWN;
			if (!raise())
				break;
			if ((int64_t)hvc(PSCI_CPU_SUSPEND, 0, 0, 0, 0).x[0] != 0)
				break;
			waited += take_interrupt() == INTID_OWN;
			if (!raise())
				break;
			if (error(spci_wait()) != SPCI_INTERRUPTED)
				break;
			waited += take_interrupt() == INTID_OWN;
		}
		send(m.from, (uint32_t)format((char *)tx, sizeof(tx), "%lu", waited));
	}
}
