// SPDX-License-Identifier: Apache-2.0
// primary_bad_scheduler: breaks rules of schedulers on purpose, for `hfvmm run --check-scheduler` to tell.
// Secondaries: echo, busy.
#include "scheduler.h"

#define ECHO (FIRST_SECONDARY + 0)
#define BUSY (FIRST_SECONDARY + 1)

void main(uint64_t fdt)
{
	struct regs r;

	(void)fdt;
	scheduler_start(2);

	// Polls a vCPU that waits for a message.
	do
		r = spci_run(ECHO, 0);
	while (func(r) != SPCI_MSG_WAIT);
	spci_run(ECHO, 0);

	// Does not ask who waits for a mailbox that was freed.
	check(spci_send(SPCI_PRIMARY, ECHO, 1, 0).x[0] == SPCI_SUCCESS, "send");
	check(error(spci_send(SPCI_PRIMARY, ECHO, 1, SPCI_NOTIFY)) == SPCI_BUSY, "a full mailbox took a message");
	do
		r = spci_run(ECHO, 0);
	while (func(r) != SPCI_RX_RELEASE);
	do
		r = spci_run(ECHO, 0);
	while (func(r) != SPCI_MSG_SEND);
	do
		r = spci_run(ECHO, 0);
	while (func(r) != SPCI_MSG_WAIT);

	// Forgets a vCPU that has work to do.
	r = spci_run(BUSY, 0);
	check(func(r) == SPCI_INTERRUPT, "run: 0x%lx", r.x[0]);
	for (uint64_t end = counter() + us_to_ticks(1500000); counter() < end;)
		;
	pass();
}
