// SPDX-License-Identifier: Apache-2.0
// Numbers that look random and can be had again: xorshift64*.
#pragma once

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

// A state for seed, whatever that is.
static inline uint64_t random_seed(uint64_t seed)
{
	return (seed + 1) * 0x9e3779b97f4a7c15ull | 1;
}

// A number below n.
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
	return random_next(state) % n;
}

// Fills words of memory with what seed gives, or finds whether they are still that.
static inline void random_fill(uint64_t *p, uint64_t words, uint64_t seed)
{
	uint64_t state = random_seed(seed);

	for (uint64_t i = 0; i < words; i++)
		p[i] = random_next(&state);
}

static inline int random_matches(const uint64_t *p, uint64_t words, uint64_t seed)
{
	uint64_t state = random_seed(seed);

	for (uint64_t i = 0; i < words; i++) {
		if (p[i] != random_next(&state))
			return 0;
	}
	return 1;
}
