// SPDX-License-Identifier: Apache-2.0
// The UART of a VM with a GIC, a PL011 (DDI0183).
#pragma once

#define UART       0x09000000ul
#define UART_INTID 33u

#define UARTDR   (UART + 0x00)
#define UARTFR   (UART + 0x18)
#define UARTCR   (UART + 0x30)
#define UARTIMSC (UART + 0x38)

#define UART_RXFE (1u << 4) // in FR: nothing was received
#define UART_TXFF (1u << 5) // in FR: no room to send
#define UART_ON   0x301u    // in CR: with its receiver and its transmitter
#define UART_TXIM (1u << 5) // in IMSC: it asks for its interrupt when there is room to send
