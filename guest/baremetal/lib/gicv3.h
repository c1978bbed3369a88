// SPDX-License-Identifier: Apache-2.0
// A GICv3 at the addresses of QEMU's virt machine, as far as a primary needs it for its own timer.
#pragma once

#include <stdint.h>

#define INTID_VIRTUAL_TIMER 27u

// Makes this CPU, one of the first 16, take the private interrupt intid, 0 to 31.
void gic_enable_private(uint32_t intid);

// Acknowledges the interrupt that caused an IRQ, and ends it.
uint32_t gic_acknowledge(void);
void gic_end(uint32_t intid);

// Sends the SGI intid (0 to 15) to the CPUs in the mask.
void gic_signal(uint32_t cpus, uint32_t intid);
