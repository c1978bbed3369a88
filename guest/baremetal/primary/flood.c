// SPDX-License-Identifier: Apache-2.0
// primary_flood: one secondary floods another, and the primary floods both: full mailboxes, waiters,
// writable notification, and nothing lost. Secondaries: flood, sink, echo.
#include "scheduler.h"

#define FLOOD  (FIRST_SECONDARY + 0)
#define SINK   (FIRST_SECONDARY + 1)
#define ECHO   (FIRST_SECONDARY + 2)
#define COUNT  200u

static void secondary_to_secondary(void)
{
	char text[64];
	bool reported = false, received = false;

	format(text, sizeof(text), "%u %u", SINK, COUNT);
	check(send_text(FLOOD, text) == 0, "send");
	while (!reported || !received) {
		struct message m = receive();

		if (m.from == FLOOD) {
			const char *p = (const char *)rx + strlen("sent"), *end = (const char *)rx + m.size;
			uint64_t sent = read_number(&p, end);

			p += strlen(" busy");
			uint64_t busy = read_number(&p, end);
			print("flood sent %lu, met a full mailbox %lu times\n", sent, busy);
			check(sent == COUNT && busy > 0, "flood");
			reported = true;
		} else {
			check(m.from == SINK, "message from VM %u", m.from);
			format(text, sizeof(text), "received %u bad 0", COUNT);
			expect_text(m, text);
			received = true;
		}
		release();
	}
}

// Two messages without a run in between: the second finds the mailbox full, and is notified.
static void primary_to_secondary(void)
{
	uint32_t before = times_writable(ECHO);

	check(send_text(ECHO, "one") == 0, "send");
	check(send_text(ECHO, "two") == SPCI_BUSY, "a full mailbox took a message");
	expect_text(receive(), "one");
	check(times_writable(ECHO) == before + 1, "notified %u times", times_writable(ECHO) - before);
	release();
	check(send_text(ECHO, "two") == 0, "send");
	expect_text(receive(), "two");
	release();
}

// The primary keeps its mailbox full while a secondary wants to answer.
static void secondary_to_primary(void)
{
	check(send_text(ECHO, "first") == 0, "send");
	expect_text(receive(), "first");
	check(send_text(ECHO, "second") == 0, "send");
	check(receive().from == 0, "a full mailbox took a message");
	release();
	expect_text(receive(), "second");
	release();
}

void main(uint64_t fdt)
{
	(void)fdt;
	scheduler_start(3);
	receive();
	secondary_to_secondary();
	primary_to_secondary();
	secondary_to_primary();
	pass();
}
