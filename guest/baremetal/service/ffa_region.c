// SPDX-License-Identifier: Apache-2.0
// ffa_region: a partition whose manifest gives it its buffers, and memory that it may only read. It answers with what
// it finds there, or writes there, as the direct request asks.
#include "ffa.h"
#include "ffa_region.h"
#include "service.h"

extern uint8_t _start[];

static uint64_t discover(void)
{
	struct ffa_regs r = ffa_call(FFA_PARTITION_INFO_GET, 0, 0, 0, 0);
	uint64_t first;

	if (ffa_func(&r) != FFA_SUCCESS)
		return 0;
	first = load((uint16_t *)(_start + REGION_RX));
	ffa_call(FFA_RX_RELEASE, 0, 0, 0, 0);
	return first;
}

void main(uint64_t x0)
{
	(void)x0;
	struct ffa_regs r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);

	for (;;) {
		if (ffa_func(&r) != FFA_DIRECT_REQ) {
			r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
			continue;
		}
		uint64_t value = 0;

		switch (r.x[3]) {
		case REGION_DISCOVER:
			value = discover();
			break;
		case REGION_MAP:
			value = (uint32_t)ffa_call(FFA_RXTX_MAP, (uintptr_t)_start + REGION_TX, (uintptr_t)_start + REGION_RX, 1, 0).x[2];
			break;
		case REGION_WRITE:
			store((uint64_t *)(_start + r.x[4]), 1);
			value = load((uint64_t *)(_start + r.x[4]));
			break;
		}
		r = (struct ffa_regs){ { FFA_DIRECT_RESP, ffa_pair(low(r.x[1]), high(r.x[1])), 0, value } };
		ffa_hvc(&r);
	}
}
