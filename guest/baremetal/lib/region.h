// SPDX-License-Identifier: Apache-2.0
// Memory that another endpoint shares or lends by FF-A (DEN0077A §10 and §16), for a borrower of version 1.2.
#pragma once

#include "ffa.h"
#include "guest.h"

#define FFA_MEM_RETRIEVE_REQ  0xC4000074u
#define FFA_MEM_RETRIEVE_RESP 0x84000075u
#define FFA_MEM_RELINQUISH    0x84000076u
#define FFA_MEM_FRAG_RX       0x8400007Au
#define FFA_MEM_FRAG_TX       0x8400007Bu

// Permissions of a borrower.
#define REGION_READ_ONLY  1u
#define REGION_READ_WRITE 2u

#ifndef REGION_MAX_RANGES
#define REGION_MAX_RANGES 2048u
#endif

struct region_range {
	uint64_t address;
	uint32_t pages, reserved;
};

// A region that was retrieved.
struct region {
	uint64_t handle;
	uint16_t self;
	uint32_t pages, count;
	struct region_range range[REGION_MAX_RANGES];
};

struct region_header {
	uint16_t sender, attributes;
	uint32_t flags;
	uint64_t handle, tag;
	uint32_t receiver_size, receiver_count, receiver_offset, reserved[3];
};

struct region_receiver {
	uint16_t id;
	uint8_t permissions, flags;
	uint32_t composite;
	uint64_t impdef[2], reserved;
};

struct region_composite {
	uint32_t pages, ranges;
	uint64_t reserved;
};

// Copies size bytes at offset of a descriptor of which rx holds the part from *base up to *end, and gets the next
// parts as they are needed. Returns an error of FF-A, or 0.
static inline int32_t region_read(uint64_t handle, uint32_t *base, uint32_t *end, uint32_t offset, void *to, uint32_t size)
{
	uint8_t *out = to;

	for (; size; size--, offset++) {
		if (offset >= *end) {
			ffa_call(FFA_RX_RELEASE, 0, 0, 0, 0);
			struct ffa_regs r = ffa_call(FFA_MEM_FRAG_RX, (uint32_t)handle, handle >> 32, *end, 0);

			if (ffa_func(&r) != FFA_MEM_FRAG_TX)
				return ffa_errno(&r) ? ffa_errno(&r) : FFA_INVALID_PARAMETERS;
			*base = *end;
			*end += (uint32_t)r.x[3];
		}
		*out++ = rx[offset - *base];
	}
	return 0;
}

// Asks for the memory behind a handle, with flags of a request to retrieve. Returns an error of FF-A, or 0. With more
// ranges than there is room for, the memory is retrieved and NO_MEMORY returned.
static inline int32_t region_retrieve(struct region *g, uint16_t self, uint16_t sender, uint64_t handle, uint32_t flags,
				      uint8_t permissions)
{
	struct {
		struct region_header header;
		struct region_receiver receiver;
	} request = {
		{ .sender = sender, .flags = flags, .handle = handle, .receiver_size = sizeof(struct region_receiver), .receiver_count = 1,
		  .receiver_offset = sizeof(struct region_header) },
		{ .id = self, .permissions = permissions },
	};
	struct region_composite composite;
	struct region_receiver receiver;
	struct region_header header;
	uint32_t base = 0, end;
	int32_t err;

	g->handle = handle;
	g->self = self;
	memcpy(tx, &request, sizeof(request));
	struct ffa_regs r = ffa_call(FFA_MEM_RETRIEVE_REQ, sizeof(request), sizeof(request), 0, 0);

	if (ffa_func(&r) != FFA_MEM_RETRIEVE_RESP)
		return ffa_errno(&r) ? ffa_errno(&r) : FFA_INVALID_PARAMETERS;
	end = (uint32_t)r.x[2];
	memcpy(&header, rx, sizeof(header));
	memcpy(&receiver, rx + header.receiver_offset, sizeof(receiver));
	err = region_read(handle, &base, &end, receiver.composite, &composite, sizeof(composite));
	g->pages = composite.pages;
	g->count = composite.ranges;
	if (!err && composite.ranges > REGION_MAX_RANGES)
		err = FFA_NO_MEMORY;
	if (!err)
		err = region_read(handle, &base, &end, receiver.composite + sizeof(composite), g->range,
				  composite.ranges * (uint32_t)sizeof(g->range[0]));
	ffa_call(FFA_RX_RELEASE, 0, 0, 0, 0);
	return err;
}

// Gives the memory back, with flags. Returns an error of FF-A, or 0.
static inline int32_t region_relinquish(const struct region *g, uint32_t flags)
{
	struct {
		uint64_t handle;
		uint32_t flags, count;
		uint16_t id;
	} request = { g->handle, flags, 1, g->self };

	memcpy(tx, &request, sizeof(request));
	struct ffa_regs r = ffa_call(FFA_MEM_RELINQUISH, 0, 0, 0, 0);

	return ffa_errno(&r);
}

// The address of a byte of the region, or 0 if it does not lie there.
static inline uint64_t region_address(const struct region *g, uint64_t offset)
{
	for (uint32_t i = 0; i < g->count; i++) {
		uint64_t size = (uint64_t)g->range[i].pages * 4096;

		if (offset < size)
			return g->range[i].address + offset;
		offset -= size;
	}
	return 0;
}
