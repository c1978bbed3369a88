// SPDX-License-Identifier: Apache-2.0
// ffa_server: does what direct requests ask for, in x3 (or x4 of a second-generation request, where everything stands
// one further): see the jobs below. The answer has in the same place 0 or an error of FF-A.
#include "ffa_service.h"
#include "region.h"
#include "service.h"

enum job {
	ECHO,     // nothing; x4 to x7 come back, with x3 = 0
	MEMORY,   // adds up one 64-bit word of each 64 bytes of the memory with the handle x4, inverts it and relinquishes;
		  // x4 = the sum, x5 = the number of ranges. x5 = 1 only reads.
	NOTIFY,   // sets the notifications x4 of the requester
	NOTIFIED, // x4 = all notifications that arrived since this was asked last
	BIND,     // lets the requester set the notifications x4
};

static struct region region;
static uint16_t self;

static uint64_t memory(uint16_t from, uint64_t x[3])
{
	bool write = x[1] == 0;
	uint64_t sum = 0;
	int32_t err = region_retrieve(&region, self, from, x[0], 0, write ? REGION_READ_WRITE : REGION_READ_ONLY);

	if (err)
		return (uint64_t)(int64_t)err;
	for (uint32_t i = 0; i < region.count; i++) {
		uint64_t *p = (uint64_t *)region.range[i].address;

		for (uint64_t *end = p + region.range[i].pages * 512ul; p < end; p += 8) {
			uint64_t word = load(p);

			sum += word;
			if (write)
				store(p, ~word);
		}
	}
	x[0] = sum;
	x[1] = region.count;
	return (uint64_t)(int64_t)region_relinquish(&region, 0);
}

static uint64_t serve(uint16_t from, uint64_t job, uint64_t x[3])
{
	struct ffa_regs r;

	switch (job) {
	case ECHO:
		return 0;
	case MEMORY:
		return memory(from, x);
	case NOTIFY:
		r = ffa_call(FFA_NOTIFICATION_SET, ffa_pair(self, from), 0, (uint32_t)x[0], x[0] >> 32);
		return (uint64_t)(int64_t)ffa_errno(&r);
	case NOTIFIED:
		r = ffa_call(FFA_NOTIFICATION_GET, self, FFA_NOTIFICATIONS_ALL, 0, 0);
		x[0] = (uint32_t)r.x[4] | r.x[5] << 32;
		return (uint64_t)(int64_t)ffa_errno(&r);
	case BIND:
		r = ffa_call(FFA_NOTIFICATION_BIND, ffa_pair(from, self), 0, (uint32_t)x[0], x[0] >> 32);
		return (uint64_t)(int64_t)ffa_errno(&r);
	}
	return (uint64_t)FFA_INVALID_PARAMETERS;
}

void main(uint64_t memory_size)
{
	struct ffa_regs r;

	(void)memory_size;
	self = ffa_start();
	r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
	for (;;) {
		uint16_t from = (uint16_t)(r.x[1] >> 16);
		uint64_t *x = &r.x[3];

		switch (ffa_func(&r)) {
		case FFA_DIRECT_REQ:
			r.x[0] = FFA_DIRECT_RESP;
			break;
		case FFA_DIRECT_REQ_64:
			r.x[0] = FFA_DIRECT_RESP_64;
			break;
		case FFA_DIRECT_REQ2:
			r.x[0] = FFA_DIRECT_RESP2;
			r.x[2] = r.x[3] = 0; // the UUID
			x = &r.x[4];
			break;
		default:
			r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
			continue;
		}
		x[0] = serve(from, x[0], x + 1);
		r.x[1] = ffa_pair(self, from);
		ffa_hvc(&r);
	}
}
