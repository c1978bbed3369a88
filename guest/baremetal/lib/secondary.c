// SPDX-License-Identifier: Apache-2.0
// What every secondary has, whatever the interface: no device, a debug log.
#include "service.h"

void put_char(char c)
{
	hvc(HF_DEBUG_LOG, (uint8_t)c, 0, 0, 0);
}

void die(void)
{
	for (;;)
		store((uint32_t *)UNOWNED, 0);
}
