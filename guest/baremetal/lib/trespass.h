// SPDX-License-Identifier: Apache-2.0
// What the trespass service is asked to do: to touch an address in some way.
#pragma once

#include <stdint.h>

// Ways to touch an address.
enum touch {
	TOUCH_READ,       // 64 bits
	TOUCH_WRITE,      // 64 bits
	TOUCH_READ_BYTE,
	TOUCH_READ_PAIR,  // one instruction, two registers
	TOUCH_WRITE_PAIR,
	TOUCH_READ_Q,     // 128 bits of a SIMD register
	TOUCH_WRITE_BACK, // a store that also moves its address
	TOUCH_EXCLUSIVE,  // a load that claims the address
	TOUCH_ZERO,       // DC ZVA
	TOUCH_FETCH,      // an instruction
	TOUCH_VECTORS,    // an instruction, with the exception vectors there as well
	TOUCH_TABLES,     // with the translation tables there
	TOUCH_COUNT,
};

// Where, besides an address.
#define WHERE_OWN_END   1ul // the end of the service's own memory, less back bytes
#define WHERE_OWN_START 2ul // the start, likewise
#define WHERE_OWN_RX    3ul // the page in which it receives messages

struct trespass {
	uint64_t touch;
	uint64_t address; // or WHERE_…
	uint64_t back;    // bytes before it
	uint64_t bare;    // with the MMU off, so that addresses of any size are reached, and without vectors
};
