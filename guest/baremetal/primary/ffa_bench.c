// SPDX-License-Identifier: Apache-2.0
// primary_ffa_bench: what FF-A's calls cost. Secondaries: ffa_echo, ffa_memory, ffa_bell.
#include "bench.h"
#include "ffa_memory.h"
#include "scheduler.h"

#define PRIMARY 1u
#define ECHO    2u
#define MEMORY  3u
#define BELL    4u

// RAM of the primary that nothing else uses.
#define SHARED 0x41000000ul

// Goes on with a request until it is answered.
static struct ffa_regs request(uint16_t vm, uint64_t x3, uint64_t x4, uint64_t x5, uint64_t x6)
{
	struct ffa_regs r = { { FFA_DIRECT_REQ_64, ffa_pair(PRIMARY, vm), 0, x3, x4, x5, x6 } };

	ffa_hvc(&r);
	while (ffa_func(&r) == FFA_INTERRUPT)
		r = ffa_call(FFA_RUN, r.x[1], 0, 0, 0);
	check(ffa_func(&r) == FFA_DIRECT_RESP_64, "request: 0x%lx %d", r.x[0], ffa_errno(&r));
	return r;
}

static void direct(void)
{
	request(ECHO, 1, 2, 3, 4);
}

// Shares memory with a partition, which retrieves and relinquishes it, and reclaims it.
static void share(uint64_t size)
{
	struct region_range range = { SHARED, (uint32_t)(size / PAGE_SIZE), 0 };
	uint64_t handle;
	int32_t err = ffa_mem_send(FFA_MEM_SHARE, ffa_describe(tx, FFA_MEM_SHARE, PRIMARY, MEMORY, FFA_RW, 0, &range, 1), &handle);

	check(err == 0, "share: %d", err);
	struct ffa_regs r = request(MEMORY, MEMORY_RETRIEVE, handle, (uint64_t)PRIMARY << 16, FFA_RW);

	check(r.x[3] == 0 && r.x[4] == SHARED && r.x[5] == range.pages, "retrieve: %d, 0x%lx", (int)r.x[3], r.x[4]);
	r = request(MEMORY, MEMORY_RELINQUISH, handle, 0, 0);
	check(r.x[3] == 0, "relinquish: %d", (int)r.x[3]);
	check((err = ffa_mem_reclaim(handle, 0)) == 0, "reclaim: %d", err);
}

static void share_page(void)
{
	share(PAGE_SIZE);
}

static void share_64_mib(void)
{
	share(64ul << 20);
}

// Notifies a partition, which takes that in the handler of its interrupt.
static void notify(void)
{
	struct ffa_regs r = ffa_call(FFA_NOTIFICATION_SET, ffa_pair(PRIMARY, BELL), 0, 1, 0);

	check(ffa_func(&r) == FFA_SUCCESS, "set: %d", ffa_errno(&r));
	do
		r = ffa_call(FFA_RUN, ffa_pair(BELL, 0), 0, 0, 0);
	while (ffa_func(&r) == FFA_INTERRUPT);
	check(ffa_func(&r) == FFA_MSG_WAIT, "run: 0x%lx", r.x[0]);
}

void main(uint64_t fdt)
{
	struct ffa_regs r = ffa_call(FFA_VERSION, FFA_VERSION_1_2, 0, 0, 0);

	check(fdt < SHARED || fdt >= SHARED + (64ul << 20), "the device tree is in the way");
	check(r.x[0] == FFA_VERSION_1_2, "version 0x%lx", r.x[0]);
	r = ffa_call(FFA_RXTX_MAP, (uintptr_t)tx, (uintptr_t)rx, 1, 0);
	check(ffa_func(&r) == FFA_SUCCESS, "map: %d", ffa_errno(&r));
	for (uint16_t vm = ECHO; vm <= BELL; vm++) {
		do
			r = ffa_call(FFA_RUN, ffa_pair(vm, 0), 0, 0, 0);
		while (ffa_func(&r) == FFA_INTERRUPT);
		check(ffa_func(&r) == FFA_MSG_WAIT, "VM %u: 0x%lx", vm, r.x[0]);
	}
	measure("ffa_direct", direct);
	measure("ffa_share_4k", share_page);
	measure("ffa_share_64m", share_64_mib);
	measure("ffa_notify", notify);
	pass();
}
