// SPDX-License-Identifier: Apache-2.0
// What the crew service, of up to 8 vCPUs, is asked to do and what it answers.
#pragma once

#include <stdint.h>

#include "cpu.h"

enum crew_job {
	CREW_COUNT, // answer how many turns each vCPU had
	CREW_POWER, // switch vCPUs on and off, arg times, and answer
	CREW_TAKE,  // answer each of arg interrupts CREW_INTID of vCPU 0, which spins meanwhile
	CREW_RIOT,  // answer; the others do anything from then on, until
	CREW_DIE,   // the VM aborts
};

#define CREW_INTID 9u

struct crew_order {
	uint64_t job, arg;
};

struct crew_report {
	uint64_t turns[MAX_CPUS]; // CREW_COUNT: loops of each vCPU, each of which ends in a yield
	uint64_t bad;             // things that were not as they had to be
	uint64_t line;            // where the first of them is tested
};
