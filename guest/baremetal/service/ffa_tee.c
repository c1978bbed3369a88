// SPDX-License-Identifier: Apache-2.0
// ffa_tee: speaks OP-TEE's protocol over FF-A to a client such as Linux's own driver (its optee_ffa.h and optee_msg.h say
// how), for one trusted application with the UUID of app below.
//
//	command 0   adds the first parameter's b to its a
//	command 1   inverts the memory of the first parameter and returns the sum of its bytes in the second's a
#define REGION_MAX_RANGES 64u

#include "ffa_service.h"
#include "region.h"
#include "service.h"

// Requests, in w3.
#define GET_API_VERSION       0u
#define GET_OS_VERSION        1u
#define EXCHANGE_CAPABILITIES 2u
#define UNREGISTER_SHM        3u
#define CALL_WITH_ARG         0x80000000u

#define API_MAJOR 1u
#define API_MINOR 0u
#define OS_MAJOR  0u
#define OS_MINOR  1u

// What a message asks for.
#define CMD_OPEN_SESSION  0u
#define CMD_INVOKE        1u
#define CMD_CLOSE_SESSION 2u

#define TEE_SUCCESS        0u
#define TEE_BAD_PARAMETERS 0xffff0006u
#define TEE_ITEM_NOT_FOUND 0xffff0008u
#define TEE_NOT_SUPPORTED  0xffff000au
#define ORIGIN_TEE         3u
#define ORIGIN_APP         4u

#define TYPE_MASK        0xffu
#define TYPE_VALUE_OUT   2u
#define TYPE_VALUE_INOUT 3u
#define TYPE_MEMORY      7u // in and out
#define TYPE_META        0x100u

#define SESSION    1u
#define META       2u // parameters of an open session that are not the client's
#define MAX_PARAMS 6u
#define PAGE       4096u

struct param {
	uint64_t attr;
	union {
		struct {
			uint64_t a, b, c;
		} value;
		struct {
			uint32_t offset_low;
			uint16_t offset_high, page_offset;
			uint64_t size, handle;
		} memory;
	} u;
};

struct message_arg {
	uint32_t cmd, func, session, cancel_id, padding, ret, origin, num_params;
	struct param params[MAX_PARAMS];
};

// The trusted application: 2f6bb1d4-93a7-4c1e-8d0b-5a1f7e0c9b36, as its bytes lie in memory.
static const uint8_t app[16] = { 0x2f, 0x6b, 0xb1, 0xd4, 0x93, 0xa7, 0x4c, 0x1e, 0x8d, 0x0b, 0x5a, 0x1f, 0x7e, 0x0c, 0x9b, 0x36 };

// Memory that the client registered and that was used since.
static struct region regions[32];
static uint16_t self;

static struct region *find(uint64_t handle)
{
	for (uint32_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++)
		if (regions[i].handle == handle)
			return &regions[i];
	return NULL;
}

// The memory behind a handle, retrieved at its first use and kept until it is unregistered.
static struct region *use(uint16_t client, uint64_t handle)
{
	struct region *g = handle ? find(handle) : NULL;

	if (g || !handle)
		return g;
	g = find(0);
	if (!g)
		return NULL;
	int32_t err = region_retrieve(g, self, client, handle, 0, REGION_READ_WRITE);

	if (err) {
		print("ffa_tee: memory 0x%lx: %d\n", handle, err);
		g->handle = 0;
		return NULL;
	}
	return g;
}

static void unregister(uint64_t handle)
{
	struct region *g = handle ? find(handle) : NULL;

	if (!g)
		return;
	int32_t err = region_relinquish(g, 0);

	if (err)
		print("ffa_tee: giving back 0x%lx: %d\n", handle, err);
	g->handle = 0;
}

static uint32_t invert(uint16_t client, const struct param *p, uint64_t *sum)
{
	struct region *g = use(client, p->u.memory.handle);
	uint64_t offset = ((uint64_t)p->u.memory.offset_high << 32 | p->u.memory.offset_low) + p->u.memory.page_offset;

	if (!g)
		return TEE_ITEM_NOT_FOUND;
	*sum = 0;
	for (uint64_t i = 0; i < p->u.memory.size; i++) {
		uint8_t *byte = (uint8_t *)region_address(g, offset + i);

		if (!byte)
			return TEE_BAD_PARAMETERS;
		*sum += load(byte);
		store(byte, (uint8_t)~load(byte));
	}
	return TEE_SUCCESS;
}

static uint32_t invoke(uint16_t client, uint32_t func, uint32_t count, struct param *p)
{
	if (func == 0 && count >= 1 && (p[0].attr & TYPE_MASK) == TYPE_VALUE_INOUT) {
		p[0].u.value.a += p[0].u.value.b;
		return TEE_SUCCESS;
	}
	if (func == 1 && count >= 2 && (p[0].attr & TYPE_MASK) == TYPE_MEMORY && (p[1].attr & TYPE_MASK) == TYPE_VALUE_OUT)
		return invert(client, &p[0], &p[1].u.value.a);
	return TEE_BAD_PARAMETERS;
}

static void serve(uint16_t client, struct message_arg *m)
{
	m->origin = ORIGIN_TEE;
	switch (m->cmd) {
	case CMD_OPEN_SESSION:
		m->ret = TEE_BAD_PARAMETERS;
		if (m->num_params < META || !(m->params[0].attr & TYPE_META))
			return;
		m->ret = TEE_ITEM_NOT_FOUND;
		if (memcmp(&m->params[0].u.value.a, app, sizeof(app)))
			return;
		m->session = SESSION;
		m->ret = TEE_SUCCESS;
		return;
	case CMD_INVOKE:
		m->ret = TEE_ITEM_NOT_FOUND;
		if (m->session != SESSION)
			return;
		m->origin = ORIGIN_APP;
		m->ret = invoke(client, m->func, m->num_params, m->params);
		return;
	case CMD_CLOSE_SESSION:
		m->ret = m->session == SESSION ? TEE_SUCCESS : TEE_ITEM_NOT_FOUND;
		return;
	}
	m->ret = TEE_NOT_SUPPORTED;
}

// Serves the message at offset of the memory with a handle. It is copied, for the client can write it at any time.
static int32_t call(uint16_t client, uint64_t handle, uint32_t offset)
{
	struct region *g = use(client, handle);
	struct message_arg *m = g ? (struct message_arg *)region_address(g, offset) : NULL, copy;

	if (!m || offset % 8 != 0 || offset % PAGE > PAGE - sizeof(copy))
		return FFA_INVALID_PARAMETERS;
	memcpy(&copy, m, sizeof(copy));
	if (copy.num_params > MAX_PARAMS)
		return FFA_INVALID_PARAMETERS;
	serve(client, &copy);
	memcpy(m->params, copy.params, copy.num_params * sizeof(copy.params[0]));
	m->session = copy.session;
	m->origin = copy.origin;
	store(&m->ret, copy.ret);
	return 0;
}

// Answers the request in w3 to w7.
static void answer(uint16_t client, uint64_t w[5])
{
	uint32_t request = (uint32_t)w[0], w4 = (uint32_t)w[1], w6 = (uint32_t)w[3];
	uint64_t handle = (uint32_t)w[2] | 0ul;

	handle = handle << 32 | w4;
	for (uint32_t i = 0; i < 5; i++)
		w[i] = 0;
	switch (request) {
	case GET_API_VERSION:
		w[0] = API_MAJOR;
		w[1] = API_MINOR;
		break;
	case GET_OS_VERSION:
		w[0] = OS_MAJOR;
		w[1] = OS_MINOR;
		break;
	case EXCHANGE_CAPABILITIES: // none, and no memory for calls to the client
		break;
	case UNREGISTER_SHM:
		unregister(handle);
		break;
	case CALL_WITH_ARG: // done when it returns
		w[0] = (uint32_t)call(client, handle, w6);
		break;
	default:
		w[0] = (uint32_t)FFA_NOT_SUPPORTED;
	}
}

void main(uint64_t memory)
{
	struct ffa_regs r;

	(void)memory;
	self = ffa_start();
	r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
	for (;;) {
		uint16_t client = (uint16_t)(r.x[1] >> 16);

		if (ffa_func(&r) != FFA_DIRECT_REQ) {
			r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
			continue;
		}
		answer(client, &r.x[3]);
		r.x[0] = FFA_DIRECT_RESP;
		r.x[1] = ffa_pair(self, client);
		ffa_hvc(&r);
	}
}
