// SPDX-License-Identifier: Apache-2.0
// ffa_relay: answers a direct request {x3: hops, x4: value} with {x3: an error or 0, x4: value + 1}: itself, or if there
// are hops left, by a request of its own to the next relay, of three. In between it yields, now and then.
#include "ffa.h"
#include "service.h"

#define FIRST  2u
#define RELAYS 3u

static uint32_t served;

// Goes on with a request of this partition's own until it is answered. Only those who serve it yield to it.
static int32_t ask(uint16_t self, uint16_t to, uint64_t hops, uint64_t *value)
{
	struct ffa_regs r = { { FFA_DIRECT_REQ_64, ffa_pair(self, to), 0, hops, *value } };

	ffa_hvc(&r);
	while (ffa_func(&r) == FFA_YIELD)
		r = ffa_call(FFA_RUN, r.x[1], 0, 0, 0);
	if (ffa_func(&r) != FFA_DIRECT_RESP_64)
		return ffa_errno(&r) ? ffa_errno(&r) : 1;
	*value = r.x[4];
	return (int32_t)r.x[3];
}

void main(uint64_t memory)
{
	(void)memory;
	ffa_call(FFA_VERSION, FFA_VERSION_1_2, 0, 0, 0);
	uint16_t self = (uint16_t)ffa_call(FFA_ID_GET, 0, 0, 0, 0).x[2];
	struct ffa_regs r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);

	for (;;) {
		if (ffa_func(&r) != FFA_DIRECT_REQ_64) {
			r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
			continue;
		}
		uint16_t from = high(r.x[1]);
		uint64_t hops = r.x[3], value = r.x[4];
		int32_t e = 0;

		if (++served % 7 == 0)
			ffa_call(FFA_YIELD, 0, 0, 0, 0);
		if (hops)
			e = ask(self, (uint16_t)(FIRST + (self - FIRST + 1) % RELAYS), hops - 1, &value);
		r = (struct ffa_regs){ { FFA_DIRECT_RESP_64, ffa_pair(self, from), 0, (uint64_t)e, value + 1 } };
		ffa_hvc(&r);
	}
}
