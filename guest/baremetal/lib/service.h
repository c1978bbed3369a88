// SPDX-License-Identifier: Apache-2.0
// What the services, programs of secondaries, share.
#pragma once

#include "guest.h"

// The first page of the machine's RAM, which is the primary's. Touching it aborts a secondary.
#define UNOWNED 0x40000000ul

// The calls below are those of the interface that the service is linked for: service.c is SPCI 0.9,
// hf_service.c the one of January 2019. A service that makes no others runs under both.

struct message {
	uint16_t from;
	uint32_t size;
};

extern const uint16_t primary_vm; // the id of the primary

uint16_t own_id(void);
void yield(void);

// Registers tx and rx, and enables the mailbox-writable interrupt, which send needs, for this vCPU.
void map_or_die(void);

// Blocks until a message is in rx. Interrupts that arrive meanwhile are taken and dropped.
struct message receive(void);

// Frees rx for the next message.
void release(void);

// Sends size bytes of tx. While the receiver's mailbox is full it asks to be notified, waits for the
// mailbox-writable interrupt and tries again. Returns how often that was so, or a negative error.
int32_t send(uint16_t to, uint32_t size);

// Sends once and does not wait. False if the message was refused, as by a full mailbox.
bool try_send(uint16_t to, uint32_t size);

// Virtual interrupts of the calling vCPU. take_interrupt returns HF_NO_INTID if none is pending.
void enable_interrupt(uint32_t intid);
uint32_t take_interrupt(void);

// Raises an interrupt of another vCPU of this VM.
void inject_sibling(uint16_t vcpu, uint32_t intid);
