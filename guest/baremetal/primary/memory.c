// SPDX-License-Identifier: Apache-2.0
// primary_memory: memory changes hands, is zeroed, and is out of reach for whoever has no right to it, while
// the other CPU runs and shares as well. Secondaries: memory, memory. The primary has 2 CPUs.
#include "scheduler.h"

#include "memory.h"

#define ONE   (FIRST_SECONDARY + 0)
#define TWO   (FIRST_SECONDARY + 1)
#define BASE  0x42000000ul // RAM of the primary that nothing else uses
#define MIB   0x100000ul
#define PAGES 256u // of 1 MiB

#define OTHERS 0x42800000ul // the second CPU's
#define SHARED 100u         // pages that it shares, every second one

// probe reads or writes the 64 bits at an address. It returns 0, or the syndrome of the abort.
uint64_t probe(uint64_t address, uint64_t write);
extern char probe_vectors[];

asm("	.text\n"
    "probe:\n"
    "	mov	x9, x0\n"
    "	mov	x0, #0\n"
    "	cbnz	x1, 1f\n"
    "	ldr	x10, [x9]\n"
    "	ret\n"
    "1:	str	xzr, [x9]\n"
    "	dsb	sy\n"
    "	ret\n"
    "	.balign	2048\n"
    "probe_vectors:\n"
    "	.skip	512\n" // what is not a synchronous exception of this level ends up nowhere
    "	mrs	x0, esr_el1\n"
    "	msr	elr_el1, x30\n" // back to where probe was called from
    "	eret\n"
    "	.balign	2048\n");

static bool aborts(uint64_t address, bool write)
{
	uint64_t vectors = read_sysreg(vbar_el1);

	write_sysreg(vbar_el1, (uintptr_t)probe_vectors);
	isb();
	uint64_t esr = probe(address, write);
	write_sysreg(vbar_el1, vectors);
	isb();
	return esr >> 26 == 0x25; // a data abort of this level
}

static uint64_t beats, failures, stop; // of the second CPU

static void second(uint64_t unused)
{
	(void)unused;
	for (uint64_t i = 0; i < SHARED; i++) {
		if (hf_share_memory(TWO, HF_SHARE, OTHERS + 2 * i * PAGE_SIZE, PAGE_SIZE) != 0)
			store(&failures, failures + 1);
		store(&beats, beats + 1);
	}
	while (!load(&stop))
		store((uint64_t *)OTHERS, load((uint64_t *)OTHERS) + 1);
	store(&beats, 0);
	for (;;)
		wfi();
}

// Has a service do a job. False if its VM died of it.
static bool ask(uint16_t vm, enum memory_job job, uint64_t address, uint64_t *value)
{
	struct memory_request q = { job, address, value ? *value : 0 };

	memcpy(tx, &q, sizeof(q));
	check(send(vm, sizeof(q)) == 0, "send");
	struct message m = receive();

	if (m.from == 0)
		return false;
	check(m.from == vm, "message of VM %u", m.from);
	memcpy(&q, rx, sizeof(q));
	if (value)
		*value = q.value;
	release();
	return true;
}

static uint64_t read_by(uint16_t vm, uint64_t address)
{
	uint64_t value = 0;

	check(ask(vm, JOB_READ, address, &value), "VM %u died of reading 0x%lx", vm, address);
	return value;
}

static void write_by(uint16_t vm, uint64_t address, uint64_t value)
{
	check(ask(vm, JOB_WRITE, address, &value), "VM %u died of writing 0x%lx", vm, address);
}

static void fill(uint64_t address, uint64_t size)
{
	for (uint64_t a = address; a < address + size; a += 8)
		store((uint64_t *)a, a);
}

static void expect_zero(uint64_t address, uint64_t size)
{
	for (uint64_t a = address; a < address + size; a += 8)
		check(load((uint64_t *)a) == 0, "0x%lx at 0x%lx", load((uint64_t *)a), a);
}

// Runs ONE, which got a message that needs no answer, until it waits again.
static void settle(void)
{
	check(receive().from == 0, "an answer");
}

static void share_one_mib(void)
{
	uint64_t last = BASE + MIB - 8, pages = PAGES;

	fill(BASE - PAGE_SIZE, MIB + 2 * PAGE_SIZE);
	check(hf_share_memory(ONE, HF_SHARE, BASE, MIB) == 0, "share");
	expect_zero(BASE, MIB);
	check(load((uint64_t *)(BASE - 8)) == BASE - 8, "the page before");
	check(load((uint64_t *)(BASE + MIB)) == BASE + MIB, "the page behind");
	store((uint64_t *)last, 77);
	check(read_by(ONE, last) == 77, "the service does not see what the primary wrote");
	write_by(ONE, BASE, 78);
	check(load((uint64_t *)BASE) == 78, "the primary does not see what the service wrote");
	check(hf_share_memory(TWO, HF_SHARE, BASE, PAGE_SIZE) == -1, "shared twice");
	check(ask(ONE, JOB_GIVE, BASE, &pages) && pages == 0, "give back: %ld", (int64_t)pages);
	expect_zero(BASE, MIB);
	print("1 MiB shared and given back\n");
}

static void lend(void)
{
	fill(BASE, MIB);
	check(hf_share_memory(ONE, HF_LEND, BASE, MIB) == 0, "lend");
	check(aborts(BASE, false) && aborts(BASE + MIB - 8, true), "the lender still has access");
	check(!aborts(BASE - 8, true) && !aborts(BASE + MIB, true), "the lender lost too much");
	check(read_by(ONE, BASE) == 0, "the borrower sees what was there");
	write_by(ONE, BASE + 8, 79);

	struct memory_request q = { JOB_RELINQUISH, BASE, PAGES };

	memcpy(tx, &q, sizeof(q));
	check(send(ONE, sizeof(q)) == 0, "send");
	struct message m = receive();
	check(m.from == ONE && m.size == sizeof(struct memory_message), "%u bytes of VM %u", m.size, m.from);
	check(((struct memory_message *)rx)->type == MEMORY_RELINQUISH, "type");
	release();
	check(load((uint64_t *)(BASE + 8)) == 79, "what the borrower left is gone");
	print("1 MiB lent and relinquished\n");
}

static void read_only(void)
{
	store((uint64_t *)BASE, 80);
	struct regs r = send_memory(MEMORY_LEND, SPCI_PRIMARY, TWO, MEMORY_READ_ONLY, BASE, 1);
	check(func(r) == SPCI_SUCCESS, "lend: %d", error(r));
	run_through(TWO, 0);
	check(aborts(BASE, false), "the lender still has access");
	check(read_by(TWO, BASE) == 80, "the borrower does not see the page");

	uint64_t value = 1;
	check(!ask(TWO, JOB_WRITE, BASE, &value) && is_dead(TWO), "a read-only page was written");
	print("a write to a read-only page aborts the VM\n");
}

static void donate(void)
{
	struct regs r = send_memory(MEMORY_DONATE, SPCI_PRIMARY, ONE, MEMORY_READ_WRITE, BASE + MIB, 1);
	check(func(r) == SPCI_SUCCESS, "donate: %d", error(r));
	run_through(ONE, 0);
	settle();
	check(aborts(BASE + MIB, false) && aborts(BASE + MIB, true), "the giver still has access");
	write_by(ONE, BASE + MIB, 81);

	// The other way, which must cost the service its life when it touches the page again.
	uint64_t page = 0;
	check(ask(ONE, JOB_OWN, 0, &page) && aborts(page, false), "the service's page");
	struct memory_request q = { JOB_DONATE, page, 1 };

	memcpy(tx, &q, sizeof(q));
	check(send(ONE, sizeof(q)) == 0, "send");
	check(receive().from == ONE, "no donation");
	release();
	check(!aborts(page, true), "the new owner has no access");
	check(!ask(ONE, JOB_READ, page, NULL) && is_dead(ONE), "the giver still has access");
	print("donated pages are out of their givers' reach\n");
}

void main(uint64_t fdt)
{
	check(fdt < BASE - PAGE_SIZE, "the device tree is in the way");
	scheduler_start(2);
	receive();
	check(cpu_on(1, second, 0) == 0, "CPU_ON");
	while (load(&beats) == 0)
		;
	for (uint32_t round = 0; round < 5; round++) {
		share_one_mib();
		lend();
	}
	while (load(&beats) < SHARED)
		;
	check(failures == 0, "the second CPU failed %lu times", failures);
	for (uint64_t i = 0; i < SHARED; i++)
		write_by(TWO, OTHERS + 2 * i * PAGE_SIZE + 8, i);
	read_only();
	donate();
	store(&stop, 1);
	while (load(&beats) != 0)
		;
	check(load((uint64_t *)OTHERS) > 0, "the second CPU stood still");
	pass();
}
