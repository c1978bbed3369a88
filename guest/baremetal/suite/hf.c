// SPDX-License-Identifier: Apache-2.0
// The interface of January 2019.
#include "suite.h"

#include "hf.h"
#include "trespass.h"

TEST(hf, ids_and_counts, "abi=hf cpus=2 vm=hf/echo vm=hf_flood")
{
	check(jan_call(JAN_VM_GET_ID, 0, 0, 0) == JAN_PRIMARY, "id");
	check(jan_call(JAN_VM_GET_COUNT, 0, 0, 0) == 3, "count");
	check(jan_call(JAN_VCPU_GET_COUNT, JAN_PRIMARY, 0, 0) == 2, "vCPUs of the primary");
	check(jan_call(JAN_VCPU_GET_COUNT, 1, 0, 0) == 1, "vCPUs of VM 1");
	check(jan_call(JAN_VCPU_GET_COUNT, 3, 0, 0) == (uint64_t)-1, "vCPUs of no VM");
}

// Runs a VM until it has nothing more to do or sends to the primary, and returns the last result.
static uint64_t run_out(uint64_t vm)
{
	uint64_t r;

	do
		r = jan_call(JAN_VCPU_RUN, vm, 0, 0);
	while (jan_code(r) == RUN_PREEMPTED || jan_code(r) == RUN_YIELD || jan_code(r) == RUN_NOTIFY_WAITERS);
	return r;
}

static void send_to(uint64_t vm, const void *data, uint32_t size)
{
	memcpy(tx, data, size);
	check(jan_call(JAN_MAILBOX_SEND, vm, size, false) != (uint64_t)-1, "send to VM %lu", vm);
}

// The interface has no word for it: whoever runs a dead VM is told that it waits for an interrupt.
TEST(hf, what_aborts_waits_for_ever, "abi=hf vm=hf/echo vm=hf/trespass vm=hf/trespass vm=hf/trespass")
{
	static const enum touch touches[] = { TOUCH_READ, TOUCH_WRITE_PAIR, TOUCH_VECTORS };

	check(jan_call(JAN_VM_CONFIGURE, (uintptr_t)tx, (uintptr_t)rx, 0) == 0, "configure");
	check(jan_code(run_out(1)) == RUN_WAIT_FOR_INTERRUPT, "echo does not wait");
	for (uint32_t i = 0; i < 3; i++) {
		struct trespass t = { .touch = touches[i], .address = 0x40000000 };
		uint64_t vm = 2 + i;

		check(jan_code(run_out(vm)) == RUN_WAIT_FOR_INTERRUPT, "VM %lu does not wait", vm);
		send_to(vm, &t, sizeof(t));
		for (uint32_t n = 0; n < 3; n++) {
			uint64_t r = run_out(vm);

			check(r == RUN_WAIT_FOR_INTERRUPT, "run %u of VM %lu: 0x%lx", n, vm, r);
			jan_call(JAN_INTERRUPT_INJECT, vm, 0, INTID_WRITABLE);
		}
		send_to(1, "well?", 5);
		uint64_t r = run_out(1);

		check(jan_code(r) == RUN_MESSAGE && jan_size(r) == 5 && memcmp(rx, "well?", 5) == 0, "echo: 0x%lx", r);
		jan_call(JAN_MAILBOX_CLEAR, 0, 0, 0);
	}
}
