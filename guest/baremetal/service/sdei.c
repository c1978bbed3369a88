// SPDX-License-Identifier: Apache-2.0
// sdei: a service of two vCPUs. At each message vCPU 0 signals event 0 to itself and to vCPU 1, which
// sits in a WFI that no interrupt ends, waits for both handlers, and answers "ok".
#include "sdei.h"
#include "service.h"

static uint32_t ready;
static uint32_t events[2]; // by argument of the handler

uint64_t sdei_handle(uint64_t event, uint64_t argument, uint64_t pc, uint64_t pstate)
{
	(void)event;
	(void)pc;
	(void)pstate;
	store(&events[argument], load(&events[argument]) + 1);
	return 0;
}

static bool listen(uint64_t self)
{
	return sdei_register(0, (uintptr_t)sdei_entry, self, 0) == 0 && sdei(SDEI_ENABLE, 0, 0) == 0 &&
	       sdei(SDEI_PE_UNMASK, 0, 0) == 0;
}

static void second(uint64_t unused)
{
	(void)unused;
	if (!listen(1))
		die();
	store(&ready, 1);
	for (;;)
		wfi();
}

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	if (!listen(0) || cpu_on(1, second, 0) != 0) {
		print("FAIL set-up\n");
		die();
	}
	while (!load(&ready))
		spci_yield();
	for (uint32_t n = 1;; n++) {
		struct message m = receive();

		spci_release();
		sdei(SDEI_SIGNAL, 0, 0);
		sdei(SDEI_SIGNAL, 0, 1);
		while (load(&events[1]) < n)
			spci_yield();
		const char *text = load(&events[0]) == n && load(&events[1]) == n ? "ok" : "events were lost or made up";
		memcpy(tx, text, strlen(text));
		send(m.from, (uint32_t)strlen(text));
	}
}
