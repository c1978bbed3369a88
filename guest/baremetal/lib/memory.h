// SPDX-License-Identifier: Apache-2.0
// Memory that changes hands, in SPCI 0.9: Hafnium's share_memory and messages that describe memory.
#pragma once

#include "guest.h"

// What share_memory does.
#define HF_GIVE  0u
#define HF_LEND  1u
#define HF_SHARE 2u

static inline int64_t hf_share_memory(uint16_t vm, uint32_t how, uint64_t address, uint64_t size)
{
	return (int64_t)hvc(HF_SHARE_MEMORY, (uint64_t)vm << 32 | how, address, size, 0).x[0];
}

// What a message does.
enum memory_type { MEMORY_DONATE, MEMORY_LEND, MEMORY_SHARE, MEMORY_RELINQUISH };

// Attributes of a receiver: access, and normal memory, write-back, inner shareable.
#define MEMORY_READ_ONLY  (0u << 5 | 0x1fu)
#define MEMORY_READ_WRITE (3u << 5 | 0x1fu)

struct memory_message {
	uint16_t type;
	uint16_t reserved[3];
	// The region; the offset of the constituents counts from here.
	uint32_t tag, flags, page_count, constituent_count, constituent_offset, attribute_count;
	struct {
		uint16_t receiver, attributes;
	} attribute[1];
	uint32_t padding;
	struct {
		uint64_t address;
		uint32_t pages, reserved;
	} constituent[1];
};

// Describes one range of pages in tx and sends that.
static inline struct regs send_memory(enum memory_type type, uint16_t from, uint16_t to, uint32_t attributes,
				      uint64_t address, uint32_t pages)
{
	struct memory_message m = {
		.type = (uint16_t)type,
		.page_count = pages,
		.constituent_count = 1,
		.constituent_offset = offsetof(struct memory_message, constituent) - 8,
		.attribute_count = 1,
		.attribute = { { to, (uint16_t)attributes } },
		.constituent = { { address, pages, 0 } },
	};

	memcpy(tx, &m, sizeof(m));
	return spci_send(from, to, sizeof(m), SPCI_MEMORY);
}

// What the memory service is asked to do with its memory, and what it answers: the value read.
enum memory_job {
	JOB_READ,       // the 64 bits at address
	JOB_WRITE,      // them, to value
	JOB_OWN,        // nothing: the value is the address of a page of its own
	JOB_GIVE,       // pages at address to the primary, by share_memory
	JOB_RELINQUISH, // pages at address to the primary, by a message, which is the answer
	JOB_DONATE,     // the same
};

struct memory_request {
	uint64_t job, address, value;
};
