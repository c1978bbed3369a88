// SPDX-License-Identifier: Apache-2.0
// ffa_memory: sends, retrieves, reads and writes memory as direct requests ask it to.
#include "ffa_memory.h"
#include "service.h"

static uint8_t own[PAGE_SIZE] __attribute__((aligned(4096)));
static struct ffa_range got[512];
static uint32_t ranges;
static uint16_t self;

static int32_t retrieve(struct ffa_regs *r)
{
	struct ffa_transaction *t = (void *)tx;
	struct ffa_regs a;
	uint32_t total, at, pages;

	memset(t, 0, sizeof(*t) + sizeof(t->receiver[0]));
	t->sender = high(r->x[5]);
	t->flags = low(r->x[5]);
	t->handle = r->x[4];
	t->receiver_size = sizeof(t->receiver[0]);
	t->receivers = 1;
	t->receiver_offset = sizeof(*t);
	t->receiver[0].id = self;
	t->receiver[0].permissions = (uint8_t)r->x[6];
	a = ffa_call(FFA_MEM_RETRIEVE_REQ, sizeof(*t) + sizeof(t->receiver[0]), sizeof(*t) + sizeof(t->receiver[0]), 0, 0);
	if (ffa_func(&a) != FFA_MEM_RETRIEVE_RESP)
		return ffa_errno(&a);
	total = (uint32_t)a.x[1];
	at = (uint32_t)a.x[2];
	t = (void *)rx;
	struct ffa_composite *c = (void *)(rx + t->receiver[0].composite);
	uint32_t first = t->receiver[0].composite + sizeof(*c), n = (at - first) / sizeof(got[0]);

	ranges = c->ranges;
	pages = c->pages;
	if (ranges > 512 || total != first + ranges * sizeof(got[0]))
		return FFA_NO_MEMORY;
	memcpy(got, c->range, n * sizeof(got[0]));
	ffa_call(FFA_RX_RELEASE, 0, 0, 0, 0);
	while (at < total) {
		a = ffa_call(FFA_MEM_FRAG_RX, (uint32_t)r->x[4], r->x[4] >> 32, at, 0);
		if (ffa_func(&a) != FFA_MEM_FRAG_TX || a.x[3] == 0 || a.x[3] > total - at)
			return FFA_ABORTED;
		memcpy(&got[n], rx, a.x[3]);
		n += (uint32_t)a.x[3] / sizeof(got[0]);
		at += (uint32_t)a.x[3];
		ffa_call(FFA_RX_RELEASE, 0, 0, 0, 0);
	}
	r->x[4] = got[0].address;
	r->x[5] = pages;
	r->x[6] = ranges;
	return 0;
}

static int32_t relinquish(uint64_t handle, uint32_t flags)
{
	struct ffa_relinquish d = { handle, flags, 1, { self } };
	struct ffa_regs a;

	memcpy(tx, &d, sizeof(d));
	a = ffa_call(FFA_MEM_RELINQUISH, 0, 0, 0, 0);
	return ffa_errno(&a);
}

static int32_t send_own(struct ffa_regs *r)
{
	struct ffa_range page = { (uintptr_t)own, 1, 0 };
	uint32_t fn = (uint32_t)r->x[4];
	uint32_t size = ffa_describe(tx, fn, self, (uint16_t)r->x[5], (uint32_t)r->x[6], 0, &page, 1);

	r->x[5] = page.address;
	return ffa_mem_send(fn, size, &r->x[4]);
}

static int32_t serve(struct ffa_regs *r)
{
	switch ((enum memory_job)r->x[3]) {
	case MEMORY_RETRIEVE:
		return retrieve(r);
	case MEMORY_READ:
		r->x[4] = load((uint64_t *)r->x[4]);
		return 0;
	case MEMORY_WRITE:
		store((uint64_t *)r->x[4], r->x[5]);
		return 0;
	case MEMORY_RELINQUISH:
		return relinquish(r->x[4], (uint32_t)r->x[5]);
	case MEMORY_SEND:
		return send_own(r);
	case MEMORY_RECLAIM:
		return ffa_mem_reclaim(r->x[4], 0);
	case MEMORY_SUM:
		r->x[4] = 0;
		for (uint32_t i = 0; i < ranges; i++)
			r->x[4] += load((uint64_t *)got[i].address);
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
