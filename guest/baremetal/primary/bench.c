// SPDX-License-Identifier: Apache-2.0
// primary_bench: what the calls of SPCI cost. Secondaries: echo, yield, waiter, borrower, borrower.
#include "bench.h"
#include "memory.h"
#include "scheduler.h"

#define ECHO    (FIRST_SECONDARY + 0)
#define YIELD   (FIRST_SECONDARY + 1)
#define WAITER  (FIRST_SECONDARY + 2)
#define OF_PAGE (FIRST_SECONDARY + 3) // borrowers
#define OF_MIB  (FIRST_SECONDARY + 4)

// RAM of the primary that nothing else uses, for them.
#define SHARED 0x40600000ul
#define MIB    0x100000ul

#define INTID_WAITER 8u

// Runs vCPU 0 of vm until it ends its run by itself.
static struct regs run(uint16_t vm)
{
	struct regs r;

	do
		r = spci_run(vm, 0);
	while (func(r) == SPCI_INTERRUPT);
	return r;
}

static void hypercall(void)
{
	hvc(SPCI_VERSION, 0, 0, 0, 0);
}

static void yield(void)
{
	struct regs r = run(YIELD);

	check(func(r) == SPCI_YIELD, "yield: 0x%lx", r.x[0]);
}

static void inject(void)
{
	hf_interrupt_inject(WAITER, 0, INTID_WAITER);
	struct regs r = run(WAITER);

	check(func(r) == SPCI_MSG_WAIT, "inject: 0x%lx", r.x[0]);
}

static void echo(uint32_t size)
{
	check(error(spci_send(SPCI_PRIMARY, ECHO, size, 0)) == 0, "send");
	struct regs r = run(ECHO);
	check(func(r) == SPCI_MSG_SEND && (uint32_t)r.x[3] == size, "echo: 0x%lx", r.x[0]);
	spci_release();
	r = run(ECHO);
	check(func(r) == SPCI_MSG_WAIT, "echo: 0x%lx", r.x[0]);
}

static void echo_64(void)
{
	echo(64);
}

static void echo_4096(void)
{
	echo(4096);
}

// Tells a borrower what it will get.
static void lend_to(uint16_t vm, uint64_t size)
{
	run(vm);
	((uint64_t *)tx)[0] = SHARED;
	((uint64_t *)tx)[1] = size;
	check(error(spci_send(SPCI_PRIMARY, vm, 16, 0)) == 0, "send");
	run(vm);
}

// Shares memory with a borrower, which gives it back.
static void share(uint16_t vm, uint64_t size)
{
	check(hf_share_memory(vm, HF_SHARE, SHARED, size) == 0, "share");
	struct regs r = run(vm);

	check(func(r) == SPCI_YIELD, "share: 0x%lx", r.x[0]);
}

static void share_page(void)
{
	share(OF_PAGE, PAGE_SIZE);
}

static void share_mib(void)
{
	share(OF_MIB, MIB);
}

void main(uint64_t fdt)
{
	check(fdt < SHARED || fdt >= SHARED + MIB, "the device tree is in the way");
	scheduler_start(5);
	run(ECHO);
	run(WAITER);
	lend_to(OF_PAGE, PAGE_SIZE);
	lend_to(OF_MIB, MIB);
	measure("hypercall", hypercall);
	measure("inject", inject);
	measure("echo_64", echo_64);
	measure("echo_4096", echo_4096);
	measure("yield", yield);
	measure("share_4k", share_page);
	measure("share_1m", share_mib);
	pass();
}
