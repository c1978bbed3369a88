// SPDX-License-Identifier: Apache-2.0
// ffa_memory: sends, retrieves, reads and writes memory as direct requests ask it to.
#include "ffa_memory.h"
#include "service.h"

static uint8_t own[PAGE_SIZE] __attribute__((aligned(4096)));
static struct region got; // what it retrieved last
static uint16_t self;

static int32_t retrieve(struct ffa_regs *r)
{
	int32_t err = region_retrieve(&got, self, high(r->x[5]), r->x[4], low(r->x[5]), (uint8_t)r->x[6]);

	r->x[4] = got.range[0].address;
	r->x[5] = got.pages;
	r->x[6] = got.count;
	return err;
}

static int32_t send_own(struct ffa_regs *r)
{
	struct region_range page = { (uintptr_t)own, 1, 0 };
	uint32_t fn = (uint32_t)r->x[4];
	uint32_t size = ffa_describe(tx, fn, self, (uint16_t)r->x[5], (uint32_t)r->x[6], 0, &page, 1);

	r->x[5] = page.address;
	return ffa_mem_send(fn, size, &r->x[4]);
}

static int32_t serve(struct ffa_regs *r)
{
	struct ffa_regs buffers;

	switch ((enum ffa_memory_job)r->x[3]) {
	case MEMORY_RETRIEVE:
		return retrieve(r);
	case MEMORY_READ:
		r->x[4] = load((uint64_t *)r->x[4]);
		return 0;
	case MEMORY_WRITE:
		store((uint64_t *)r->x[4], r->x[5]);
		return 0;
	case MEMORY_RELINQUISH:
		got.handle = r->x[4];
		return region_relinquish(&got, (uint32_t)r->x[5]);
	case MEMORY_SEND:
		return send_own(r);
	case MEMORY_RECLAIM:
		return ffa_mem_reclaim(r->x[4], 0);
	case MEMORY_UNMAP:
		r->x[4] = (uintptr_t)rx;
		buffers = ffa_call(FFA_RXTX_UNMAP, 0, 0, 0, 0);
		return ffa_errno(&buffers);
	case MEMORY_MAP:
		buffers = ffa_call(FFA_RXTX_MAP, (uintptr_t)tx, (uintptr_t)rx, 1, 0);
		return ffa_errno(&buffers);
	case MEMORY_SUM:
		r->x[4] = 0;
		for (uint32_t i = 0; i < got.count; i++)
			r->x[4] += load((uint64_t *)got.range[i].address);
		return 0;
	}
	return FFA_INVALID_PARAMETERS;
}

void main(uint64_t memory)
{
	struct ffa_regs r = ffa_call(FFA_VERSION, FFA_VERSION_1_2, 0, 0, 0);

	(void)memory;
	r = ffa_call(FFA_ID_GET, 0, 0, 0, 0);
	self = (uint16_t)r.x[2];
	r = ffa_call(FFA_RXTX_MAP, (uintptr_t)tx, (uintptr_t)rx, 1, 0);
	if (ffa_func(&r) != FFA_SUCCESS)
		die();
	r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
	for (;;) {
		if (ffa_func(&r) != FFA_DIRECT_REQ_64) {
			r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
			continue;
		}
		r.x[3] = (uint64_t)(int64_t)serve(&r);
		r.x[0] = FFA_DIRECT_RESP_64;
		r.x[1] = ffa_pair(self, high(r.x[1]));
		r.x[2] = 0;
		ffa_hvc(&r);
	}
}
