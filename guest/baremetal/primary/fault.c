// SPDX-License-Identifier: Apache-2.0
// primary_fault: secondaries touch what is not theirs; each VM dies, nobody else does.
// Secondaries: fault, fault, fault, fault, echo.
#include "scheduler.h"

#define ECHO (FIRST_SECONDARY + 4)

void main(uint64_t fdt)
{
	static const char ways[] = "rwxv";

	(void)fdt;
	scheduler_start(5);
	receive();
	for (uint16_t i = 0; ways[i]; i++) {
		const char letter[] = { ways[i], 0 };
		uint16_t vm = (uint16_t)(FIRST_SECONDARY + i);

		check(send_text(vm, letter) == 0, "send");
		check(receive().from == 0, "VM %u answered '%c'", vm, ways[i]);
		check(is_dead(vm), "VM %u survived '%c'", vm, ways[i]);
		check(func(spci_run(vm, 0)) == SPCI_ERROR, "VM %u can be run again", vm);

		check(send_text(ECHO, letter) == 0, "send to echo");
		struct message m = receive();
		check(m.from == ECHO, "message from VM %u", m.from);
		expect_text(m, letter);
		release();
		print("'%c': VM %u is dead, the rest is well\n", ways[i], vm);
	}
	pass();
}
