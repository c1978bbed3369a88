// SPDX-License-Identifier: Apache-2.0
// calls: makes calls of SPCI 0.9 with a value in every register and answers "ok" or which call changed what
// it must not.
#include "registers.h"
#include "service.h"

#define X(n) (1u << (n))
#define UNKNOWN (uint64_t)-1

static const struct kept_call calls[] = {
	{ .fn = SPCI_VERSION, .x0 = SPCI_SUCCESS, .may_change = X(2) },
	{ .fn = SPCI_ID_GET, .x0 = SPCI_SUCCESS, .may_change = X(2) },
	{ .fn = SPCI_ID_GET | 0x40000000u, .x0 = SPCI_SUCCESS, .may_change = X(2) },
	{ .fn = SPCI_FEATURES, .x0 = SPCI_ERROR, .may_change = X(2) },
	{ .fn = SPCI_MSG_POLL, .x0 = SPCI_ERROR, .may_change = X(2) },
	{ .fn = SPCI_YIELD, .x0 = SPCI_SUCCESS },
	{ .fn = SPCI_RX_RELEASE, .x0 = SPCI_SUCCESS },
	{ .fn = SPCI_RUN, .x0 = SPCI_ERROR, .may_change = X(2) },
	{ .fn = SPCI_MSG_SEND, .x0 = SPCI_ERROR, .may_change = X(2) },
	{ .fn = HF_VM_GET_COUNT, .x0 = 2 },
	{ .fn = HF_VCPU_GET_COUNT, .x0 = UNKNOWN },
	{ .fn = HF_INTERRUPT_GET, .x0 = HF_NO_INTID },
	{ .fn = HF_INTERRUPT_INJECT, .x0 = UNKNOWN },
	{ .fn = HF_SHARE_MEMORY, .x0 = UNKNOWN },
	{ .fn = HF_DEBUG_LOG, .x0 = 0, .args = { '\n' } },
	{ .fn = HF_DEBUG_LOG, .x0 = 0, .args = { '\n' }, .smc = 1 },
	{ .fn = 0x84000000u, .x0 = 0x10001 },
	{ .fn = 0x84000000u, .x0 = 0x10001, .smc = 1 },
	{ .fn = 0x84000001u, .x0 = 0 }, // CPU_SUSPEND: an interrupt of the primary's ends it
	// Unknown ones, SPCI by the wrong conduit, and what the host would serve its own guests.
	{ .fn = SPCI_ID_GET, .x0 = UNKNOWN, .smc = 1 },
	{ .fn = HF_VM_GET_COUNT, .x0 = UNKNOWN, .smc = 1 },
	{ .fn = 0xff0fu, .x0 = UNKNOWN },
	{ .fn = 0x8400006fu, .x0 = UNKNOWN },
	{ .fn = 0, .x0 = UNKNOWN },
	{ .fn = 0x12345678u, .x0 = UNKNOWN },
	{ .fn = 0x12345678u, .x0 = UNKNOWN, .smc = 1 },
	{ .fn = 0x84000050u, .x0 = UNKNOWN },
	{ .fn = 0x84000050u, .x0 = UNKNOWN, .smc = 1 },
	{ .fn = 0x8600ff01u, .x0 = UNKNOWN },
	{ .fn = 0xc5000020u, .x0 = UNKNOWN },
	{ .fn = 0xc6000000u, .x0 = UNKNOWN, .smc = 1 },
	{ .fn = 0xffffffffu, .x0 = UNKNOWN },
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	for (;;) {
		struct message m = receive();
		char text[128];

		release();
		if (kept_calls(calls, CALLS, text, sizeof(text)) == CALLS)
			format(text, sizeof(text), "ok");
		memcpy(tx, text, strlen(text));
		send(m.from, (uint32_t)strlen(text));
	}
}
