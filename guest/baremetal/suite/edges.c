// SPDX-License-Identifier: Apache-2.0
// What happens to a VM that leaves its memory, and to the others.
#include "suite.h"

#define VICTIM (FIRST_SECONDARY + 0)
#define ECHO   (FIRST_SECONDARY + 1)

// The fault service does the forbidden thing and dies; the echo service lives.
static void dies_of(const char *letter)
{
	scheduler_start(2);
	receive();
	check(send_text(VICTIM, letter) == 0, "send");
	check(receive().from == 0, "VM %u answered '%s'", VICTIM, letter);
	check(is_dead(VICTIM), "VM %u survived '%s'", VICTIM, letter);
	check(func(spci_run(VICTIM, 0)) == SPCI_ERROR, "VM %u can be run again", VICTIM);

	check(send_text(ECHO, letter) == 0, "send to echo");
	struct message m = receive();
	check(m.from == ECHO, "message from VM %u", m.from);
	expect_text(m, letter);
	release();
}

TEST(edges, read, "vm=fault vm=echo")
{
	dies_of("r");
}

TEST(edges, write, "vm=fault vm=echo")
{
	dies_of("w");
}

TEST(edges, fetch, "vm=fault vm=echo")
{
	dies_of("x");
}

TEST(edges, fetch_with_vectors_there_too, "vm=fault vm=echo")
{
	dies_of("v");
}
