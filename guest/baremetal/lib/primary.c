// SPDX-License-Identifier: Apache-2.0
// The role of a primary: a PL011, a GIC, the power switch.
#include "guest.h"
#include "pl011.h"

void put_char(char c)
{
	if (c == '\n')
		put_char('\r');
	while (load((uint32_t *)UARTFR) & UART_TXFF)
		;
	store((uint32_t *)UARTDR, (uint8_t)c);
}

void die(void)
{
	for (;;)
		hvc(PSCI_SYSTEM_OFF, 0, 0, 0, 0);
}
