// SPDX-License-Identifier: Apache-2.0
// stuck: never gives the CPU back, and makes no call.
#include "service.h"

void main(uint64_t x0)
{
	(void)x0;
	for (volatile uint64_t n = 0;; n++)
		;
}
