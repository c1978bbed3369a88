// SPDX-License-Identifier: Apache-2.0
// ffa_echo: answers every direct request with what it brought, and every indirect message with the same.
#include "ffa_service.h"
#include "service.h"

// Sends back what is in rx, if anything.
static void echo_message(uint16_t self)
{
	struct ffa_regs r = ffa_call(FFA_NOTIFICATION_GET, self, FFA_NOTIFICATIONS_ALL, 0, 0);
	const struct ffa_message *in = (const struct ffa_message *)rx;
	struct ffa_message *out = (struct ffa_message *)tx;

	if (!(r.x[7] & FFA_RX_FULL))
		return;
	*out = (struct ffa_message){ .offset = sizeof(*out), .receiver = in->sender, .sender = self, .size = in->size };
	memcpy(tx + out->offset, rx + in->offset, in->size);
	ffa_expect("release", ffa_call(FFA_RX_RELEASE, 0, 0, 0, 0), FFA_SUCCESS);
	for (;;) {
		r = ffa_call(FFA_MSG_SEND2, 0, 0, 0, 0);
		if (ffa_errno(&r) != FFA_BUSY)
			break;
		ffa_call(FFA_YIELD, 0, 0, 0, 0);
	}
	ffa_expect("send", r, FFA_SUCCESS);
}

void main(uint64_t memory)
{
	static const char greeting[] = "ffa_echo: hello\n";
	uint64_t text[2];
	struct ffa_regs r;

	(void)memory;
	uint16_t me = ffa_start();
	memcpy(text, greeting, sizeof(text));
	ffa_expect("log", ffa_call(FFA_CONSOLE_LOG | 1u << 30, sizeof(text), text[0], text[1], 0), FFA_SUCCESS);
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
			echo_message(me);
			r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
			continue;
		}
		r.x[1] = ffa_pair(self, from);
		ffa_hvc(&r);
	}
}
