// SPDX-License-Identifier: Apache-2.0
// primary_sdei: event 0 in every situation that a vCPU can be in, on itself and from its sibling.
// Secondaries: busy, and sdei with 2 vCPUs. The primary has 2 CPUs.
#include "scheduler.h"
#include "sdei.h"

#define BUSY FIRST_SECONDARY
#define SDEI (FIRST_SECONDARY + 1)

#define ROUNDS  20u
#define SERVICE 20u // rounds of the service

#define PSCI_CPU_SUSPEND   0xc4000001u
#define PSCI_CPU_OFF       0x84000002u
#define PSCI_AFFINITY_INFO 0xc4000004u

#define UARTFR      0x09000018ul
#define UARTIMSC    0x09000038ul
#define UART_TXIM   (1u << 5)
#define UART_INTID  33u
#define UART_EVENT  0x40000200u // the first one for a bound SPI
#define RTC_INTID   34u

#define GICD_ISENABLER1 0x08000104ul
#define GICD_ICENABLER1 0x08000184ul

#define PSTATE_DAIF 0x3c0u
#define PSTATE_EL1H 5u

// What the handlers saw, by their argument, the CPU. Volatile: the compiler does not see them called.
static volatile struct seen {
	uint64_t events, pc, pstate, x0, x17;
	uint64_t answer; // what to complete with
	bool ask, off;
} cpus[2];

static uint32_t turn, place; // of vCPU 1: the number of its life, where it is
static uint64_t wrong;       // what vCPU 1 found wrong

uint64_t sdei_handle(uint64_t event, uint64_t argument, uint64_t pc, uint64_t pstate)
{
	volatile struct seen *s = &cpus[argument];

	s->pc = pc;
	s->pstate = pstate;
	if (s->ask) {
		s->x0 = (uint64_t)sdei(SDEI_CONTEXT, 0, 0);
		s->x17 = (uint64_t)sdei(SDEI_CONTEXT, 17, 0);
	}
	if (event == UART_EVENT)
		store((uint32_t *)UARTIMSC, 0);
	else if (event != 0)
		store(&wrong, 2000 + event);
	if (sdei(SDEI_STATUS, event, 0) != 7 || (read_sysreg(daif) & PSTATE_DAIF) != PSTATE_DAIF)
		store(&wrong, 1000 + event);
	store(&s->events, load(&s->events) + 1);
	if (s->off)
		hvc(PSCI_CPU_OFF, 0, 0, 0, 0);
	return s->answer;
}

static void listen(uint64_t cpu, uint64_t entry, uint64_t flags)
{
	check(sdei_register(0, entry, cpu, flags) == 0, "register");
	check(sdei(SDEI_ENABLE, 0, 0) == 0, "enable");
	check(sdei(SDEI_PE_UNMASK, 0, 0) == 0, "unmask");
}

static void check_calls(void)
{
	static const struct {
		uint32_t fn;
		uint64_t a1, a2;
		int64_t want;
	} rows[] = {
		{ SDEI_VERSION, 0, 0, 0x000100016866766d },
		{ SDEI_FEATURES, 0, 0, 4 << 16 | 2 },
		{ SDEI_FEATURES, 1, 0, 1 },
		{ SDEI_FEATURES, 2, 0, SDEI_INVALID },
		{ SDEI_PE_MASK, 0, 0, 0 },
		{ SDEI_STATUS, 0, 0, 0 },
		{ SDEI_STATUS, 1ul << 32, 0, 0 },
		{ SDEI_STATUS, ~0ul, 0, SDEI_INVALID },
		{ SDEI_GET_INFO, 0, 0, 0 },
		{ SDEI_GET_INFO, 0, 1, 0 },
		{ SDEI_GET_INFO, 0, 2, 0 },
		{ SDEI_GET_INFO, 0, 3, SDEI_INVALID },
		{ SDEI_ENABLE, 0, 0, SDEI_DENIED },
		{ SDEI_DISABLE, 0, 0, SDEI_DENIED },
		{ SDEI_UNREGISTER, 0, 0, SDEI_DENIED },
		{ SDEI_ROUTING_SET, 0, 0, SDEI_INVALID },
		{ SDEI_COMPLETE, 0, 0, SDEI_DENIED },
		{ SDEI_COMPLETE_RESUME, 0, 0, SDEI_DENIED },
		{ SDEI_CONTEXT, 0, 0, SDEI_DENIED },
		{ SDEI_CONTEXT, 18, 0, SDEI_INVALID },
		{ SDEI_BIND, 0, 0, SDEI_INVALID },
		{ SDEI_BIND, 27, 0, SDEI_INVALID },
		{ SDEI_RELEASE, 0, 0, SDEI_INVALID },
		{ SDEI_SIGNAL, 1, 0, SDEI_INVALID },
		{ SDEI_SIGNAL, 0, 2, SDEI_INVALID },
		{ SDEI_SIGNAL, 0, 1ul << 40, SDEI_INVALID },
		{ SDEI_SIGNAL, 0, 1, 0 },
		{ SDEI_PRIVATE_RESET, 0, 0, 0 },
		{ SDEI_SHARED_RESET, 0, 0, 0 },
		{ SDEI_SHARED_RESET + 1, 0, 0, SDEI_NOT_SUPPORTED },
		{ 0x84000020, 0, 0, SDEI_NOT_SUPPORTED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t got = sdei(rows[i].fn, rows[i].a1, rows[i].a2);

		check(got == rows[i].want, "0x%x(0x%lx, 0x%lx) = 0x%lx", rows[i].fn, rows[i].a1, rows[i].a2, got);
	}
}

static void check_self(uint64_t flags)
{
	volatile struct seen *s = &cpus[0];
	uint64_t entry = flags ? sdei_entry_relative() : (uintptr_t)sdei_entry;

	listen(0, entry, flags);
	for (uint32_t resume = 0; resume < 2; resume++) {
		uint64_t events = s->events, resumes = load(&sdei_resumes);

		s->ask = true;
		s->answer = resume ? (uintptr_t)sdei_resume : 0;
		int64_t differ = sdei_signal_self_and_compare(read_sysreg(mpidr_el1));
		check(differ == 0, "%ld registers changed", differ);
		check(s->events == events + 1, "%lu events", s->events - events);
		check(s->pc == (uintptr_t)sdei_signal_pc, "interrupted at 0x%lx, not 0x%lx", s->pc, (uintptr_t)sdei_signal_pc);
		check((s->pstate & 0x1f) == PSTATE_EL1H, "interrupted PSTATE 0x%lx", s->pstate);
		check(s->x0 == 0 && s->x17 == 0xa011, "context: x0 0x%lx, x17 0x%lx", s->x0, s->x17);
		for (uint32_t n = 0; n < 14; n++)
			check(sdei_seen[n] == 0xa004 + n, "handler saw x%u = 0x%lx", n + 4, sdei_seen[n]);
		check(load(&sdei_resumes) == resumes + resume, "resumed %lu times", load(&sdei_resumes) - resumes);
		if (resume)
			check(sdei_elr == s->pc && sdei_spsr == s->pstate, "ELR 0x%lx SPSR 0x%lx", sdei_elr, sdei_spsr);
	}
	s->ask = false;
	s->answer = 0;

	uint64_t events = s->events;
	check(sdei(SDEI_PE_MASK, 0, 0) == 1, "mask");
	check(sdei(SDEI_PE_MASK, 0, 0) == 0, "mask again");
	for (uint32_t n = 0; n < 3; n++)
		check(sdei(SDEI_SIGNAL, 0, 0) == 0, "signal while masked");
	check(s->events == events, "an event while masked");
	check(sdei(SDEI_PE_UNMASK, 0, 0) == 0, "unmask");
	check(s->events == events + 1, "%lu events when unmasked", s->events - events);
	check(sdei(SDEI_UNREGISTER, 0, 0) == 0, "unregister");
}

// vCPU 1: each life begins as after a reset.
static void second(uint64_t life)
{
	volatile uint32_t *uart = (volatile uint32_t *)UARTFR;
	uint32_t idle;

	if (sdei(SDEI_PE_MASK, 0, 0) != 0 || sdei(SDEI_STATUS, 0, 0) != 0 || sdei(SDEI_COMPLETE, 0, 0) != SDEI_DENIED)
		store(&wrong, 10 + life);
	listen(1, (uintptr_t)sdei_entry, 0);
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
	listen(0, (uintptr_t)sdei_entry, 0);
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

// The UART's interrupt becomes an event, once while it is low and idle.
static void check_bound(void)
{
	volatile struct seen *s = &cpus[0];
	uint64_t events = s->events;

	store((uint32_t *)GICD_ISENABLER1, 1u << (RTC_INTID - 32));
	check(sdei(SDEI_BIND, RTC_INTID, 0) == SDEI_DENIED, "bind of an enabled interrupt");
	store((uint32_t *)GICD_ICENABLER1, 1u << (RTC_INTID - 32));
	check(sdei(SDEI_BIND, 40, 0) == SDEI_INVALID, "bind of an interrupt without a device");
	check(sdei(SDEI_BIND, UART_INTID, 0) == UART_EVENT, "bind");
	check(sdei(SDEI_BIND, UART_INTID, 0) == UART_EVENT, "bind again");
	check(sdei(SDEI_GET_INFO, UART_EVENT, 0) == 1, "type");
	check(sdei_register(UART_EVENT, (uintptr_t)sdei_entry, 0, 0) == 0, "register");
	check(sdei(SDEI_ENABLE, UART_EVENT, 0) == 0, "enable");
	check(sdei(SDEI_PE_UNMASK, 0, 0) == 0, "unmask");
	print("the UART has sent this\n");
	check(s->events == events, "an event of a UART that asks for nothing");
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		store((uint32_t *)UARTIMSC, UART_TXIM); // the handler takes it back
		check(s->events == events + n, "%lu events after %u requests", s->events - events, n);
	}
	check(sdei(SDEI_RELEASE, UART_EVENT, 0) == SDEI_DENIED, "release of a registered event");
	check(sdei(SDEI_UNREGISTER, UART_EVENT, 0) == 0, "unregister");
	check(sdei(SDEI_RELEASE, UART_EVENT, 0) == 0, "release");
	check(sdei(SDEI_STATUS, UART_EVENT, 0) == SDEI_INVALID, "status of what was released");
	check(load(&wrong) == 0, "wrong event: %lu", load(&wrong));
}

void main(uint64_t fdt)
{
	(void)fdt;
	scheduler_start(2);
	check_calls();
	check_self(0);
	check_self(2);
	check_bound();
	check_sibling(0);
	check_sibling(1);
	check_service();
	check_lent();
	print("%lu events on vCPU 0, %lu on vCPU 1, %lu resumed\n", cpus[0].events, cpus[1].events, load(&sdei_resumes));
	pass();
}
