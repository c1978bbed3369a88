// SPDX-License-Identifier: Apache-2.0
// primary_sdei_moved: comes into one state of SDEI after the other. In each it prints "state N" and waits for
// x20 to become other than zero; meanwhile the host moves it to a new machine. "raise N" asks for event N.
#include "pl011.h"
#include "scheduler.h"
#include "sdei.h"

#define CRITICAL   0x40000002u
#define SHARED     0x40000003u
#define UART_EVENT 0x40000200u // the first one for a bound SPI

#define TO_PE   1u // flag of EVENT_REGISTER
#define ROUTING 3u // what EVENT_GET_INFO is asked for

enum { REGISTERED = 1, ENABLED = 2, RUNNING = 4 };

static uint32_t state;  // in which the handler is to move
static uint32_t events; // handled

static void move(void)
{
	print("state %u\n", state);
	asm volatile("mov x20, #0\n1: cbz x20, 1b" ::: "x20", "memory");
}

static void status(uint32_t event, int64_t want)
{
	int64_t got = sdei(SDEI_STATUS, event, 0);

	check(got == want, "state %u: event 0x%x has status %ld, not %ld", state, event, got, want);
}

uint64_t sdei_handle(uint64_t event, uint64_t argument, uint64_t pc, uint64_t pstate)
{
	(void)pc;
	(void)pstate;
	check(argument == event + 7, "argument 0x%lx of event 0x%lx", argument, event);
	store(&events, load(&events) + 1);
	if (event == UART_EVENT)
		store((uint32_t *)UARTIMSC, 0);
	if (event != 0) {
		if (event != UART_EVENT)
			move();
		status((uint32_t)event, REGISTERED | ENABLED | RUNNING);
		return 0;
	}
	switch (state) {
	case 4:
		move();
		status(0, REGISTERED | ENABLED | RUNNING);
		check(sdei(SDEI_CONTEXT, 0, 0) == 0 && sdei(SDEI_CONTEXT, 17, 0) == 0x11, "context");
		break;
	case 5:
		if (load(&events) % 2 == 0) {
			check(sdei(SDEI_SIGNAL, 0, 0) == 0, "signal");
			move();
		}
		break;
	case 6:
		check(sdei(SDEI_DISABLE, 0, 0) == 0, "disable");
		move();
		status(0, REGISTERED | RUNNING);
		break;
	case 7:
		check(sdei(SDEI_UNREGISTER, 0, 0) == SDEI_PENDING, "unregister");
		move();
		status(0, RUNNING);
		break;
	case 8:
		print("raise %u\n", CRITICAL);
		while (load(&events) != 6)
			;
		status(0, REGISTERED | ENABLED | RUNNING);
		break;
	}
	return 0;
}

static void listen(uint32_t event, uint64_t flags)
{
	check(sdei_register(event, (uintptr_t)sdei_entry, event + 7, flags) == 0, "register 0x%x", event);
	check(sdei(SDEI_ENABLE, event, 0) == 0, "enable 0x%x", event);
}

// Unmasks the PE with something in x17 to look for in the interrupted context.
static void unmask(void)
{
	register uint64_t x0 asm("x0") = SDEI_PE_UNMASK;
	register uint64_t x17 asm("x17") = 0x11;

	asm volatile("hvc #0" : "+r"(x0), "+r"(x17)::"memory");
	check(x0 == 0 && x17 == 0x11, "unmask: 0x%lx, x17 0x%lx", x0, x17);
}

static void expect(uint32_t n)
{
	check(load(&events) == n, "state %u: %u events, not %u", state, load(&events), n);
}

void main(uint64_t fdt)
{
	(void)fdt;
	move();
	status(0, 0);
	state = 1;
	check(sdei_register(0, (uintptr_t)sdei_entry, 7, 0) == 0, "register");
	move();
	status(0, REGISTERED);
	state = 2;
	check(sdei(SDEI_SIGNAL, 0, 0) == 0, "signal");
	move();
	status(0, REGISTERED);
	state = 3;
	check(sdei(SDEI_ENABLE, 0, 0) == 0, "enable");
	move();
	status(0, REGISTERED | ENABLED);
	expect(0); // the PE is masked
	state = 4;
	unmask();
	expect(1);
	state = 5;
	check(sdei(SDEI_SIGNAL, 0, 0) == 0, "signal");
	expect(3);
	state = 6;
	check(sdei(SDEI_SIGNAL, 0, 0) == 0, "signal");
	status(0, REGISTERED);
	state = 7;
	check(sdei(SDEI_ENABLE, 0, 0) == 0, "enable");
	events = 3;
	check(sdei(SDEI_SIGNAL, 0, 0) == 0, "signal");
	expect(4);
	status(0, 0);
	state = 8;
	listen(0, 0);
	listen(CRITICAL, 0);
	check(sdei(SDEI_SIGNAL, 0, 0) == 0, "signal");
	expect(6);
	status(0, REGISTERED | ENABLED);
	state = 9;
	listen(SHARED, TO_PE);
	print("raise %u\n", SHARED);
	while (load(&events) != 7)
		;
	check(sdei(SDEI_GET_INFO, SHARED, ROUTING) == 1, "routing mode");
	state = 10;
	check(sdei(SDEI_BIND, UART_INTID, 0) == UART_EVENT, "bind");
	listen(UART_EVENT, 0);
	move();
	check(sdei(SDEI_BIND, UART_INTID, 0) == UART_EVENT, "bind again");
	status(UART_EVENT, REGISTERED | ENABLED);
	print("the UART has sent this\n");
	store((uint32_t *)UARTIMSC, UART_TXIM);
	expect(8);
	pass();
}
