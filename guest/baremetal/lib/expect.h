// SPDX-License-Identifier: Apache-2.0
// What the suites that make a call after the other say of each.
#pragma once

#include "guest.h"

// Ends the program with a FAIL line unless the call returns what is wanted.
#define expect(call, want)                                                               \
	do {                                                                             \
		int64_t got_ = (call);                                                   \
		check(got_ == (want), "line %u: %ld, not %ld", __LINE__, got_, (int64_t)(want)); \
	} while (0)
