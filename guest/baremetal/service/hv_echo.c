// SPDX-License-Identifier: Apache-2.0
// hv_echo: sends every message back to whoever sent it, under either interface.
#include "hv.h"
#include "service.h"

void main(uint64_t x0)
{
	(void)x0;
	hv_map();
	for (;;) {
		struct hv_message m = hv_receive(true);

		if (!m.there)
			continue;
		memcpy(tx, rx, m.size);
		hv_release();
		hv_send(m.from, m.size);
	}
}
