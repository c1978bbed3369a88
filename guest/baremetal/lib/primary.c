// SPDX-License-Identifier: Apache-2.0
// The role of a primary: a PL011, a GIC, the power switch.
#include "guest.h"

#define UARTDR 0x09000000ul
#define UARTFR 0x09000018ul
#define TXFF   (1u << 5)

void put_char(char c)
{
	if (c == '\n')
		put_char('\r');
	while (load((uint32_t *)UARTFR) & TXFF)
		;
	store((uint32_t *)UARTDR, (uint8_t)c);
}

void die(void)
{
	for (;;)
		hvc(PSCI_SYSTEM_OFF, 0, 0, 0, 0);
}
