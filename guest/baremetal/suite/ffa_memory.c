// SPDX-License-Identifier: Apache-2.0
// FF-A's memory transactions between the primary and partitions, and between partitions.
#include "suite.h"

#include "ffa_memory.h"

#define PRIMARY 1u
#define A       2u
#define B       3u

static uint8_t pages[8 * PAGE_SIZE] __attribute__((aligned(4096)));

static uint64_t page(uint32_t n)
{
	return (uintptr_t)pages + n * PAGE_SIZE;
}

static void setup(void)
{
	struct ffa_regs r = ffa_call(FFA_VERSION, FFA_VERSION_1_2, 0, 0, 0);

	check(r.x[0] == FFA_VERSION_1_2, "version 0x%lx", r.x[0]);
	r = ffa_call(FFA_RXTX_MAP, (uintptr_t)tx, (uintptr_t)rx, 1, 0);
	check(ffa_func(&r) == FFA_SUCCESS, "map: %d", ffa_errno(&r));
	for (uint32_t vm = A; vm <= B; vm++) { // to their first MSG_WAIT
		do
			r = ffa_call(FFA_RUN, ffa_pair((uint16_t)vm, 0), 0, 0, 0);
		while (ffa_func(&r) == FFA_INTERRUPT);
		check(ffa_func(&r) == FFA_MSG_WAIT, "VM %u: 0x%lx", vm, r.x[0]);
	}
}

// Asks a partition. The result's function is that of the response, or FFA_ERROR if it died.
static struct ffa_regs ask(uint16_t vm, enum ffa_memory_job job, uint64_t x4, uint64_t x5, uint64_t x6)
{
	struct ffa_regs r = { { FFA_DIRECT_REQ_64, ffa_pair(PRIMARY, vm), 0, job, x4, x5, x6 } };

	ffa_hvc(&r);
	while (ffa_func(&r) == FFA_INTERRUPT)
		r = ffa_call(FFA_RUN, r.x[1], 0, 0, 0);
	return r;
}

static struct ffa_regs asked(uint16_t vm, enum ffa_memory_job job, uint64_t x4, uint64_t x5, uint64_t x6)
{
	struct ffa_regs r = ask(vm, job, x4, x5, x6);

	check(ffa_func(&r) == FFA_DIRECT_RESP_64, "VM %u, job %u: 0x%lx %d", vm, job, r.x[0], ffa_errno(&r));
	check(r.x[3] == 0, "VM %u, job %u: error %d", vm, job, (int)r.x[3]);
	return r;
}

static int64_t refused(uint16_t vm, enum ffa_memory_job job, uint64_t x4, uint64_t x5, uint64_t x6)
{
	struct ffa_regs r = ask(vm, job, x4, x5, x6);

	check(ffa_func(&r) == FFA_DIRECT_RESP_64, "VM %u, job %u: 0x%lx %d", vm, job, r.x[0], ffa_errno(&r));
	return (int64_t)r.x[3];
}

static void dies(uint16_t vm, enum ffa_memory_job job, uint64_t x4, uint64_t x5)
{
	struct ffa_regs r = ask(vm, job, x4, x5, 0);

	check(ffa_errno(&r) == FFA_ABORTED, "VM %u, job %u: 0x%lx %d", vm, job, r.x[0], ffa_errno(&r));
}

static uint64_t give(uint32_t fn, uint16_t to, uint32_t access, uint32_t flags, const struct region_range *range, uint32_t n)
{
	uint64_t handle;
	int32_t err = ffa_mem_send(fn, ffa_describe(tx, fn, PRIMARY, to, access, flags, range, n), &handle);

	check(err == 0, "send 0x%x: %d", fn, err);
	return handle;
}

static uint64_t give_page(uint32_t fn, uint16_t to, uint32_t access, uint32_t n)
{
	struct region_range range = { page(n), 1, 0 };

	return give(fn, to, access, 0, &range, 1);
}

#define FROM_PRIMARY ((uint64_t)PRIMARY << 16)

TEST(ffa_memory, share_write_relinquish_reclaim, "abi=ffa vm=ffa_memory vm=ffa_memory")
{
	struct region_range range[3] = { { page(4), 2, 0 }, { page(0), 1, 0 }, { page(2), 1, 0 } };
	struct ffa_regs r;
	uint64_t handle;

	setup();
	store((uint64_t *)page(4), 11);
	store((uint64_t *)page(0), 22);
	store((uint64_t *)page(2), 33);
	handle = give(FFA_MEM_SHARE, A, FFA_RW, 0, range, 3);
	check(ffa_mem_reclaim(handle ^ 1, 0) == FFA_INVALID_PARAMETERS, "a wrong handle was reclaimed");
	check(refused(B, MEMORY_RETRIEVE, handle, FROM_PRIMARY, FFA_RW) == FFA_INVALID_PARAMETERS, "B retrieved what is A's");
	r = asked(A, MEMORY_RETRIEVE, handle, FROM_PRIMARY, FFA_RW);
	check(r.x[4] == page(4) && r.x[5] == 4 && r.x[6] == 3, "retrieved 0x%lx, %lu pages, %lu ranges", r.x[4], r.x[5], r.x[6]);
	r = asked(A, MEMORY_SUM, 0, 0, 0);
	check(r.x[4] == 66, "the sum is %lu", r.x[4]);
	asked(A, MEMORY_WRITE, page(5), 77, 0);
	check(load((uint64_t *)page(5)) == 77, "the primary reads %lu", load((uint64_t *)page(5)));
	check(ffa_mem_reclaim(handle, 0) == FFA_DENIED, "reclaimed what A has");
	asked(A, MEMORY_RELINQUISH, handle, 0, 0);
	check(ffa_mem_reclaim(handle, 0) == 0, "reclaim");
	check(ffa_mem_reclaim(handle, 0) == FFA_INVALID_PARAMETERS, "a dead handle was reclaimed");
	dies(A, MEMORY_READ, page(4), 0); // which is no longer A's
}

TEST(ffa_memory, read_only_is_not_written, "abi=ffa vm=ffa_memory vm=ffa_memory")
{
	struct ffa_regs r;
	uint64_t handle;

	setup();
	store((uint64_t *)page(1), 5);
	handle = give_page(FFA_MEM_SHARE, A, FFA_RO, 1);
	check(refused(A, MEMORY_RETRIEVE, handle, FROM_PRIMARY, FFA_RW) == FFA_DENIED, "A got more than it was offered");
	asked(A, MEMORY_RETRIEVE, handle, FROM_PRIMARY, FFA_RO);
	r = asked(A, MEMORY_READ, page(1), 0, 0);
	check(r.x[4] == 5, "read %lu", r.x[4]);
	dies(A, MEMORY_WRITE, page(1), 6);
	check(load((uint64_t *)page(1)) == 5, "it was written");
	check(ffa_mem_reclaim(handle, 0) == 0, "reclaim from the dead");
	r = asked(B, MEMORY_SUM, 0, 0, 0); // B is well
}

TEST(ffa_memory, lent_memory_is_cleared, "abi=ffa vm=ffa_memory vm=ffa_memory")
{
	struct region_range range = { page(3), 1, 0 };
	struct ffa_regs r;
	uint64_t handle;

	setup();
	store((uint64_t *)page(3), 9);
	handle = give(FFA_MEM_LEND, A, FFA_RW, FFA_CLEAR, &range, 1);
	asked(A, MEMORY_RETRIEVE, handle, FROM_PRIMARY | FFA_CLEAR_AFTER, FFA_RW | FFA_NX);
	r = asked(A, MEMORY_READ, page(3), 0, 0);
	check(r.x[4] == 0, "A reads %lu", r.x[4]);
	asked(A, MEMORY_WRITE, page(3), 8, 0);
	asked(A, MEMORY_RELINQUISH, handle, 0, 0);
	check(ffa_mem_reclaim(handle, 0) == 0, "reclaim");
	check(load((uint64_t *)page(3)) == 0, "the primary reads what A wrote, which was to be cleared");
}

TEST(ffa_memory, donated_memory_goes_on, "abi=ffa vm=ffa_memory vm=ffa_memory")
{
	uint64_t handle;
	struct ffa_regs r;

	setup();
	store((uint64_t *)page(6), 3);
	handle = give_page(FFA_MEM_DONATE, A, 0, 6);
	asked(A, MEMORY_RETRIEVE, handle, FROM_PRIMARY, FFA_RW | FFA_NX);
	check(ffa_mem_reclaim(handle, 0) == FFA_INVALID_PARAMETERS, "a donation was reclaimed");
	r = asked(A, MEMORY_READ, page(6), 0, 0);
	check(r.x[4] == 3, "A reads %lu", r.x[4]);
}

TEST(ffa_memory, partitions_share_among_themselves, "abi=ffa vm=ffa_memory vm=ffa_memory")
{
	struct ffa_regs r;
	uint64_t handle, address;

	setup();
	r = asked(A, MEMORY_SEND, FFA_MEM_SHARE, B, FFA_RW);
	handle = r.x[4];
	address = r.x[5];
	check(ffa_mem_reclaim(handle, 0) == FFA_INVALID_PARAMETERS, "the primary reclaimed what is A's");
	r = asked(B, MEMORY_RETRIEVE, handle, (uint64_t)A << 16, FFA_RW);
	check(r.x[4] == address && r.x[5] == 1, "B has 0x%lx", r.x[4]);
	asked(B, MEMORY_WRITE, address, 1234, 0);
	r = asked(A, MEMORY_READ, address, 0, 0);
	check(r.x[4] == 1234, "A reads %lu", r.x[4]);
	check(refused(A, MEMORY_RECLAIM, handle, 0, 0) == FFA_DENIED, "A reclaimed what B has");
	asked(B, MEMORY_RELINQUISH, handle, 0, 0);
	asked(A, MEMORY_RECLAIM, handle, 0, 0);
	dies(B, MEMORY_READ, address, 0);
}

TEST(ffa_memory, borrower_that_dies_gives_back, "abi=ffa vm=ffa_memory vm=ffa_memory")
{
	uint64_t handle;

	setup();
	store((uint64_t *)page(2), 1);
	handle = give_page(FFA_MEM_LEND, A, FFA_RW, 2);
	asked(A, MEMORY_RETRIEVE, handle, FROM_PRIMARY | FFA_CLEAR_AFTER, FFA_RW | FFA_NX);
	asked(A, MEMORY_WRITE, page(2), 2, 0);
	dies(A, MEMORY_READ, page(7), 0);
	check(ffa_mem_reclaim(handle, 0) == 0, "reclaim");
	check(load((uint64_t *)page(2)) == 0, "what was to be cleared is %lu", load((uint64_t *)page(2)));
}

// 64 MiB in 256 ranges, none of which touch, each in a fragment of its own.
#define RANGES 256u

// A partition reads its RX buffer, and writes that memory only while it is no buffer.
TEST(ffa_memory, receive_buffer_is_read_only, "abi=ffa vm=ffa_memory vm=ffa_memory")
{
	setup();
	for (uint16_t vm = A; vm <= B; vm++) {
		uint64_t address = asked(vm, MEMORY_UNMAP, 0, 0, 0).x[4];

		asked(vm, MEMORY_WRITE, address, 0x1234 + vm, 0);
		asked(vm, MEMORY_MAP, 0, 0, 0);
		struct ffa_regs r = asked(vm, MEMORY_READ, address, 0, 0);

		check(r.x[4] == 0x1234ul + vm, "RX has 0x%lx", r.x[4]);
		dies(vm, MEMORY_WRITE, address, 0);
	}
}

TEST(ffa_memory, share_64_mib_in_256_fragments, "abi=ffa mem=256 vm=ffa_memory vm=ffa_memory")
{
	const uint64_t size = (64ul << 20) / RANGES, base = 0x44000000ul;
	uint64_t sum = 0, handle;
	struct ffa_regs r;
	uint32_t total, at;
	struct region_range *next = (void *)tx;

	setup();
	total = ffa_describe(tx, FFA_MEM_SHARE, PRIMARY, A, FFA_RW, 0, 0, 0);
	at = total;
	total += RANGES * sizeof(*next);
	struct region_composite *c = (void *)(tx + at - sizeof(*c));

	c->ranges = RANGES;
	c->pages = RANGES * (uint32_t)(size / PAGE_SIZE);
	r = ffa_call(FFA_MEM_SHARE, total, at, 0, 0);
	for (uint32_t n = 0; n < RANGES; n++) {
		uint64_t address = base + n * (size + PAGE_SIZE);

		check(ffa_func(&r) == FFA_MEM_FRAG_RX && r.x[3] == at, "fragment %u: 0x%lx at %lu", n, r.x[0], r.x[3]);
		store((uint64_t *)address, n + 1);
		sum += n + 1;
		*next = (struct region_range){ address, (uint32_t)(size / PAGE_SIZE), 0 };
		r = ffa_call(FFA_MEM_FRAG_TX, r.x[1], r.x[2], sizeof(*next), 0);
		at += sizeof(*next);
	}
	check(ffa_func(&r) == FFA_SUCCESS, "the last fragment: 0x%lx %d", r.x[0], ffa_errno(&r));
	handle = r.x[2] | r.x[3] << 32;
	r = asked(A, MEMORY_RETRIEVE, handle, FROM_PRIMARY, FFA_RW);
	check(r.x[6] == RANGES && r.x[5] == (64ul << 20) / PAGE_SIZE, "A has %lu pages in %lu ranges", r.x[5], r.x[6]);
	r = asked(A, MEMORY_SUM, 0, 0, 0);
	check(r.x[4] == sum, "the sum is %lu, want %lu", r.x[4], sum);
	asked(A, MEMORY_RELINQUISH, handle, 0, 0);
	check(ffa_mem_reclaim(handle, FFA_CLEAR) == 0, "reclaim");
	for (uint32_t n = 0; n < RANGES; n++)
		check(load((uint64_t *)(base + n * (size + PAGE_SIZE))) == 0, "range %u was not cleared", n);
}
