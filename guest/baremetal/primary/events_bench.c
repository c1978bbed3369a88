// SPDX-License-Identifier: Apache-2.0
// primary_events_bench: what SDEI and PV_SCHED cost those that have them, before and after they are used; with
// a second secondary, what the same costs a VM that has neither. Secondaries: yield, or yield twice. See bench.h.
#include "bench.h"
#include "pvsched.h"
#include "scheduler.h"
#include "sdei.h"

#define YIELD FIRST_SECONDARY

static struct pvsched_state state;
static uint64_t events;

uint64_t sdei_handle(uint64_t event, uint64_t argument, uint64_t pc, uint64_t pstate)
{
	(void)event;
	(void)argument;
	(void)pc;
	(void)pstate;
	store(&events, load(&events) + 1);
	return 0;
}

static void call(void)
{
	hvc(SPCI_VERSION, 0, 0, 0, 0);
}

static void yield(void)
{
	struct regs r;

	do
		r = spci_run(YIELD, 0);
	while (func(r) == SPCI_INTERRUPT);
	check(func(r) == SPCI_YIELD, "yield: 0x%lx", r.x[0]);
}

static void event(void)
{
	uint64_t before = load(&events);

	sdei(SDEI_SIGNAL, 0, 0);
	check(load(&events) == before + 1, "%lu events", load(&events) - before);
}

void main(uint64_t fdt)
{
	(void)fdt;
	scheduler_start(1);
	if (hvc(HF_VM_GET_COUNT, 0, 0, 0, 0).x[0] == 3) {
		measure("plain_call", call);
		measure("plain_yield", yield);
		pass();
	}
	measure("services_call", call);
	measure("services_yield", yield);
	check(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&state) == 0, "init");
	measure("pvsched_yield", yield);
	check(pvsched(PV_SCHED_IPA_RELEASE, 0) == 0, "release");
	check(sdei_register(0, (uintptr_t)sdei_entry, 0, 0) == 0, "register");
	check(sdei(SDEI_ENABLE, 0, 0) == 0, "enable");
	check(sdei(SDEI_PE_UNMASK, 0, 0) == 0, "unmask");
	measure("sdei_event", event);
	pass();
}
