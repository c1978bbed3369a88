// SPDX-License-Identifier: Apache-2.0
// How the benchmarks count. One line per job: "BENCH name ns", for one iteration in the quickest of some batches, so
// that what else the host does now and then falls out. When guest time is a count of instructions, so are the figures.
#pragma once

#include "guest.h"

#define BATCHES    20u
#define ITERATIONS 100u // of a batch

static inline void measure(const char *name, void (*job)(void))
{
	uint64_t best = ~0ull;

	for (uint32_t b = 0; b < BATCHES; b++) {
		uint64_t start = counter();

		for (uint32_t i = 0; i < ITERATIONS; i++)
			job();
		uint64_t ticks = counter() - start;
		if (ticks < best)
			best = ticks;
	}
	print("BENCH %s %lu\n", name, ticks_to_ns(best) / ITERATIONS);
}
