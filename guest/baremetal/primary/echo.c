// SPDX-License-Identifier: Apache-2.0
// primary_echo: schedules the secondary `echo` and checks what comes back. Usage: one secondary, echo.
#include "scheduler.h"

#define ROUNDS 100u

static const uint16_t sizes[] = { 0, 1, 7, 64, 1000, 4095, 4096 };

static void round_trip(uint32_t size, uint32_t seed)
{
	for (uint32_t i = 0; i < size; i++)
		tx[i] = (uint8_t)(seed + i);
	memset(rx, 0, sizeof(rx));

	int32_t e = send(FIRST_SECONDARY, size);
	check(e == 0, "send %u bytes: %d", size, e);

	struct regs r = run_until_idle(FIRST_SECONDARY);
	check(func(r) == SPCI_MSG_SEND, "run: 0x%lx %lx %lx", r.x[0], r.x[1], r.x[2]);
	check(high(r.x[1]) == FIRST_SECONDARY && low(r.x[1]) == SPCI_PRIMARY, "VMs 0x%lx", r.x[1]);
	check((uint32_t)r.x[3] == size, "sent %u bytes, %lu came back", size, r.x[3]);
	check(memcmp(tx, rx, size) == 0, "the answer of %u bytes differs", size);
	r = spci_release();
	check(func(r) == SPCI_SUCCESS, "release: 0x%lx", r.x[0]);
}

void main(uint64_t fdt)
{
	(void)fdt;
	struct regs v = hvc(SPCI_VERSION, 0, 0, 0, 0);
	uint64_t vms = hvc(HF_VM_GET_COUNT, 0, 0, 0, 0).x[0];

	check(func(v) == SPCI_SUCCESS && (uint32_t)v.x[2] == SPCI_VERSION_0_9, "version 0x%lx %lx", v.x[0], v.x[2]);
	check(spci_id() == SPCI_PRIMARY, "id %u", spci_id());
	check(vms >= 2, "%lu VMs", vms);
	map_or_die();

	struct regs r = run_until_idle(FIRST_SECONDARY);
	check(func(r) == SPCI_MSG_WAIT, "first run: 0x%lx %lx %lx", r.x[0], r.x[1], r.x[2]);
	for (uint32_t n = 0; n < ROUNDS; n++) {
		for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			round_trip(sizes[i], n);
	}
	print("%u messages came back\n", (uint32_t)(ROUNDS * sizeof(sizes) / sizeof(sizes[0])));
	pass();
}
