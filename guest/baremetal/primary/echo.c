// SPDX-License-Identifier: Apache-2.0
// primary_echo: sends messages of many sizes and checks what comes back. Secondaries: echo.
#include "scheduler.h"

#define ROUNDS 100u

static const uint16_t sizes[] = { 0, 1, 7, 64, 1000, 4095, 4096 };

static void round_trip(uint32_t size, uint32_t seed)
{
	for (uint32_t i = 0; i < size; i++)
		tx[i] = (uint8_t)(seed + i);
	memset(rx, 0, sizeof(rx));

	int32_t e = send(FIRST_SECONDARY, size);
	check(e == 0, "send of %u bytes: %d", size, e);

	struct message m = receive();
	check(m.from == FIRST_SECONDARY, "message from VM %u", m.from);
	check(m.size == size, "sent %u bytes, %u came back", size, m.size);
	check(memcmp(tx, rx, size) == 0, "the answer of %u bytes differs", size);
	release();
}

void main(uint64_t fdt)
{
	struct regs v = hvc(SPCI_VERSION, 0, 0, 0, 0);

	(void)fdt;
	check(func(v) == SPCI_SUCCESS && (uint32_t)v.x[2] == SPCI_VERSION_0_9, "version 0x%lx %lx", v.x[0], v.x[2]);
	check(spci_id() == SPCI_PRIMARY, "id %u", spci_id());
	scheduler_start(1);

	struct regs r = run_through(FIRST_SECONDARY, 0);
	check(func(r) == SPCI_MSG_WAIT && r.x[2] == 0, "first run: 0x%lx %lx %lx", r.x[0], r.x[1], r.x[2]);
	for (uint32_t n = 0; n < ROUNDS; n++) {
		for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			round_trip(sizes[i], n);
	}
	print("%u messages came back\n", (uint32_t)(ROUNDS * sizeof(sizes) / sizeof(sizes[0])));
	pass();
}
