// SPDX-License-Identifier: Apache-2.0
// What the services, programs of secondaries, share.
#pragma once

#include "guest.h"

// The first page of the machine's RAM, which is the primary's. Touching it aborts a secondary.
#define UNOWNED 0x40000000ul

struct message {
	uint16_t from;
	uint32_t size;
};

// Registers tx and rx, and enables the mailbox-writable interrupt, which send needs, for this vCPU.
void map_or_die(void);

// Blocks until a message is in rx. Interrupts that arrive meanwhile are taken and dropped.
struct message receive(void);

// Sends size bytes of tx. While the receiver's mailbox is full it asks to be notified, waits for the
// mailbox-writable interrupt and tries again. Returns how often that was so, or an SPCI error.
int32_t send(uint16_t to, uint32_t size);
