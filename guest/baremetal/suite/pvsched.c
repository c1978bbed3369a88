// SPDX-License-Identifier: Apache-2.0
// PV_SCHED from inside of a primary and of a secondary: every call with every error, and the life of a flag.
#include "hv.h"
#include "memory.h"
#include "pvsched_calls.h"
#include "random.h"
#include "suite.h"

#define KICKS    20u
#define LENDINGS 20u
#define PATIENCE 10000u // us

// A. The calls

// Lends this CPU to a service that yields, the first CPU to another one than the others.
static void lend(void)
{
	while (hv_run(hv_secondary(cpu_index() != 0), 0).kind != RAN_YIELDED)
		;
}

static void check_primary(uint32_t cpus)
{
	const struct pvsched_vm vm = { cpus, false, 0x44000000ul - 64, lend };

	hv_map();
	check_all_calls(&vm);
}

#define PRIMARY "vm=yield vm=yield pvsched=primary"

TEST(pvsched_1, every_call_of_a_primary_answers_as_specified, "cpus=1 " PRIMARY)
{
	check_primary(1);
}

TEST(pvsched_2, every_call_of_a_primary_answers_as_specified, "cpus=2 " PRIMARY)
{
	check_primary(2);
}

TEST(pvsched_8, every_call_of_a_primary_answers_as_specified, "cpus=8 " PRIMARY)
{
	check_primary(8);
}

static bool ready[MAX_CPUS]; // vCPUs of the service

// Runs what is ready of a service until it sends a message. A wake-up that is lost leaves nothing that is ready.
static void attend(uint16_t vm)
{
	for (bool any = true; any;) {
		any = false;
		for (uint16_t i = 0; i < MAX_CPUS; i++) {
			if (!ready[i])
				continue;
			any = true;
			struct hv_run r = hv_run(vm, i);

			check(r.kind != RAN_DIED && r.kind != RAN_BUSY && r.kind != RAN_STRANGE, "vCPU %u: 0x%lx", i, r.x0);
			if (r.kind == RAN_WAITS)
				ready[i] = false;
			if (r.kind == RAN_WAKES)
				ready[r.vcpu] = true;
			if (r.kind == RAN_SENT)
				return;
		}
	}
	check(false, "no vCPU of VM %u is ready", vm);
}

static void order(uint16_t vm, enum pvsched_job job)
{
	while (hv_run(vm, 0).kind != RAN_WAITS)
		;
	*(uint32_t *)tx = job;
	check(hv_send(vm, sizeof(uint32_t)), "send");
	ready[0] = true;
}

static void have_done(enum pvsched_job job)
{
	uint16_t vm = hv_secondary(0);

	hv_map();
	order(vm, job);
	attend(vm);
	check(*(uint32_t *)rx == job, "answer %u to %u", *(uint32_t *)rx, job);
	hv_release();
}

TEST(pvsched_1, every_call_of_a_secondary_answers_as_specified, "vm=pvsched pvsched=all")
{
	have_done(PVSCHED_CALLS);
}

TEST(pvsched_2, every_call_of_a_secondary_answers_as_specified, "vm=pvsched*2 pvsched=all")
{
	have_done(PVSCHED_CALLS);
}

TEST(pvsched_8, every_call_of_a_secondary_answers_as_specified, "vm=pvsched*8 pvsched=all")
{
	have_done(PVSCHED_CALLS);
}

TEST(pvsched_off, no_call_is_served, "cpus=1")
{
	for (uint32_t fn = PV_SCHED_FEATURES; fn <= (PV_SCHED_FEATURES | 0xf); fn++) {
		expect(pvsched(fn, PV_SCHED_FEATURES), PV_SCHED_NOT_SUPPORTED);
		expect(pvsched_smc(fn, PV_SCHED_FEATURES), PV_SCHED_NOT_SUPPORTED);
	}
}

// B. The flags of a secondary

TEST_BOTH(pvsched, a_vcpu_sees_itself_run_and_its_siblings_scheduled_out, "vm=pvsched*8 pvsched=all")
{
	have_done(PVSCHED_LOOK);
}

TEST_BOTH(pvsched, a_kick_ends_the_wfi_of_a_sibling_through_the_scheduler, "vm=pvsched*8 pvsched=all")
{
	have_done(PVSCHED_KICK);
}

TEST(pvsched, a_vcpu_that_was_off_has_no_flag, "vm=pvsched*2 pvsched=all")
{
	have_done(PVSCHED_OFF);
}

// A VM that dies takes no flag of another one with it.
TEST(pvsched, the_flag_of_a_vm_outlives_another_vm, "vm=yield vm=pvsched pvsched=all")
{
	const struct pvsched_vm vm = { .leave = lend };
	uint16_t doomed = hv_secondary(1);

	hv_map();
	expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&states[0]), 0);
	order(doomed, PVSCHED_DIE);
	struct hv_run r;
	do
		r = hv_run(doomed, 0);
	while (r.kind == RAN_PREEMPTED);
	check(r.kind == RAN_DIED, "0x%lx", r.x0);
	check(is_kept(&vm, &states[0]), "the flag of the primary is not kept");
	expect(pvsched(PV_SCHED_KICK_CPU, 0), 0);
}

// C. The memory of a flag

#define PAGES  0x42000000ul // of the primary, which nothing else uses
#define OFFSET 192u         // of the structure in a page
#define COUNT  64u

// Has the memory service do something and returns its answer.
static uint64_t ask(enum memory_job job, uint64_t address, uint64_t value)
{
	struct memory_request q = { job, address, value };

	memcpy(tx, &q, sizeof(q));
	check(hv_send(hv_secondary(0), sizeof(q)), "send");
	ready[0] = true;
	attend(hv_secondary(0));
	memcpy(&q, rx, sizeof(q));
	hv_release();
	return q.value;
}

static void have_flag_in_page_and_go(uint64_t page)
{
	expect(pvsched(PV_SCHED_IPA_INIT, page + OFFSET), 0);
	cpu_off();
}

// The machine's second VM is memory, the third one yields.
static void yield_to_another(void)
{
	while (hv_run(hv_secondary(1), 0).kind != RAN_YIELDED)
		;
}

TEST(pvsched, a_page_stays_with_its_vm_for_as_long_as_it_has_a_flag, "cpus=2 vm=memory vm=yield pvsched=all")
{
	const struct pvsched_vm vm = { .leave = yield_to_another };
	struct pvsched_state *s = (struct pvsched_state *)(PAGES + OFFSET);
	const uint16_t other = hv_secondary(0);

	hv_map();
	while (hv_run(other, 0).kind != RAN_WAITS)
		;
	for (uint32_t how = HF_GIVE; how <= HF_SHARE; how++) {
		expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)s), 0);
		for (uint32_t refused = HF_GIVE; refused <= HF_SHARE; refused++) {
			expect(hf_share_memory(other, refused, PAGES, PAGE_SIZE), -1);
			expect(hf_share_memory(other, refused, PAGES - PAGE_SIZE, 3 * PAGE_SIZE), -1);
			struct regs r = send_memory(MEMORY_DONATE + refused, SPCI_PRIMARY, other, MEMORY_READ_WRITE, PAGES, 1);
			expect(error(r), SPCI_INVALID_PARAMETERS);
		}
		check(is_kept(&vm, s), "not kept");
		expect(pvsched(PV_SCHED_IPA_RELEASE, 0), 0);

		expect(hf_share_memory(other, how, PAGES, PAGE_SIZE), 0);
		expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)s), PV_SCHED_INVALID_PARAMETER);
		ask(JOB_WRITE, PAGES, how + 1);
		expect(ask(JOB_READ, PAGES, 0), how + 1);
		expect(ask(JOB_GIVE, PAGES, 1), 0);
		expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)s), 0);
		check(is_kept(&vm, s), "not kept in a page that came back");
	}
	expect(cpu_on(1, have_flag_in_page_and_go, PAGES + PAGE_SIZE), 0);
	while (cpu_state(1) != CPU_IS_OFF)
		;
	expect(hf_share_memory(other, HF_LEND, PAGES + PAGE_SIZE, PAGE_SIZE), 0);
}

// However often a flag moves, its page is as it was, and free again.
TEST(pvsched, a_flag_may_move_for_ever, "vm=memory vm=yield pvsched=all")
{
	const struct pvsched_vm vm = { .leave = yield_to_another };
	static uint32_t was[COUNT]; // there

	hv_map();
	random_fill((uint64_t *)PAGES, COUNT * PAGE_SIZE / 8, 0);
	for (uint32_t i = 0; i < COUNT; i++) {
		struct pvsched_state *s = (struct pvsched_state *)(PAGES + i * PAGE_SIZE + OFFSET);

		was[i] = s->preempted;
		expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)s), 0);
		check(is_kept(&vm, s), "not kept in page %u", i);
	}
	expect(pvsched(PV_SCHED_IPA_RELEASE, 0), 0);
	for (uint32_t i = 0; i < COUNT; i++)
		((struct pvsched_state *)(PAGES + i * PAGE_SIZE + OFFSET))->preempted = was[i];
	check(random_matches((uint64_t *)PAGES, COUNT * PAGE_SIZE / 8, 0), "the memory has changed");
	expect(hf_share_memory(hv_secondary(0), HF_LEND, PAGES, COUNT * PAGE_SIZE), 0);
}

static uint32_t stop;

static void write_always(uint64_t page)
{
	uint64_t *word = (uint64_t *)page;

	for (uint64_t n = 1; !load(&stop); n++) {
		store(word, n);
		check(load(word) == n, "%lu was written and is lost", n);
	}
	cpu_off();
}

TEST(pvsched, no_write_is_lost_while_a_page_gets_its_flag, "cpus=2 pvsched=primary")
{
	store((uint64_t *)PAGES, 0);
	expect(cpu_on(1, write_always, PAGES), 0);
	while (!load((uint64_t *)PAGES))
		;
	for (uint32_t i = 0; i < COUNT; i++) {
		expect(pvsched(PV_SCHED_IPA_INIT, PAGES + OFFSET), 0);
		expect(pvsched(PV_SCHED_IPA_RELEASE, 0), 0);
	}
	store(&stop, 1);
	while (cpu_state(1) != CPU_IS_OFF)
		;
}

// D. The flags of a primary

static uint32_t lendings; // begun
static uint32_t seen;     // of them

static void lend_for_long(uint64_t unused)
{
	uint32_t self = cpu_index();

	(void)unused;
	expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&states[self]), 0);
	for (uint32_t n = 1; n <= LENDINGS; n++) {
		store(&lendings, n);
		struct hv_run r = hv_run(hv_secondary(0), 0);
		check(load(&states[self].preempted) == 0, "lending %u is over and the flag is set", n);
		check(r.kind == RAN_YIELDED && load(&seen) == n, "lending %u: 0x%lx, %u", n, r.x0, load(&seen));
	}
	cpu_off();
}

// The service stays on the last CPU until its vCPU 1 has told so, on the first CPU: all that time the last one
// is lent.
static void watch_lendings(uint32_t last)
{
	uint16_t vm = hv_secondary(0);

	hv_map();
	order(vm, PVSCHED_STAY);
	while (hv_run(vm, 0).kind != RAN_WAKES)
		;
	expect(cpu_on(last, lend_for_long, 0), 0);
	for (uint32_t n = 1; n <= LENDINGS; n++) {
		struct hv_run r;

		do
			r = hv_run(vm, 1);
		while (r.kind == RAN_YIELDED || r.kind == RAN_PREEMPTED);
		check(r.kind == RAN_SENT, "vCPU 1: 0x%lx", r.x0);
		check(load(&lendings) == n, "lending %u, not %u", load(&lendings), n);
		for (uint32_t i = 0; i < 100; i++)
			check(load(&states[last].preempted) == 1, "lending %u: the flag is clear", n);
		hv_release();
		store(&seen, n);
	}
	while (hv_run(vm, 1).kind == RAN_YIELDED && cpu_state(last) != CPU_IS_OFF)
		;
	while (cpu_state(last) != CPU_IS_OFF)
		;
	check(load(&states[last].preempted) == 0, "the flag of a vCPU that is off was written");
}

TEST_BOTH(pvsched, the_flag_is_set_for_as_long_as_the_cpu_is_lent, "cpus=2 vm=pvsched*2 pvsched=primary slice=1h")
{
	watch_lendings(1);
}

TEST(pvsched_8, the_flag_is_set_for_as_long_as_the_cpu_is_lent, "cpus=8 vm=pvsched*2 pvsched=primary slice=1h")
{
	watch_lendings(7);
}

static void run_until_told(uint64_t unused)
{
	(void)unused;
	expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&states[cpu_index()]), 0);
	while (!load(&stop))
		check(load(&states[cpu_index()].preempted) == 0, "a vCPU that runs is flagged");
	cpu_off();
}

// Where the host has but one CPU of its own, there is no such moment.
TEST(pvsched, the_flag_is_clear_while_another_cpu_sees_it_run, "cpus=2 pvsched=primary host-cpus=2")
{
	store(&states[1].preempted, UNTOUCHED);
	expect(cpu_on(1, run_until_told, 0), 0);
	while (load(&states[1].preempted) != 0)
		;
	store(&stop, 1);
	while (cpu_state(1) != CPU_IS_OFF)
		;
}

static uint32_t kicked; // rounds that CPU 1 has woken for

static void sleep_in_turns(uint64_t unused)
{
	(void)unused;
	while (load(&kicked) < KICKS) {
		wfi();
		store(&kicked, load(&lendings));
	}
	cpu_off();
}

// One that comes long before the WFI that it is to end is lost, so it is repeated.
TEST(pvsched, a_kick_ends_the_wfi_of_another_cpu, "cpus=2 pvsched=primary")
{
	expect(cpu_on(1, sleep_in_turns, 0), 0);
	for (uint32_t n = 1; n <= KICKS; n++) {
		store(&lendings, n);
		while (load(&kicked) < n) {
			expect(pvsched(PV_SCHED_KICK_CPU, 1), 0);
			for (uint64_t end = counter() + us_to_ticks(PATIENCE); load(&kicked) < n && counter() < end;)
				;
		}
	}
	while (cpu_state(1) != CPU_IS_OFF)
		;
}
