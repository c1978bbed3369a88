// SPDX-License-Identifier: Apache-2.0
// A VM that leaves its memory, by whatever instruction and wherever to, dies: at once, whole and alone. The
// primary is told once and stays well.
#include "suite.h"

#include "memory.h"
#include "pl011.h"
#include "trespass.h"

#define VICTIMS 8u
#define ECHO    FIRST_SECONDARY
#define VICTIM  (FIRST_SECONDARY + 1)
#define LAST    (VICTIM + VICTIMS - 1)
#define MACHINE \
	"vm=echo vm=trespass vm=trespass vm=trespass vm=trespass vm=trespass vm=trespass vm=trespass vm=trespass"

// Places in the machine. Secondaries have 1 MiB each, from the top of 64 MiB downwards.
#define RAM_BASE  0x40000000ul
#define RAM_END   0x44000000ul
#define MEMORY(n) (RAM_END - ((n) - FIRST_SECONDARY + 1ul) * 0x100000) // of VM n
#define GIC       0x08000000ul
#define NOWHERE   0x0a000000ul

static uint16_t victims; // used up

static void echo_answers(void)
{
	check(send_text(ECHO, "well?") == 0, "send to echo");
	struct message m = receive();

	check(m.from == ECHO, "message from VM %u", m.from);
	expect_text(m, "well?");
	release();
}

// Runs vCPU 0 of a VM until it has nothing more to do, and returns the last result.
static struct regs run_out(uint16_t vm)
{
	struct regs r;

	do
		r = run_once(vm, 0);
	while (func(r) == SPCI_INTERRUPT || func(r) == SPCI_YIELD || func(r) == SPCI_RX_RELEASE);
	return r;
}

static void is_aborted(uint16_t vm, struct regs r, const char *what)
{
	check(func(r) == SPCI_ERROR && error(r) == SPCI_ABORTED, "%s: run of VM %u returned 0x%lx %lx %lx", what, vm, r.x[0],
	      r.x[1], r.x[2]);
	for (uint32_t n = 0; n < 3; n++) {
		r = spci_run(vm, 0);
		check(error(r) == SPCI_INVALID_PARAMETERS, "%s: the dead VM %u ran, 0x%lx %d", what, vm, r.x[0], error(r));
	}
	hf_interrupt_inject(vm, 0, INTID_WRITABLE);
	r = spci_run(vm, 0);
	check(error(r) == SPCI_INVALID_PARAMETERS, "%s: an interrupt revived VM %u, 0x%lx", what, vm, r.x[0]);
}

static void start(void)
{
	scheduler_start(1 + VICTIMS);
	check(func(run_out(ECHO)) == SPCI_MSG_WAIT, "echo does not wait");
}

// Gets a VM to where it waits for a message. It may be there already, because whatever is ready runs beside
// the echo service, and cannot be run while it waits.
static void starts(uint16_t vm)
{
	struct regs r = run_out(vm);

	check(func(r) == SPCI_MSG_WAIT || error(r) == SPCI_INVALID_PARAMETERS, "the first run of VM %u returned 0x%lx %lx %lx", vm,
	      r.x[0], r.x[1], r.x[2]);
}

// Lets the next victim do it.
static void dies_of(struct trespass t, const char *what)
{
	uint16_t vm = VICTIM + victims++;

	check(vm <= LAST, "no victim is left");
	starts(vm);
	memcpy(tx, &t, sizeof(t));
	check(send(vm, sizeof(t)) == 0, "send");
	is_aborted(vm, run_out(vm), what);
	echo_answers();
	print("%s: dead\n", what);
}

// Every way to read, write and execute the same page, which does not belong to the VM.
static void dies_of_any_data_access(uint64_t address, const char *where)
{
	// The services map devices as not executable.
	bool device = address < RAM_BASE;

	print("%s:\n", where);
	dies_of((struct trespass){ .touch = TOUCH_READ, .address = address }, "read");
	dies_of((struct trespass){ .touch = TOUCH_WRITE, .address = address }, "write");
	dies_of((struct trespass){ .touch = TOUCH_READ_BYTE, .address = address + 0xfff }, "read of a byte");
	dies_of((struct trespass){ .touch = TOUCH_READ_PAIR, .address = address }, "read of a pair");
	dies_of((struct trespass){ .touch = TOUCH_WRITE_PAIR, .address = address }, "write of a pair");
	dies_of((struct trespass){ .touch = TOUCH_WRITE_BACK, .address = address }, "write and increment");
	dies_of((struct trespass){ .touch = TOUCH_FETCH, .address = address, .bare = device }, "fetch");
	dies_of((struct trespass){ .touch = TOUCH_VECTORS, .address = address, .bare = device }, "fetch with vectors there");
}

TEST(edges, memory_of_the_primary, MACHINE)
{
	start();
	dies_of_any_data_access(RAM_BASE, "the primary's first page");
}

TEST(edges, memory_of_a_sibling, MACHINE)
{
	start();
	dies_of_any_data_access(MEMORY(ECHO), "the echo service");
}

TEST(edges, device_of_the_primary, MACHINE)
{
	start();
	dies_of_any_data_access(UART, "the UART");
}

TEST(edges, interrupt_controller_of_the_primary, MACHINE)
{
	start();
	dies_of_any_data_access(GIC, "the GIC");
}

TEST(edges, nothing, MACHINE)
{
	start();
	dies_of_any_data_access(NOWHERE, "no device");
}

TEST(edges, behind_all_memory, MACHINE)
{
	start();
	dies_of_any_data_access(RAM_END, "behind all memory");
}

TEST(edges, other_instructions, MACHINE)
{
	start();
	dies_of((struct trespass){ .touch = TOUCH_READ_Q, .address = RAM_BASE }, "read of 128 bits");
	dies_of((struct trespass){ .touch = TOUCH_EXCLUSIVE, .address = RAM_BASE }, "exclusive read");
	dies_of((struct trespass){ .touch = TOUCH_ZERO, .address = RAM_BASE }, "DC ZVA");
	dies_of((struct trespass){ .touch = TOUCH_TABLES, .address = RAM_BASE }, "translation tables of the primary");
	dies_of((struct trespass){ .touch = TOUCH_TABLES, .address = NOWHERE }, "translation tables nowhere");
}

// The first byte is the VM's own, the last is not.
TEST(edges, straddling_the_end, MACHINE)
{
	start();
	dies_of((struct trespass){ .touch = TOUCH_READ, .address = WHERE_OWN_END, .back = 1 }, "read");
	dies_of((struct trespass){ .touch = TOUCH_WRITE, .address = WHERE_OWN_END, .back = 7 }, "write");
	dies_of((struct trespass){ .touch = TOUCH_READ_PAIR, .address = WHERE_OWN_END, .back = 8 }, "read of a pair");
	dies_of((struct trespass){ .touch = TOUCH_WRITE_PAIR, .address = WHERE_OWN_END, .back = 12 }, "write of a pair");
	dies_of((struct trespass){ .touch = TOUCH_READ_Q, .address = WHERE_OWN_END, .back = 4 }, "read of 128 bits");
	dies_of((struct trespass){ .touch = TOUCH_FETCH, .address = WHERE_OWN_END, .back = 64 }, "execution off the end");
}

// The last byte is the VM's own, the first is not.
TEST(edges, straddling_the_start, MACHINE)
{
	start();
	dies_of((struct trespass){ .touch = TOUCH_READ, .address = WHERE_OWN_START, .back = 1 }, "read");
	dies_of((struct trespass){ .touch = TOUCH_WRITE, .address = WHERE_OWN_START, .back = 7 }, "write");
	dies_of((struct trespass){ .touch = TOUCH_READ_PAIR, .address = WHERE_OWN_START, .back = 8 }, "read of a pair");
}

TEST(edges, own_receive_page, MACHINE)
{
	start();
	dies_of((struct trespass){ .touch = TOUCH_WRITE, .address = WHERE_OWN_RX }, "write");
	dies_of((struct trespass){ .touch = TOUCH_WRITE_PAIR, .address = WHERE_OWN_RX }, "write of a pair");
	starts(VICTIM + victims);
	struct trespass t = { .touch = TOUCH_READ, .address = WHERE_OWN_RX };

	memcpy(tx, &t, sizeof(t));
	check(send(VICTIM + victims, sizeof(t)) == 0, "send");
	struct message m = receive();

	check(m.from == VICTIM + victims, "message from VM %u", m.from);
	expect_text(m, "still alive");
}

TEST(edges, mmu_off_and_no_vectors, MACHINE)
{
	start();
	dies_of((struct trespass){ .touch = TOUCH_READ, .address = RAM_BASE, .bare = 1 }, "read");
	dies_of((struct trespass){ .touch = TOUCH_FETCH, .address = RAM_BASE, .bare = 1 }, "fetch");
	dies_of((struct trespass){ .touch = TOUCH_FETCH, .address = NOWHERE, .bare = 1 }, "fetch from nothing");
	dies_of((struct trespass){ .touch = TOUCH_FETCH, .address = WHERE_OWN_END, .back = 8, .bare = 1 }, "execution off the end");
	dies_of((struct trespass){ .touch = TOUCH_READ, .address = 1ul << 40, .bare = 1 }, "read behind the address space");
	dies_of((struct trespass){ .touch = TOUCH_WRITE, .address = 1ul << 39, .bare = 1 }, "write far away");
}

// Memory of a dead VM is as dead as the VM, what it had borrowed is its owner's again.
TEST(edges, borrowed_memory_comes_back, MACHINE)
{
	static uint8_t lent[PAGE_SIZE] __attribute__((aligned(4096))), shared[PAGE_SIZE] __attribute__((aligned(4096)));

	start();
	for (uint32_t n = 0; n < 3; n++) {
		uint16_t vm = (uint16_t)(VICTIM + victims);

		check(hf_share_memory(vm, HF_LEND, (uintptr_t)lent, PAGE_SIZE) == 0, "lend");
		check(hf_share_memory(vm, HF_SHARE, (uintptr_t)shared, PAGE_SIZE) == 0, "share");
		check(hf_share_memory(ECHO, HF_LEND, (uintptr_t)lent, PAGE_SIZE) != 0, "what is lent was lent again");
		dies_of((struct trespass){ .touch = TOUCH_READ, .address = RAM_BASE }, "borrower");
		memset(lent, 0xa5, sizeof(lent));
		memset(shared, 0x5a, sizeof(shared));
	}
}

#define DOOMED \
	"vm=echo vm=doomed*2 vm=doomed*2 vm=doomed*2 vm=doomed*2"

// Two words, a page each because what is shared is pages.
static uint64_t words[2][512] __attribute__((aligned(4096)));

// Gets a VM to where its vCPU 1 can be run, and counts in the word.
static void doom(uint16_t vm, uint64_t *word)
{
	struct regs r;

	store(word, 0);
	starts(vm);
	check(hf_share_memory(vm, HF_SHARE, (uintptr_t)word, PAGE_SIZE) == 0, "share");
	*(uint64_t *)tx = (uintptr_t)word;
	check(send(vm, 8) == 0, "send");
	do
		r = run_once(vm, 0);
	while (func(r) != HF_WAKE_UP);
	check(high(r.x[1]) == vm && low(r.x[1]) == 1, "wake-up of VM %u vCPU %u", high(r.x[1]), low(r.x[1]));
	check(func(run_out(vm)) == SPCI_MSG_WAIT, "VM %u does not wait again", vm);
	check(send(vm, 8) == 0, "send");
}

static void sibling_is_dead(uint16_t vm, const uint64_t *word)
{
	uint64_t count = load(word);

	for (uint32_t n = 0; n < 3; n++) {
		struct regs r = spci_run(vm, 1);

		check(error(r) == SPCI_INVALID_PARAMETERS, "the sibling ran: 0x%lx %d", r.x[0], error(r));
		hf_interrupt_inject(vm, 1, INTID_WRITABLE);
	}
	check(load(word) == count, "the sibling counts on");
}

TEST(edges, siblings_of_what_aborts_never_run_again, DOOMED)
{
	scheduler_start(5);
	check(func(run_out(ECHO)) == SPCI_MSG_WAIT, "echo does not wait");
	for (uint16_t vm = VICTIM; vm < VICTIM + 4; vm++) {
		doom(vm, words[0]);
		while (load(&words[0][0]) == 0) {
			struct regs r = spci_run(vm, 1);

			check(func(r) == SPCI_INTERRUPT, "the sibling's run: 0x%lx", r.x[0]);
		}
		is_aborted(vm, run_out(vm), "vCPU 0");
		sibling_is_dead(vm, words[0]);
		echo_answers();
	}
}

// vCPU 1 of the VM that the second CPU is to run; 0 for none, and what came of it.
static uint64_t job;
static struct regs job_result;

static void second_cpu(uint64_t unused)
{
	struct regs r;

	(void)unused;
	for (;;) {
		uint16_t vm = (uint16_t)load(&job);

		if (!vm)
			continue;
		do
			r = spci_run(vm, 1);
		while (func(r) == SPCI_INTERRUPT);
		job_result = r;
		dmb();
		store(&job, 0);
	}
}

// The sibling runs on another CPU when it happens. Whatever it is doing then, the primary hears of the
// abort once.
TEST(edges, siblings_that_run_elsewhere_stop, DOOMED " cpus=2")
{
	scheduler_start(5);
	check(func(run_out(ECHO)) == SPCI_MSG_WAIT, "echo does not wait");
	check(cpu_on(1, second_cpu, 0) == 0, "CPU_ON");
	for (uint16_t vm = VICTIM; vm < VICTIM + 4; vm++) {
		uint64_t *word = words[vm % 2];

		doom(vm, word);
		store(&job, vm);
		while (load(word) == 0)
			;
		is_aborted(vm, run_out(vm), "vCPU 0");
		while (load(&job))
			;
		check(error(job_result) == SPCI_INVALID_PARAMETERS, "the sibling's last run: 0x%lx %d", job_result.x[0],
		      error(job_result));
		sibling_is_dead(vm, word);
		echo_answers();
	}
}
