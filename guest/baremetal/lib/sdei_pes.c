// SPDX-License-Identifier: Apache-2.0
#include "sdei_pes.h"

#include "gicv3.h"

#define SPURIOUS 1023u

volatile struct pe pes[MAX_CPUS];
uint32_t cpus;

volatile struct pe *self(void)
{
	return &pes[cpu_index()];
}

uint32_t other(void)
{
	return cpu_index() ? 0 : cpus - 1;
}

uint64_t sdei_handle(uint64_t event, uint64_t argument, uint64_t pc, uint64_t pstate)
{
	volatile struct pe *p = self();

	check(argument == event + 7, "argument 0x%lx of event 0x%lx", argument, event);
	check((read_sysreg(daif) & PSTATE_DAIF) == PSTATE_DAIF, "DAIF 0x%lx", read_sysreg(daif));
	check(read_sysreg(currentel) >> 2 == 1 && read_sysreg(spsel) == 1, "not at EL1h");
	if (event == UART_EVENT)
		store((uint32_t *)UARTIMSC, 0);
	p->events++;
	p->pc = pc;
	p->pstate = pstate;
	if (p->work)
		p->work((uint32_t)event);
	uint64_t answer = p->answer;
	p->answer = 0;
	return answer;
}

void handle_irq(void)
{
	uint32_t intid = gic_acknowledge();

	if (intid == SPURIOUS && self()->work) {
		self()->work(RESUMED);
		return;
	}
	check(intid == SGI, "INTID %u", intid);
	self()->interrupts++;
	if (self()->work)
		self()->work(INTERRUPT);
	gic_end(intid);
}

static struct order {
	void (*fn)(void);
	uint32_t given, taken, done;
} orders[MAX_CPUS];

static void obey(void)
{
	struct order *o = &orders[cpu_index()];

	if (load(&o->given) == o->taken)
		return;
	o->taken++;
	dmb();
	o->fn();
	dmb();
	store(&o->done, o->done + 1);
}

static void obey_always(uint64_t unused)
{
	(void)unused;
	for (;;)
		obey();
}

void give(uint32_t cpu, void (*fn)(void))
{
	if (cpu != 0 && orders[cpu].given == 0)
		check(cpu_on(cpu, obey_always, 0) == 0, "CPU_ON %u", cpu);
	orders[cpu].fn = fn;
	dmb();
	store(&orders[cpu].given, orders[cpu].given + 1);
}

void finish(uint32_t cpu)
{
	while (load(&orders[cpu].done) != orders[cpu].given)
		obey();
	dmb();
}

void on(uint32_t cpu, void (*fn)(void))
{
	if (cpu == cpu_index()) {
		fn();
		return;
	}
	give(cpu, fn);
	finish(cpu);
}

void forget(uint32_t cpu)
{
	orders[cpu] = (struct order){ 0 };
}

void begin(void)
{
	volatile struct pe *p = self();

	*p = (struct pe){ 0 };
	sdei(SDEI_PE_MASK, 0, 0);
	check(sdei(SDEI_PRIVATE_RESET, 0, 0) == 0, "private reset");
	check(sdei(SDEI_SHARED_RESET, 0, 0) == 0, "shared reset");
}

void everywhere(uint32_t count, void (*fn)(void))
{
	cpus = count;
	print("the UART has sent this\n");
	for (uint32_t smc = 0; smc < 2; smc++) {
		store(&sdei_smc, smc);
		for (uint32_t cpu = 0; cpu < cpus; cpu += cpus > 1 ? cpus - 1 : 1) {
			on(cpu, begin);
			on(cpu, fn);
			on(cpu, begin);
		}
	}
}

int64_t reg(uint32_t event)
{
	return sdei_register(event, (uintptr_t)sdei_entry, event + 7, 0);
}

void listen(uint32_t event)
{
	expect(reg(event), 0);
	expect(sdei(SDEI_ENABLE, event, 0), 0);
}

void pattern(uint64_t x[31])
{
	for (uint32_t n = 0; n < 31; n++)
		x[n] = PATTERN(n);
}

uint32_t differing(const uint64_t x[31])
{
	uint32_t bad = 0;

	for (uint32_t n = 3; n < 31; n++)
		bad += x[n] != PATTERN(n);
	return bad;
}

void expect_pattern(void)
{
	for (uint32_t n = 4; n <= 17; n++)
		check(sdei_seen[n - 4] == PATTERN(n), "the handler saw x%u = 0x%lx", n, sdei_seen[n - 4]);
}

void raise_uart(void)
{
	store((uint32_t *)UARTIMSC, UART_TXIM);
}

void raise(uint32_t event)
{
	store((uint32_t *)UARTCR, UART_ON);
	print("raise %u %u\n", event, cpu_index());
	while (load((uint32_t *)UARTFR) & UART_RXFE)
		;
	(void)load((uint32_t *)UARTDR);
}

void unmask(void)
{
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
}

void mask_here(void)
{
	expect(sdei(SDEI_PE_MASK, 0, 0), 1);
}

void await(uint32_t cpu, uint32_t events)
{
	while (pes[cpu].events < events)
		;
	check(pes[cpu].events == events, "%u events on CPU %u, not %u", pes[cpu].events, cpu, events);
}

void hear(void)
{
	begin();
	expect(sdei(SDEI_STATUS, 0, 0), 0);
	listen(0);
	expect(sdei(SDEI_PE_UNMASK, 0, 0), 0);
}

void complete_nothing(void)
{
	expect(sdei(SDEI_COMPLETE, 0, 0), SDEI_DENIED);
	expect(sdei(SDEI_COMPLETE_RESUME, 0, 0), SDEI_DENIED);
	expect(sdei(SDEI_CONTEXT, 0, 0), SDEI_DENIED);
}
