// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

uint8_t rx[SPCI_MSG_MAX] __attribute__((aligned(4096)));
uint8_t tx[SPCI_MSG_MAX] __attribute__((aligned(4096)));

// Called by start.S for every exception that no program expects. kind is the index of the vector.
_Noreturn void report_exception(uint64_t kind, uint64_t esr, uint64_t elr, uint64_t far);

void report_exception(uint64_t kind, uint64_t esr, uint64_t elr, uint64_t far)
{
	print("FAIL unexpected exception %lu: ESR 0x%lx ELR 0x%lx FAR 0x%lx\n", kind, esr, elr, far);
	die();
}

__attribute__((weak)) void handle_irq(void)
{
	print("FAIL unexpected IRQ\n");
	die();
}
