// SPDX-License-Identifier: Apache-2.0
// What a primary says to the hostile service, and hears from it.
#pragma once

#include <stdint.h>

#define HOSTILE_MAGIC 0x656c6974736f4821ull

// The order: to make so many random calls on each of so many vCPUs, 1 or 2. memory is what the VM has, in bytes.
struct hostile_order {
	uint64_t calls, seed, vcpus, memory;
	uint64_t wild; // it may call what kills or stops it, and point at its own code
};

// The report, when all are made.
struct hostile_report {
	uint64_t magic, calls;
};

// The interrupt that ends whatever the hostile service blocks in.
#define INTID_WAKE 5u
