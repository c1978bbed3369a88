// SPDX-License-Identifier: Apache-2.0
// primary_sdei: event 0 in every situation that a vCPU can be in, from its sibling. The suite has what needs no
// secondary.
// Secondaries: busy, and sdei with 2 vCPUs. The primary has 2 CPUs.
#include "pl011.h"
#include "scheduler.h"
#include "sdei.h"

#define BUSY FIRST_SECONDARY
#define SDEI (FIRST_SECONDARY + 1)

#define ROUNDS  20u
#define SERVICE 20u // rounds of the service

#define PSCI_CPU_SUSPEND   0xc4000001u
#define PSCI_CPU_OFF       0x84000002u
#define PSCI_AFFINITY_INFO 0xc4000004u

#define PSTATE_DAIF 0x3c0u

// What the handlers saw, by their argument, the CPU. Volatile: the compiler does not see them called.
static volatile struct seen {
	uint64_t events;
	bool off;
} cpus[2];

static uint32_t turn, place; // of vCPU 1: the number of its life, where it is
static uint64_t wrong;       // what vCPU 1 found wrong

uint64_t sdei_handle(uint64_t event, uint64_t argument, uint64_t pc, uint64_t pstate)
{
	volatile struct seen *s = &cpus[argument];

	(void)pc;
	(void)pstate;
	if (event != 0)
		store(&wrong, 2000 + event);
	if (sdei(SDEI_STATUS, event, 0) != 7 || (read_sysreg(daif) & PSTATE_DAIF) != PSTATE_DAIF)
		store(&wrong, 1000 + event);
	store(&s->events, load(&s->events) + 1);
	if (s->off)
		hvc(PSCI_CPU_OFF, 0, 0, 0, 0);
	return 0;
}

static void listen(uint64_t cpu)
{
	check(sdei_register(0, (uintptr_t)sdei_entry, cpu, 0) == 0, "register");
	check(sdei(SDEI_ENABLE, 0, 0) == 0, "enable");
	check(sdei(SDEI_PE_UNMASK, 0, 0) == 0, "unmask");
}

// vCPU 1: each life begins as after a reset.
static void second(uint64_t life)
{
	volatile uint32_t *uart = (volatile uint32_t *)UARTFR;
	uint32_t idle;

	if (sdei(SDEI_PE_MASK, 0, 0) != 0 || sdei(SDEI_STATUS, 0, 0) != 0 || sdei(SDEI_COMPLETE, 0, 0) != SDEI_DENIED)
		store(&wrong, 10 + life);
	listen(1);
	idle = *uart;
	store(&place, 1);
	while (load(&turn) < 1) // interrupts are masked all the time
		;
	store(&place, 2);
	while (load(&turn) < 2)
		wfi();
	store(&place, 3);
	while (load(&turn) < 3) {
		if (*uart != idle)
			store(&wrong, 20);
	}
	store(&place, 4);
	while (load(&turn) < 4) {
		if (hvc(PSCI_CPU_SUSPEND, 0, 0, 0, 0).x[0] != 0)
			store(&wrong, 30);
	}
	store(&place, 5);
	for (;;)
		;
}

static void signal_sibling(void)
{
	volatile struct seen *s = &cpus[1];
	uint64_t events = load(&s->events);

	check(sdei(SDEI_SIGNAL, 0, 1) == 0, "signal");
	while (load(&s->events) == events)
		;
	check(load(&s->events) == events + 1, "%lu events of one signal", load(&s->events) - events);
}

// Signals vCPU 1 in each of its places: it is interrupted there and goes on.
static void check_sibling(uint64_t life)
{
	volatile struct seen *s = &cpus[1];

	store(&turn, 0);
	store(&place, 0);
	s->off = false;
	check(cpu_on(1, second, life) == 0, "CPU_ON %lu", life);
	for (uint32_t p = 1; p <= 4; p++) {
		while (load(&place) < p)
			;
		for (uint32_t n = 0; n < ROUNDS; n++)
			signal_sibling();
		store(&turn, p);
		signal_sibling(); // out of WFI and CPU_SUSPEND
	}
	while (load(&place) < 5)
		;
	// CPU_OFF in the handler completes it.
	s->off = true;
	check(sdei(SDEI_SIGNAL, 0, 1) == 0, "signal");
	while (hvc(PSCI_AFFINITY_INFO, 1, 0, 0, 0).x[0] == 0)
		;
	check(sdei(SDEI_SIGNAL, 0, 1) == 0, "signal of a CPU that is off");
	check(load(&wrong) == 0, "vCPU 1 found something wrong: %lu", load(&wrong));
}

// vCPU 1 signals vCPU 0, which lends its CPU to a VM that does nothing but compute.
static void signal_first(uint64_t unused)
{
	(void)unused;
	for (;;) {
		uint64_t events = load(&cpus[0].events);

		sdei(SDEI_SIGNAL, 0, 0);
		while (load(&cpus[0].events) == events)
			;
	}
}

static void check_lent(void)
{
	listen(0);
	check(cpu_on(1, signal_first, 0) == 0, "CPU_ON");
	uint64_t events = load(&cpus[0].events);
	for (uint32_t n = 0; n < ROUNDS || load(&cpus[0].events) < events + ROUNDS; n++)
		run_once(BUSY, 0);
}

// Runs both vCPUs of the service in turn until one says what is wanted.
static struct regs run_service_until(uint32_t result)
{
	for (uint16_t i = 0;; i ^= 1) {
		struct regs r = run_once(SDEI, i);

		if (func(r) == result)
			return r;
	}
}

static void check_service(void)
{
	run_service_until(SPCI_MSG_WAIT);
	for (uint32_t n = 0; n < SERVICE; n++) {
		check(send_text(SDEI, "signal") == 0, "send %u", n);
		struct regs r = run_service_until(SPCI_MSG_SEND);
		expect_text((struct message){ SDEI, (uint32_t)r.x[3] }, "ok");
		release();
	}
}

void main(uint64_t fdt)
{
	(void)fdt;
	scheduler_start(2);
	check_sibling(0);
	check_sibling(1);
	check_service();
	check_lent();
	print("%lu events on vCPU 0, %lu on vCPU 1\n", cpus[0].events, cpus[1].events);
	pass();
}
