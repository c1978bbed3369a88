// SPDX-License-Identifier: Apache-2.0
// many: a service of many vCPUs, under either interface, with SDEI. A message of a byte is the index of one that it
// switches on, which answers by what it is known: its MPIDR_EL1, the state that PSCI has for the index, and what
// came of an event of SDEI that it signalled to that MPIDR_EL1.
#include "hv.h"
#include "sdei.h"
#include "service.h"

static uint32_t events;

uint64_t sdei_handle(uint64_t event, uint64_t argument, uint64_t pc, uint64_t pstate)
{
	(void)event;
	(void)argument;
	(void)pc;
	(void)pstate;
	store(&events, load(&events) + 1);
	return 0;
}

static void tell(uint64_t index)
{
	uint64_t mpidr = read_sysreg(mpidr_el1);
	int64_t signalled;

	store(&events, 0);
	if (sdei_register(0, (uintptr_t)sdei_entry, 0, 0) != 0 || sdei(SDEI_ENABLE, 0, 0) != 0 || sdei(SDEI_PE_UNMASK, 0, 0) != 0)
		die();
	signalled = sdei(SDEI_SIGNAL, 0, mpidr);
	hv_send(hv_primary(), (uint32_t)format((char *)tx, sizeof(tx), "MPIDR 0x%lx, state %ld, signal %ld, %u events", mpidr,
					       cpu_state(index), signalled, load(&events)));
	sdei(SDEI_PE_MASK, 0, 0);
	cpu_off();
}

void main(uint64_t memory)
{
	(void)memory;
	hv_map();
	for (;;) {
		struct hv_message m = hv_receive(true);
		uint64_t index = rx[0];

		if (!m.there)
			continue;
		hv_release();
		if (cpu_on(index, tell, index) != 0)
			die();
	}
}
