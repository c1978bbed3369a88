// SPDX-License-Identifier: Apache-2.0
// What sends memory by FF-A (DEN0077A §10), and what asks the partition ffa_memory to do things with it. Version 1.2.
#pragma once

#include "region.h"

#define FFA_MEM_DONATE        0xC4000071u
#define FFA_MEM_LEND          0xC4000072u
#define FFA_MEM_SHARE         0xC4000073u
#define FFA_MEM_RECLAIM       0x84000077u

// Attributes: normal memory, write-back, inner shareable.
#define FFA_NORMAL_MEMORY 0x2fu

// Access of a borrower.
#define FFA_RO 1u
#define FFA_RW 2u
#define FFA_NX 4u

#define FFA_CLEAR       1u // the memory, when it is sent, retrieved or goes back
#define FFA_CLEAR_AFTER 4u // once the borrower gives it back

// What the partition ffa_memory is asked to do: x3 of a direct request of 64 bits. It answers with 0 or an error of
// FF-A in x3, and values from x4 on.
enum ffa_memory_job {
	MEMORY_RETRIEVE,   // x4: handle, x5: sender<<16 | flags, x6: access; answers first address, pages, ranges
	MEMORY_READ,       // x4: address; answers the 64 bits there
	MEMORY_WRITE,      // x4: address, x5: what to write there
	MEMORY_RELINQUISH, // x4: handle, x5: flags
	MEMORY_SEND,       // x4: function, x5: receiver, x6: access; answers handle and address of a page of its own
	MEMORY_RECLAIM,    // x4: handle
	MEMORY_UNMAP,      // unmaps its buffers; answers the address of RX
	MEMORY_MAP,        // maps them again
	MEMORY_SUM,        // answers the sum of the first 64 bits of all ranges that it retrieved last
};

// Describes memory for a receiver in buffer, a TX buffer, and returns the size of that.
static inline uint32_t ffa_describe(void *buffer, uint32_t fn, uint16_t sender, uint16_t receiver, uint32_t access,
				    uint32_t flags, const struct region_range *range, uint32_t ranges)
{
	struct {
		struct region_header header;
		struct region_receiver receiver;
		struct region_composite composite;
		struct region_range range[];
	} *d = buffer;

	memset(d, 0, sizeof(*d));
	d->header.sender = sender;
	d->header.attributes = fn == FFA_MEM_SHARE ? FFA_NORMAL_MEMORY : 0;
	d->header.flags = flags;
	d->header.receiver_size = sizeof(d->receiver);
	d->header.receiver_count = 1;
	d->header.receiver_offset = sizeof(d->header);
	d->receiver.id = receiver;
	d->receiver.permissions = fn == FFA_MEM_DONATE ? 0 : (uint8_t)access;
	d->receiver.composite = sizeof(d->header) + sizeof(d->receiver);
	d->composite.ranges = ranges;
	for (uint32_t i = 0; i < ranges; i++) {
		d->range[i] = range[i];
		d->composite.pages += range[i].pages;
	}
	return sizeof(*d) + ranges * (uint32_t)sizeof(range[0]);
}

// Sends memory that is described in one fragment. Returns an error, or 0 and the handle.
static inline int32_t ffa_mem_send(uint32_t fn, uint32_t size, uint64_t *handle)
{
	struct ffa_regs r = ffa_call(fn, size, size, 0, 0);

	*handle = r.x[2] | r.x[3] << 32;
	return ffa_func(&r) == FFA_SUCCESS ? 0 : ffa_errno(&r);
}

static inline int32_t ffa_mem_reclaim(uint64_t handle, uint32_t flags)
{
	struct ffa_regs r = ffa_call(FFA_MEM_RECLAIM, (uint32_t)handle, handle >> 32, flags, 0);

	return ffa_errno(&r);
}
