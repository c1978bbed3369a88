// SPDX-License-Identifier: Apache-2.0
// memory: does with memory what the primary asks for, in messages of struct memory_request. Messages that
// describe memory are taken as read.
#include "service.h"

#include "memory.h"

static uint8_t own[PAGE_SIZE] __attribute__((aligned(4096)));

static void serve(uint16_t self, uint16_t client, struct memory_request *q)
{
	switch (q->job) {
	case JOB_READ:
		q->value = load((uint64_t *)q->address);
		break;
	case JOB_WRITE:
		store((uint64_t *)q->address, q->value);
		break;
	case JOB_OWN:
		q->value = (uintptr_t)own;
		break;
	case JOB_GIVE:
		q->value = (uint64_t)hf_share_memory(client, HF_GIVE, q->address, q->value * PAGE_SIZE);
		break;
	case JOB_RELINQUISH:
		send_memory(MEMORY_RELINQUISH, self, client, 0, q->address, (uint32_t)q->value);
		return;
	case JOB_DONATE:
		send_memory(MEMORY_DONATE, self, client, MEMORY_READ_WRITE, q->address, (uint32_t)q->value);
		return;
	}
	memcpy(tx, q, sizeof(*q));
	send(client, sizeof(*q));
}

void main(uint64_t memory)
{
	uint16_t self = spci_id();

	(void)memory;
	map_or_die();
	for (;;) {
		struct regs r = spci_wait();
		struct memory_request q;

		if (func(r) != SPCI_MSG_SEND)
			continue;
		memcpy(&q, rx, sizeof(q));
		spci_release();
		if (!(r.x[4] & SPCI_MEMORY))
			serve(self, high(r.x[1]), &q);
	}
}
