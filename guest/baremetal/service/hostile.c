// SPDX-License-Identifier: Apache-2.0
// hostile: on a message of struct hostile_order it makes random calls on all of its vCPUs, and then reports to
// the sender. Most are nonsense; a quarter would be right of somebody else.
#include "hostile.h"

#include "hf.h"
#include "memory.h"
#include "random.h"
#include "service.h"

// The part of the VM's memory, at its end, that it can lose and live on.
#define SCRATCH (64 * 4096ul)

#define RAM_BASE 0x40000000ul
#define RAM_SIZE 0x04000000ul

#define PSCI_CPU_SUSPEND 0x84000001u
#define PSCI_CPU_OFF     0x84000002u
#define SDEI_REGISTER    0xc4000021u
#define SMC64            0x40000000u

struct calls {
	uint32_t first, count;
};

// Calls that every machine may have.
static const struct calls common[] = {
	{ 0x84000000u, 0x20 }, // PSCI
	{ 0xc4000000u, 0x20 },
	{ 0xc4000020u, 0x20 }, // SDEI
	{ 0xc5000090u, 0x04 }, // PV_SCHED
	{ 0xbd000000u, 0x01 }, // the debug log
};

// Those of the two interfaces.
static const struct calls november[] = {
	{ SPCI_ERROR, 0x10 },
	{ SPCI_ERROR | SMC64, 0x10 },
	{ 0xff00u, 0x10 },
};
static const struct calls january[] = { { JAN_VM_GET_ID, 0x0e } };

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

extern char _start[];

static bool january_2019; // the interface; else that of November
static uint16_t self;
static uint64_t own_start, own_end;
static bool wild; // it risks its life
static uint64_t done; // vCPU 1 is

static uint64_t scratch(uint64_t *state)
{
	if (wild && random_below(state, 8) == 0)
		return own_start + random_below(state, (own_end - own_start) / 4096) * 4096;
	return own_end - SCRATCH + random_below(state, SCRATCH / 4096) * 4096;
}

// Somewhere in the machine, but, unless it is wild, not what the VM cannot live without.
static uint64_t pointer(uint64_t *state)
{
	uint64_t a = RAM_BASE + random_below(state, RAM_SIZE / 4096) * 4096;

	switch (random_below(state, 4)) {
	case 0:
		if (wild || a < own_start || a >= own_end)
			return a;
		// fall through
	case 1:
		return scratch(state);
	case 2:
		return scratch(state) + random_below(state, 4096);
	default:
		return wild ? own_start + random_below(state, own_end - own_start) : RAM_BASE;
	}
}

static uint64_t argument(uint64_t *state)
{
	switch (random_below(state, 10)) {
	case 0:
	case 1:
		return random_below(state, 8);
	case 2:
	case 3:
		return pointer(state);
	case 4: // two VMs, or a VM and a vCPU
		return random_below(state, 6) << 16 | random_below(state, 6);
	case 5: // a VM and what to do with memory
		return random_below(state, 6) << 32 | random_below(state, 4);
	case 6: // a size
		return random_below(state, 20) * 4096;
	case 7:
		return random_below(state, 4100);
	case 8:
		return 0 - random_below(state, 5000);
	default:
		return random_next(state);
	}
}

static uint32_t function(uint64_t *state)
{
	uint64_t n = random_below(state, 16);
	const struct calls *c;

	if (n == 0)
		return (uint32_t)random_next(state);
	if (n < 4)
		c = &common[random_below(state, COUNT(common))];
	else if (january_2019)
		c = &january[random_below(state, COUNT(january))];
	else
		c = &november[random_below(state, COUNT(november))];
	return c->first + (uint32_t)random_below(state, c->count);
}

// Makes x a call that would be right of somebody else.
static void sense_november(uint64_t *state, uint64_t *x)
{
	uint64_t to = random_below(state, 6);

	switch (random_below(state, 4)) {
	case 0: { // a message that describes memory
		struct memory_message m = {
			.type = (uint16_t)random_below(state, 5),
			.flags = (uint32_t)random_below(state, 2),
			.page_count = (uint32_t)random_below(state, 4),
			.constituent_count = 1,
			.constituent_offset = offsetof(struct memory_message, constituent) - 8,
			.attribute_count = 1,
			.attribute = { { (uint16_t)to, (uint16_t)random_next(state) } },
			.constituent = { { scratch(state), (uint32_t)random_below(state, 3), 0 } },
		};

		// Not its address: the message could describe what the VM cannot live without.
		uint64_t size = wild ? sizeof(m) : offsetof(struct memory_message, constituent);

		if (random_below(state, 3) == 0)
			((uint8_t *)&m)[random_below(state, size)] = (uint8_t)random_next(state);
		memcpy(tx, &m, sizeof(m));
		x[0] = SPCI_MSG_SEND;
		x[1] = (uint64_t)self << 16 | to;
		x[3] = sizeof(m);
		x[4] = SPCI_MEMORY | random_below(state, 2);
		return;
	}
	case 1: // a message
		*(uint64_t *)tx = random_next(state);
		x[0] = SPCI_MSG_SEND;
		x[1] = (uint64_t)self << 16 | to;
		x[3] = random_below(state, 4097);
		x[4] = random_below(state, 2);
		return;
	case 2: // a gift
		x[0] = HF_SHARE_MEMORY;
		x[1] = to << 32 | random_below(state, 3);
		x[2] = scratch(state);
		x[3] = 4096 * random_below(state, 3);
		return;
	default: // an interrupt
		x[0] = HF_INTERRUPT_INJECT;
		x[1] = random_below(state, 4) ? self : to;
		x[2] = random_below(state, 3);
		x[3] = random_below(state, 66);
	}
}

static void sense_january(uint64_t *state, uint64_t *x)
{
	switch (random_below(state, 3)) {
	case 0: // a message
		*(uint64_t *)tx = random_next(state);
		x[0] = JAN_MAILBOX_SEND;
		x[1] = random_below(state, 5);
		x[2] = random_below(state, 4097);
		x[3] = random_below(state, 2);
		return;
	case 1: // to take one, or drop it
		x[0] = random_below(state, 2) ? JAN_MAILBOX_RECEIVE : JAN_MAILBOX_CLEAR;
		x[1] = random_below(state, 2);
		return;
	default: // an interrupt
		x[0] = JAN_INTERRUPT_INJECT;
		x[1] = random_below(state, 4) ? self : random_below(state, 5);
		x[2] = random_below(state, 3);
		x[3] = random_below(state, 66);
	}
}

static bool may_block(uint32_t fn)
{
	uint32_t convention = fn & ~SMC64;

	if (convention == PSCI_CPU_SUSPEND)
		return true;
	return january_2019 ? fn == JAN_MAILBOX_RECEIVE : convention == SPCI_MSG_WAIT;
}

static void call_any(const uint64_t *x, bool smc)
{
	register uint64_t x0 asm("x0") = x[0];
	register uint64_t x1 asm("x1") = x[1];
	register uint64_t x2 asm("x2") = x[2];
	register uint64_t x3 asm("x3") = x[3];
	register uint64_t x4 asm("x4") = x[4];
	register uint64_t x5 asm("x5") = x[5];
	register uint64_t x6 asm("x6") = x[6];
	register uint64_t x7 asm("x7") = x[7];

	if (smc)
		asm volatile("smc #0"
			     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6), "+r"(x7)
			     :
			     : "memory", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17");
	else
		asm volatile("hvc #0"
			     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6), "+r"(x7)
			     :
			     : "memory", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17");
}

static void attack(const struct hostile_order *order, uint64_t vcpu)
{
	uint64_t state = random_seed(order->seed * 64 + vcpu);

	for (uint64_t n = 0; n < order->calls;) {
		uint64_t x[8];
		uint32_t fn = function(&state);

		if (!wild && (fn == PSCI_CPU_OFF || fn == SDEI_REGISTER))
			continue;
		for (uint32_t i = 1; i < 8; i++)
			x[i] = argument(&state);
		x[0] = fn | (random_below(&state, 64) ? 0 : random_next(&state) << 32);
		if (random_below(&state, 4) == 0)
			(january_2019 ? sense_january : sense_november)(&state, x);
		if (may_block((uint32_t)x[0]))
			enable_interrupt(INTID_WAKE); // an earlier call may have disabled it
		call_any(x, random_below(&state, 16) == 0);
		n++;
	}
}

static const struct hostile_order *second_order;

static void second(uint64_t unused)
{
	(void)unused;
	attack(second_order, 1);
	store(&done, 1);
	for (;;)
		wfi();
}

void main(uint64_t x0)
{
	static struct hostile_order order;

	(void)x0;
	january_2019 = primary_vm == JAN_PRIMARY;
	self = own_id();
	map_or_die();
	struct message m = receive();

	memcpy(&order, rx, sizeof(order));
	release();
	wild = order.wild;
	own_start = (uintptr_t)_start;
	own_end = own_start + order.memory;
	second_order = &order;
	if (order.vcpus > 1)
		cpu_on(1, second, 0);
	attack(&order, 0);
	while (order.vcpus > 1 && !load(&done))
		yield();

	struct hostile_report report = { HOSTILE_MAGIC, order.calls * order.vcpus };

	memcpy(tx, &report, sizeof(report));
	while (!try_send(m.from, sizeof(report)))
		yield();
	for (;;) {
		receive();
		release();
	}
}
