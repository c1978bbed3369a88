// SPDX-License-Identifier: Apache-2.0
// primary_hf_echo: the interface of January 2019. Messages of many sizes come back, full mailboxes are
// reported when they become writable, and a secondary floods another. Secondaries: hf/echo, hf_flood.
#include "scheduler.h"

#include "hf.h"

#define ECHO   1u
#define FLOOD  2u
#define ROUNDS 20u
#define COUNT  300u

static bool ready[FLOOD + 1] = { [ECHO] = true, [FLOOD] = true };

static void wake(uint32_t vm, uint32_t vcpu)
{
	check(vm <= FLOOD && vm != JAN_PRIMARY, "wake of VM %u", vm);
	check(vcpu == 0 || vcpu == JAN_NO_VCPU, "wake of vCPU %u", vcpu);
	ready[vm] = true;
}

static void notify_waiters(uint32_t vm)
{
	for (uint64_t w; (w = jan_call(JAN_MAILBOX_WAITER_GET, vm, 0, 0)) != (uint64_t)-1;) {
		if (w != JAN_PRIMARY && jan_call(JAN_INTERRUPT_INJECT, w, 0, INTID_WRITABLE) == 1)
			wake((uint32_t)w, 0);
	}
}

// Runs what is ready until the primary gets a message. Returns its size, or -1 if nothing is ready.
static int64_t get_message(uint32_t *from)
{
	for (bool any = true; any;) {
		any = false;
		for (uint32_t vm = ECHO; vm <= FLOOD; vm++) {
			if (!ready[vm])
				continue;
			any = true;
			uint64_t r = jan_call(JAN_VCPU_RUN, vm, 0, 0);

			switch (jan_code(r)) {
			case RUN_PREEMPTED:
			case RUN_YIELD:
				break;
			case RUN_WAIT_FOR_INTERRUPT:
				ready[vm] = false;
				break;
			case RUN_WAKE_UP:
				wake(jan_wake_vm(r), jan_wake_vcpu(r));
				break;
			case RUN_NOTIFY_WAITERS:
				notify_waiters(vm);
				break;
			case RUN_MESSAGE:
				*from = vm;
				return jan_size(r);
			default:
				check(false, "VM %u: run returned 0x%lx", vm, r);
			}
		}
	}
	return -1;
}

static uint64_t send_to(uint32_t vm, uint32_t size)
{
	uint64_t r = jan_call(JAN_MAILBOX_SEND, vm, size, true);

	if (r != (uint64_t)-1)
		wake(vm, (uint32_t)r);
	return r;
}

static void clear(void)
{
	uint64_t r = jan_call(JAN_MAILBOX_CLEAR, 0, 0, 0);

	if (r == 1)
		notify_waiters(JAN_PRIMARY);
	else
		check(r == 0, "clear: 0x%lx", r);
}

// Only the first message finds the service blocked; afterwards it has just sent its answer.
static void round_trip(uint32_t size, uint32_t seed)
{
	uint32_t from = 0;

	for (uint32_t i = 0; i < size; i++)
		tx[i] = (uint8_t)(seed + i);
	memset(rx, 0, sizeof(rx));
	uint64_t r = send_to(ECHO, size);

	check(r == (seed + size ? JAN_NO_VCPU : 0), "send of %u bytes: 0x%lx", size, r);
	int64_t got = get_message(&from);

	check(got == size && from == ECHO, "%ld bytes of VM %u", got, from);
	check(memcmp(tx, rx, size) == 0, "the answer of %u bytes differs", size);
	clear();
}

// Two messages without a run in between: the second finds the mailbox full, and is notified.
static void writable(void)
{
	uint32_t from = 0;

	while (get_message(&from) >= 0)
		check(false, "a message of VM %u", from);
	tx[0] = 1;
	check(send_to(ECHO, 1) == 0, "send");
	check(send_to(ECHO, 1) == (uint64_t)-1, "a full mailbox took a message");
	check(get_message(&from) == 1, "no answer");
	check(jan_call(JAN_MAILBOX_WRITABLE_GET, 0, 0, 0) == ECHO, "not told that the mailbox is writable");
	check(jan_call(JAN_MAILBOX_WRITABLE_GET, 0, 0, 0) == (uint64_t)-1, "told twice");
	check(jan_call(JAN_MAILBOX_CLEAR, 0, 0, 0) == 0, "clear");
	check(jan_call(JAN_MAILBOX_CLEAR, 0, 0, 0) == (uint64_t)-1, "clear of an empty mailbox");
}

static void flood(void)
{
	uint32_t from = 0;

	((uint32_t *)tx)[0] = ECHO;
	((uint32_t *)tx)[1] = COUNT;
	check(send_to(FLOOD, 8) == 0, "send");
	check(get_message(&from) == 8 && from == FLOOD, "no report of the flood");
	uint32_t good = ((uint32_t *)rx)[0], busy = ((uint32_t *)rx)[1];

	check(good == COUNT && busy > 0, "%u of %u came back, %u met a full mailbox", good, COUNT, busy);
	print("%u messages came back, %u met a full mailbox\n", good, busy);
	clear();
}

void main(uint64_t fdt)
{
	static const uint32_t sizes[] = { 0, 1, 7, 64, 1000, 4095, 4096 };
	uint32_t from = 0;

	(void)fdt;
	check(jan_call(JAN_VM_GET_ID, 0, 0, 0) == JAN_PRIMARY, "id");
	check(jan_call(JAN_VM_GET_COUNT, 0, 0, 0) == 3, "count");
	check(jan_call(JAN_VCPU_GET_COUNT, ECHO, 0, 0) == 1, "vCPUs");
	check(jan_call(JAN_VM_CONFIGURE, (uintptr_t)tx, (uintptr_t)rx, 0) == 0, "configure");
	check(get_message(&from) == -1, "a message of VM %u", from);
	check(jan_call(JAN_VCPU_RUN, ECHO, 0, 0) == RUN_WAIT_FOR_INTERRUPT, "a blocked vCPU runs");
	check(jan_call(JAN_VCPU_RUN, 3, 0, 0) == RUN_WAIT_FOR_INTERRUPT, "VM 3 runs");
	for (uint32_t n = 0; n < ROUNDS; n++) {
		for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			round_trip(sizes[i], n);
	}
	writable();
	flood();
	pass();
}
