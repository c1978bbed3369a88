// SPDX-License-Identifier: Apache-2.0
// What the clock service is asked to do with its timer, and what it answers.
#pragma once

#include <stdint.h>

enum clock_wait {
	CLOCK_SPIN,    // until the timer interrupts it
	CLOCK_WFI,     // sleep in WFI until then
	CLOCK_RECEIVE, // block for a message until then
	CLOCK_YIELD,   // yield once, then spin
	CLOCK_OFF,     // no timer: spin until the counter is there
};

// The timer fires count times, period_us apart, the deadlines counted from the first.
struct clock_order {
	uint64_t wait, period_us, count;
};

struct clock_report {
	uint64_t taken;     // timer interrupts
	uint64_t early;     // of them before the deadline
	uint64_t latest_ns; // the greatest lateness
	uint64_t ns;        // from the first order to the last interrupt
	uint64_t waits;     // how often a wait ended, with the timer's interrupt or without
};
