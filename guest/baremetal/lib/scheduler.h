// SPDX-License-Identifier: Apache-2.0
// What the test primaries share: a scheduler for one vCPU at a time.
#pragma once

#include "guest.h"

#define FIRST_SECONDARY 2u

// Ends the program with a FAIL line unless condition holds.
#define check(condition, ...)                         \
	do {                                          \
		if (!(condition)) {                   \
			print("FAIL " __VA_ARGS__);   \
			print(" (%s)\n", #condition); \
			die();                        \
		}                                     \
	} while (0)

// Prints PASS and ends the program.
_Noreturn void pass(void);

// Registers tx and rx.
void map_or_die(void);

// Runs vCPU 0 of vm, following the rules of a scheduler, until it waits or sends a message to the
// primary. Returns the result of that run.
struct regs run_until_idle(uint16_t vm);

// Sends size bytes of tx to vm. Returns the SPCI error, or 0.
int32_t send(uint16_t vm, uint32_t size);
