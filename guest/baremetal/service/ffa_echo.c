// SPDX-License-Identifier: Apache-2.0
// ffa_echo: answers every direct request with what it brought.
#include "ffa.h"
#include "service.h"

static void expect(const char *what, struct ffa_regs r, uint32_t fn)
{
	if (ffa_func(&r) != fn) {
		print("FAIL %s: 0x%lx %d\n", what, r.x[0], ffa_errno(&r));
		die();
	}
}

void main(uint64_t memory)
{
	struct ffa_regs r = ffa_call(FFA_VERSION, FFA_VERSION_1_2, 0, 0, 0);

	(void)memory;
	expect("version", r, FFA_VERSION_1_2);
	expect("map", ffa_call(FFA_RXTX_MAP, (uintptr_t)tx, (uintptr_t)rx, 1, 0), FFA_SUCCESS);
	r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
	for (;;) {
		uint16_t from = high(r.x[1]), self = low(r.x[1]);

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
			break;
		default:
			r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
			continue;
		}
		r.x[1] = ffa_pair(self, from);
		ffa_hvc(&r);
	}
}
