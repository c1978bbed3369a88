// SPDX-License-Identifier: Apache-2.0
// What the lock service, of up to 8 vCPUs, is asked to do and what it answers.
#pragma once

#include <stdint.h>

#include "cpu.h"

#define LOCK_CELLS 64u // words that the lock guards, all incremented in each critical section

struct lock_order {
	uint64_t sections; // critical sections of all vCPUs together, before the answer
};

struct lock_report {
	uint64_t sections[MAX_CPUS]; // of each vCPU
	uint64_t cells_wrong;        // cells that were not incremented once in each section
	uint64_t backoffs;           // yields because the owner of the lock was scheduled out
	uint64_t ns;                 // from when all vCPUs contend to the end of the last section
};
