// SPDX-License-Identifier: Apache-2.0
// primary_ffa_echo: sets up FF-A, finds the partitions and makes direct requests of all kinds. Secondaries: ffa_echo,
// ffa_echo.
#include "ffa.h"
#include "scheduler.h"

#define PRIMARY 1u
#define ECHO    2u
#define ROUNDS  300u

static void setup(void)
{
	struct ffa_regs r = ffa_call(FFA_FEATURES, FFA_DIRECT_REQ2, 0, 0, 0);

	check(ffa_errno(&r) == FFA_NOT_SUPPORTED, "FEATURES of a function of 1.2 before VERSION: 0x%lx", r.x[0]);
	r = ffa_call(FFA_VERSION, 0x10009, 0, 0, 0);
	check(r.x[0] == FFA_VERSION_1_2, "VERSION of the future: 0x%lx", r.x[0]);
	r = ffa_call(FFA_ID_GET, 0, 0, 0, 0);
	check(ffa_func(&r) == FFA_SUCCESS && r.x[2] == PRIMARY, "id 0x%lx", r.x[2]);
	r = ffa_call(FFA_VERSION, FFA_VERSION_1_1, 0, 0, 0);
	check((int32_t)r.x[0] == FFA_NOT_SUPPORTED, "VERSION after a call of another one: 0x%lx", r.x[0]);
	r = ffa_call(FFA_FEATURES, FFA_RXTX_MAP, 0, 0, 0);
	check(ffa_func(&r) == FFA_SUCCESS && r.x[2] == 16u << 16, "buffers: 0x%lx", r.x[2]);
	r = ffa_call(FFA_RXTX_MAP, (uintptr_t)tx, (uintptr_t)rx, 1, 0);
	check(ffa_func(&r) == FFA_SUCCESS, "map: %d", ffa_errno(&r));
	r = ffa_call(0x840000f0, 0, 0, 0, 0);
	check(ffa_errno(&r) == FFA_NOT_SUPPORTED, "unknown call: 0x%lx", r.x[0]);
}

static void discover(uint32_t partitions)
{
	struct ffa_regs r = ffa_call(FFA_PARTITION_INFO_GET, 0, 0, 0, 0);

	check(ffa_func(&r) == FFA_SUCCESS && r.x[2] == partitions && r.x[3] == 24, "list: 0x%lx %lu of %lu bytes", r.x[0],
	      r.x[2], r.x[3]);
	for (uint32_t i = 0; i < partitions; i++)
		check(rx[24 * i] == PRIMARY + i, "partition %u has id %u", i, rx[24 * i]);
	r = ffa_call(FFA_RX_RELEASE, 0, 0, 0, 0);
	check(ffa_func(&r) == FFA_SUCCESS, "release: %d", ffa_errno(&r));
	r = ffa_call(FFA_PARTITION_INFO_REGS, 0, 0, 0, 0);
	check(ffa_func(&r) == FFA_SUCCESS_64 && (uint16_t)r.x[2] == partitions - 1 && r.x[2] >> 48 == 24,
	      "list in registers: 0x%lx 0x%lx", r.x[0], r.x[2]);
}

// Goes on with a request until it is answered.
static void request(struct ffa_regs *r)
{
	ffa_hvc(r);
	while (ffa_func(r) == FFA_INTERRUPT) {
		check(r->x[1] == ffa_pair(ECHO, 0), "interrupted: 0x%lx", r->x[1]);
		r->x[0] = FFA_RUN;
		ffa_hvc(r);
	}
}

static void echo(uint32_t req, uint32_t resp, uint32_t first, uint32_t last, uint64_t mask, uint64_t seed)
{
	struct ffa_regs r = { { req, ffa_pair(PRIMARY, ECHO) } };

	for (uint32_t n = first; n <= last; n++)
		r.x[n] = seed * n;
	for (uint32_t n = last + 1; n < 18; n++)
		r.x[n] = ~seed;
	request(&r);
	check(ffa_func(&r) == resp && r.x[1] == ffa_pair(ECHO, PRIMARY), "response 0x%lx 0x%lx, error %d", r.x[0], r.x[1],
	      ffa_errno(&r));
	for (uint32_t n = first; n <= last; n++)
		check(r.x[n] == (seed * n & mask), "x%u of the response is 0x%lx", n, r.x[n]);
	for (uint32_t n = last + 1; n < 18; n++)
		check(r.x[n] == ~seed, "x%u changed to 0x%lx", n, r.x[n]);
}

// Sends a message and runs its receiver until the answer is there.
static void message(uint32_t size, uint8_t seed)
{
	struct ffa_message *out = (struct ffa_message *)tx;
	const struct ffa_message *in = (const struct ffa_message *)rx;
	struct ffa_regs r;

	*out = (struct ffa_message){ .offset = sizeof(*out) + 8, .receiver = ECHO, .sender = PRIMARY, .size = size };
	for (uint32_t i = 0; i < size; i++)
		tx[out->offset + i] = (uint8_t)(seed + i);
	r = ffa_call(FFA_MSG_SEND2, 0, 0, 0, 0);
	check(ffa_func(&r) == FFA_SUCCESS, "send of %u bytes: %d", size, ffa_errno(&r));
	r = ffa_call(FFA_MSG_SEND2, 0, 0, 0, 0);
	check(ffa_errno(&r) == FFA_BUSY, "send to a full buffer: 0x%lx %d", r.x[0], ffa_errno(&r));
	do
		r = ffa_call(FFA_RUN, ffa_pair(ECHO, 0), 0, 0, 0);
	while (ffa_func(&r) == FFA_INTERRUPT);
	check(ffa_func(&r) == FFA_MSG_WAIT, "run: 0x%lx %d", r.x[0], ffa_errno(&r));
	r = ffa_call(FFA_NOTIFICATION_GET, PRIMARY, FFA_NOTIFICATIONS_ALL, 0, 0);
	check(ffa_func(&r) == FFA_SUCCESS && r.x[7] == FFA_RX_FULL, "notified: 0x%lx 0x%lx", r.x[0], r.x[7]);
	check(in->sender == ECHO && in->receiver == PRIMARY && in->size == size && in->offset >= sizeof(*in),
	      "answer of %u bytes from %u", in->size, in->sender);
	check(memcmp(rx + in->offset, tx + out->offset, size) == 0, "the answer of %u bytes differs", size);
	r = ffa_call(FFA_RX_RELEASE, 0, 0, 0, 0);
	check(ffa_func(&r) == FFA_SUCCESS, "release: %d", ffa_errno(&r));
}

void main(uint64_t fdt)
{
	(void)fdt;
	setup();
	discover(3);
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		uint64_t seed = 0x123456789abcdefull * n;

		echo(FFA_DIRECT_REQ, FFA_DIRECT_RESP, 3, 7, 0xffffffff, seed);
		echo(FFA_DIRECT_REQ_64, FFA_DIRECT_RESP_64, 3, 7, ~0ull, seed);
		echo(FFA_DIRECT_REQ2, FFA_DIRECT_RESP2, 4, 17, ~0ull, seed);
	}
	for (uint32_t size = 1; size <= 4048; size = 2 * size + 1)
		message(size, (uint8_t)size);
	print("%u direct requests were answered\n", 3 * ROUNDS);
	pass();
}
