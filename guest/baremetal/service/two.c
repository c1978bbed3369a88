// SPDX-License-Identifier: Apache-2.0
// two: a service of two vCPUs. vCPU 0 receives a message, hands it to vCPU 1 and signals it by injecting
// an interrupt; vCPU 1, which vCPU 0 powered on, sends "vcpu 1: " and the message back.
#include "service.h"

#define INTID_WORK 9u

static struct message work;
static char text[SPCI_MSG_MAX];
static uint32_t full; // vCPU 0 sets it, vCPU 1 clears it

static void second(uint64_t unused)
{
	static const char prefix[] = "vcpu 1: ";
	const uint32_t head = sizeof(prefix) - 1;

	(void)unused;
	enable_interrupt(INTID_WORK);
	enable_interrupt(INTID_WRITABLE);
	for (;;) {
		while (!load(&full)) {
			wfi();
			while (take_interrupt() != HF_NO_INTID)
				;
		}
		dmb();
		uint32_t size = work.size < SPCI_MSG_MAX - head ? work.size : SPCI_MSG_MAX - head;

		memcpy(tx, prefix, head);
		memcpy(tx + head, text, size);
		send(work.from, head + size);
		dmb();
		store(&full, 0);
		// Whoever waits to hand over the next message sleeps on the same interrupt.
		inject_sibling(0, INTID_WORK);
	}
}

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	enable_interrupt(INTID_WORK);

	int64_t e = cpu_on(1, second, 0);
	if (e) {
		print("FAIL CPU_ON: %ld\n", e);
		die();
	}
	for (;;) {
		struct message m = receive();

		while (load(&full)) {
			wfi();
			while (take_interrupt() != HF_NO_INTID)
				;
		}
		work = m;
		memcpy(text, rx, m.size);
		dmb();
		store(&full, 1);
		release();
		inject_sibling(1, INTID_WORK);
	}
}
