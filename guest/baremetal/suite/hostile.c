// SPDX-License-Identifier: Apache-2.0
// A secondary that makes random calls with random registers for as long as it is let. The primary, a service that
// behaves, and their memory come to no harm; the memory of a bystander, which never runs, is compared
// by whoever runs the test.
#include "suite.h"

#include "hf.h"
#include "hostile.h"
#include "random.h"
#include "steady.h"

// By each of two vCPUs.
#define CALLS       4000u
#define CALLS_SHORT 1500u
#define CALLS_LONG  500000u
// By each of the wild services, of which few make so many.
#define CALLS_WILD  1000u

#define MEMORY (1ul << 20) // of each secondary

#define OWN_WORDS 8192u

// A vCPU that is blocked so often in a row, though it was just woken, is taken for dead; a wild one that is preempted
// so often in a row, for one that loops without ever making a call. No wild one gets more turns than that, whatever it
// does; a service that makes all its calls needs a tenth of them.
#define GIVE_UP 1000u
#define LOOPS   300u
#define TURNS   3000u

static uint64_t own_memory[OWN_WORDS];

// Runs, in the terms of both interfaces.
enum kind { AGAIN, PREEMPTED, BLOCKED, TO_PRIMARY, TO_OTHER, WAITERS, DEAD };

struct ended {
	enum kind kind;
	uint32_t size; // TO_PRIMARY
};

static bool january; // the interface; else that of November 2019
static uint16_t steady, hostile;

static struct ended run(uint16_t vm, uint16_t vcpu)
{
	if (january) {
		uint64_t r = jan_call(JAN_VCPU_RUN, vm, vcpu, 0);

		switch (jan_code(r)) {
		case RUN_WAIT_FOR_INTERRUPT:
		case RUN_SLEEP:
			return (struct ended){ BLOCKED, 0 };
		case RUN_MESSAGE:
			return (struct ended){ TO_PRIMARY, jan_size(r) };
		case RUN_WAKE_UP:
			return (struct ended){ TO_OTHER, 0 };
		case RUN_NOTIFY_WAITERS:
			return (struct ended){ WAITERS, 0 };
		case RUN_PREEMPTED:
			return (struct ended){ PREEMPTED, 0 };
		case RUN_YIELD:
			return (struct ended){ AGAIN, 0 };
		}
		check(false, "run of VM %u returned 0x%lx", vm, r);
	}
	struct regs r = spci_run(vm, vcpu);

	switch (func(r)) {
	case SPCI_INTERRUPT:
		return (struct ended){ PREEMPTED, 0 };
	case SPCI_YIELD:
		return (struct ended){ AGAIN, 0 };
	case SPCI_MSG_WAIT:
	case HF_WAIT_FOR_INTERRUPT:
		return (struct ended){ BLOCKED, 0 };
	case SPCI_MSG_SEND:
		if (low(r.x[1]) == SPCI_PRIMARY)
			return (struct ended){ TO_PRIMARY, (uint32_t)r.x[3] };
		// fall through
	case HF_WAKE_UP:
		return (struct ended){ TO_OTHER, 0 };
	case SPCI_RX_RELEASE:
		return (struct ended){ WAITERS, 0 };
	case SPCI_ERROR:
		if (error(r) == SPCI_INVALID_PARAMETERS || error(r) == SPCI_BUSY)
			return (struct ended){ BLOCKED, 0 };
		return (struct ended){ DEAD, 0 };
	}
	check(false, "run of VM %u returned 0x%lx", vm, r.x[0]);
}

static void inject(uint16_t vm, uint16_t vcpu, uint32_t intid)
{
	if (january)
		jan_call(JAN_INTERRUPT_INJECT, vm, vcpu, intid);
	else
		hf_interrupt_inject(vm, vcpu, intid);
}

static void drain_waiters(uint16_t vm)
{
	int64_t w;

	while ((w = january ? (int64_t)jan_call(JAN_MAILBOX_WAITER_GET, vm, 0, 0) : hf_waiter_get(vm)) >= 0)
		inject((uint16_t)w, 0, INTID_WRITABLE);
}

static void free_mailbox(void)
{
	if (january ? jan_call(JAN_MAILBOX_CLEAR, 0, 0, 0) == 1 : func(spci_release()) == SPCI_RX_RELEASE)
		drain_waiters(january ? JAN_PRIMARY : SPCI_PRIMARY);
}

static bool send_to(uint16_t vm, uint32_t size)
{
	if (january)
		return jan_call(JAN_MAILBOX_SEND, vm, size, true) != (uint64_t)-1;
	return func(spci_send(SPCI_PRIMARY, vm, size, SPCI_NOTIFY)) == SPCI_SUCCESS;
}

static void start(bool is_january)
{
	january = is_january;
	steady = january ? 1 : FIRST_SECONDARY;
	hostile = steady + 1;
	random_fill(own_memory, OWN_WORDS, 0);
	bool mapped = january ? jan_call(JAN_VM_CONFIGURE, (uintptr_t)tx, (uintptr_t)rx, 0) == 0 :
				func(spci_map()) == SPCI_SUCCESS;
	check(mapped, "no mailbox");
}

// Runs the steady service until it waits for something, or sends to the primary.
static struct ended run_steady(void)
{
	struct ended e;

	do {
		e = run(steady, 0);
		if (e.kind == WAITERS)
			drain_waiters(steady);
		check(e.kind != DEAD, "the steady service died");
	} while (e.kind != BLOCKED && e.kind != TO_PRIMARY);
	return e;
}

// Asks the steady service, and checks its memory and the primary's.
static void all_is_well(uint64_t number)
{
	struct steady_answer a;
	struct ended e = run_steady();

	check(e.kind == BLOCKED, "an answer to no question");
	*(uint64_t *)tx = number;
	while (!send_to(steady, 8)) // somebody else's message is there
		run_steady();
	do // it may wait in vain first, when it could not answer somebody else
		e = run_steady();
	while (e.kind != TO_PRIMARY);
	memcpy(&a, rx, sizeof(a));
	free_mailbox();
	check(e.size == sizeof(a) && a.echo == number, "asked %lu, answered %lu in %u bytes", number, a.echo, e.size);
	check(a.good == STEADY_WORDS, "the memory of the steady service has changed");
	check(random_matches(own_memory, OWN_WORDS, 0), "the memory of the primary has changed");
}

static void order(uint16_t vm, uint64_t calls, uint64_t seed, uint64_t vcpus, uint64_t wild)
{
	struct hostile_order o = { calls, seed, vcpus, MEMORY, wild };

	while (run(vm, 0).kind != BLOCKED)
		;
	memcpy(tx, &o, sizeof(o));
	check(send_to(vm, sizeof(o)), "the hostile service does not take its order");
	print("%lu calls on %lu vCPUs, seed 0x%lx\n", calls, vcpus, seed);
}

// Runs a hostile vCPU once and does what a scheduler has to. Returns true when the service has reported.
static bool attend(uint16_t vm, uint16_t vcpu, struct ended *e)
{
	struct hostile_report r;

	*e = run(vm, vcpu);
	switch (e->kind) {
	case BLOCKED:
		inject(vm, vcpu, INTID_WAKE);
		break;
	case WAITERS:
		drain_waiters(vm);
		break;
	case TO_PRIMARY:
		memcpy(&r, rx, sizeof(r));
		free_mailbox();
		return e->size == sizeof(r) && r.magic == HOSTILE_MAGIC;
	default:
		break;
	}
	return false;
}

// Two vCPUs in turn, and the steady service now and then.
static void survive(uint64_t calls)
{
	uint64_t number = 0, blocked[2] = { 0, 0 };
	struct ended e = { AGAIN, 0 };

	order(hostile, calls, counter(), 2, 0);
	for (bool reported = false; !reported;) {
		for (uint16_t vcpu = 0; vcpu < 2 && !reported; vcpu++) {
			reported = attend(hostile, vcpu, &e);
			check(e.kind != DEAD, "the hostile service died, which it should not");
			blocked[vcpu] = e.kind == BLOCKED ? blocked[vcpu] + 1 : 0;
			check(blocked[vcpu] < GIVE_UP || vcpu == 1, "the hostile service blocks for ever");
		}
		if (++number % 64 == 0)
			all_is_well(number);
	}
	all_is_well(number);
	print("%lu turns\n", number);
}

// One service after the other, each with a free hand, until it reports, dies, loops, can no longer be woken, or has had
// its turns.
static void outlive(uint32_t services)
{
	for (uint16_t n = 0; n < services; n++) {
		uint64_t blocked = 0, preempted = 0, number = 0;
		struct ended e = { AGAIN, 0 };
		uint16_t vm = (uint16_t)(hostile + n);
		bool reported = false;

		order(vm, CALLS_WILD, counter(), 1, 1);
		while (!reported && e.kind != DEAD && blocked < GIVE_UP && preempted < LOOPS && number < TURNS) {
			reported = attend(vm, 0, &e);
			blocked = e.kind == BLOCKED ? blocked + 1 : 0;
			preempted = e.kind == PREEMPTED ? preempted + 1 : 0;
			if (++number % 64 == 0)
				all_is_well(number);
		}
		all_is_well(number);
		print("VM %u %s after %lu turns\n", vm,
		      reported ? "is done" : e.kind == DEAD ? "died" : blocked == GIVE_UP ? "blocks" : preempted == LOOPS ? "loops" : "goes on", number);
	}
}

static uint64_t second_runs, finished;

// The second CPU runs vCPU 1 for as long as the first one does its part.
static void second(uint64_t unused)
{
	struct ended e;

	(void)unused;
	while (!load(&finished)) {
		check(!attend(hostile, 1, &e), "vCPU 1 reported");
		check(e.kind != DEAD, "the hostile service died, which it should not");
		store(&second_runs, second_runs + 1);
	}
	store(&finished, 2);
	for (;;)
		wfi();
}

static void survive_on_two_cpus(uint64_t calls)
{
	uint64_t number = 0;
	struct ended e;

	order(hostile, calls, counter(), 2, 0);
	check(cpu_on(1, second, 0) == 0, "no second CPU");
	while (!attend(hostile, 0, &e)) {
		check(e.kind != DEAD, "the hostile service died, which it should not");
		if (++number % 64 == 0)
			all_is_well(number);
	}
	store(&finished, 1);
	while (load(&finished) != 2)
		;
	all_is_well(number);
	print("%lu turns and %lu\n", number, load(&second_runs));
}

#define SPCI "vm=steady vm=hostile*2 bystander=echo sdei=all pvsched=all "
#define JAN  "abi=hf vm=hf/steady vm=hf/hostile*2 bystander=echo sdei=all pvsched=all "
#define WILD(d) "vm=" d "steady vm=" d "hostile*2 vm=" d "hostile vm=" d "hostile vm=" d "hostile vm=" d "hostile vm=" d "hostile bystander=echo "

TEST(hostile, spci, SPCI)
{
	start(false);
	survive(CALLS);
}

TEST(hostile, hf, JAN)
{
	start(true);
	survive(CALLS);
}

TEST(hostile, spci_on_two_cpus, SPCI "cpus=2")
{
	start(false);
	survive_on_two_cpus(CALLS_SHORT);
}

TEST(hostile, hf_on_two_cpus, JAN "cpus=2")
{
	start(true);
	survive_on_two_cpus(CALLS_SHORT);
}

TEST(hostile, spci_wild, WILD("") "sdei=all pvsched=all")
{
	start(false);
	outlive(6);
}

TEST(hostile, hf_wild, WILD("hf/") "abi=hf sdei=all pvsched=all")
{
	start(true);
	outlive(6);
}

TEST(hostile, spci_long, SPCI "soak minutes=60")
{
	start(false);
	survive(CALLS_LONG);
}

TEST(hostile, hf_long, JAN "soak minutes=60")
{
	start(true);
	survive(CALLS_LONG);
}

TEST(hostile, spci_long_on_two_cpus, SPCI "cpus=2 soak minutes=60")
{
	start(false);
	survive_on_two_cpus(CALLS_LONG);
}

TEST(hostile, hf_long_on_two_cpus, JAN "cpus=2 soak minutes=60")
{
	start(true);
	survive_on_two_cpus(CALLS_LONG);
}
