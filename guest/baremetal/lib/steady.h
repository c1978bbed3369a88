// SPDX-License-Identifier: Apache-2.0
// What the steady services answer to the primary: how many words of memory are as they left them. Everybody
// else gets the first bytes of the message back, if there is room for it.
#pragma once

#include <stdint.h>

#define STEADY_WORDS 8192u

struct steady_answer {
	uint64_t good; // STEADY_WORDS if the memory is unchanged
	uint64_t echo; // the first 64 bits of the request
};
