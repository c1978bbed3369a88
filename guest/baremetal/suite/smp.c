// SPDX-License-Identifier: Apache-2.0
// Several CPUs of the primary and several vCPUs of a secondary, all at once.
#include "crew.h"
#include "gicv3.h"
#include "hv.h"
#include "suite.h"

#define CPUS       4u
#define CREW       8u  // vCPUs of the crew
#define SIGNAL     3u  // the SGI
#define SGI_ROUNDS 100u

// Interrupts SIGNAL that each CPU took.
static uint32_t signals[CPUS];

void handle_irq(void)
{
	uint32_t intid = gic_acknowledge();

	check(intid == SIGNAL, "INTID %u", intid);
	store(&signals[cpu_index()], load(&signals[cpu_index()]) + 1);
	gic_end(intid);
}

static void take_signals(void)
{
	gic_enable_private(SIGNAL);
	irq_unmask();
}

static void (*everywhere)(uint32_t cpu);
static uint32_t done;

static void other_cpu(uint64_t cpu)
{
	everywhere((uint32_t)cpu);
	__atomic_add_fetch(&done, 1, __ATOMIC_ACQ_REL);
	cpu_off();
}

// Calls fn on all CPUs at once. Returns when it has returned everywhere.
static void on_all_cpus(void (*fn)(uint32_t cpu))
{
	everywhere = fn;
	store(&done, 0);
	for (uint64_t i = 1; i < CPUS; i++) {
		while (cpu_state(i) == CPU_IS_ON)
			;
		check(cpu_on(i, other_cpu, i) == 0, "CPU_ON %lu", i);
	}
	fn(0);
	while (load(&done) < CPUS - 1)
		;
}

// Reports what a vCPU was run for without looking at it: one that sent something has its message taken.
static struct hv_run run(uint16_t vm, uint16_t vcpu)
{
	struct hv_run r = hv_run(vm, vcpu);

	check(r.kind != RAN_STRANGE, "vCPU %u: 0x%lx", vcpu, r.x0);
	return r;
}

// Runs all vCPUs of the crew in turn, until it sent its report.
static struct crew_report report(uint16_t vm)
{
	for (uint16_t i = 0;; i = (uint16_t)((i + 1) % CREW)) {
		if (run(vm, i).kind != RAN_SENT)
			continue;
		struct crew_report got = *(struct crew_report *)rx;
		hv_release();
		check(got.bad == 0, "the crew found %lu things wrong, the first in line %lu of crew.c", got.bad, got.line);
		return got;
	}
}

static void order(uint16_t vm, enum crew_job job, uint64_t arg)
{
	struct crew_order o = { job, arg };

	memcpy(tx, &o, sizeof(o));
	check(hv_send(vm, sizeof(o)), "send");
}

static uint16_t crew;

// Lets vCPU 0 switch the others on and wait for its first order.
static void start_crew(void)
{
	crew = hv_secondary(0);
	hv_map();
	check(hv_vcpu_count(crew) == CREW, "%lu vCPUs", hv_vcpu_count(crew));
	uint32_t woken = 0;
	for (;;) {
		struct hv_run r = run(crew, 0);

		if (r.kind == RAN_WAITS)
			break;
		if (r.kind == RAN_WAKES) {
			woken++;
			check(r.vm == crew && r.vcpu == woken, "wake-up of vCPU %u of VM %u", r.vcpu, r.vm);
			continue;
		}
		check(r.kind == RAN_PREEMPTED, "run: 0x%lx", r.x0);
	}
	check(woken == CREW - 2, "%u wake-ups", woken);
}

static uint64_t turns[CPUS][CREW]; // that the crew's vCPUs ended on each CPU

static void compare_turns(void)
{
	order(crew, CREW_COUNT, 0);
	// What is run meanwhile counts as well: begin with vCPU 0, which answers.
	struct hv_run r;
	do
		r = run(crew, 0);
	while (r.kind == RAN_PREEMPTED);
	check(r.kind == RAN_SENT, "run: 0x%lx", r.x0);
	struct crew_report got = *(struct crew_report *)rx;
	hv_release();
	check(got.bad == 0, "the crew found %lu things wrong, the first in line %lu of crew.c", got.bad, got.line);
	for (uint32_t i = 1; i < CREW; i++) {
		uint64_t ended = 0;
		for (uint32_t c = 0; c < CPUS; c++)
			ended += turns[c][i];
		// A turn may have begun that has not ended.
		check(got.turns[i] - ended <= 1, "vCPU %u had %lu turns, %lu runs ended with its yield", i, got.turns[i], ended);
	}
}

#define IN_TURN 280u
static uint32_t turn;

static void in_turn(uint32_t cpu)
{
	for (uint32_t t; (t = load(&turn)) < IN_TURN;) {
		if (t % CPUS != cpu)
			continue;
		uint16_t vcpu = (uint16_t)(1 + t / CPUS % (CREW - 2));
		struct hv_run r = run(crew, vcpu);

		check(r.kind == RAN_YIELDED || r.kind == RAN_PREEMPTED, "vCPU %u on CPU %u: 0x%lx", vcpu, cpu, r.x0);
		turns[cpu][vcpu] += r.kind == RAN_YIELDED;
		dmb();
		store(&turn, t + 1);
	}
}

TEST_BOTH(smp, every_vcpu_runs_on_every_cpu_in_turn, "minutes=5 cpus=4 vm=crew*8")
{
	start_crew();
	on_all_cpus(in_turn);
	compare_turns();
	for (uint32_t i = 1; i + 1 < CREW; i++) {
		for (uint32_t c = 0; c < CPUS; c++)
			check(turns[c][i] > 0, "vCPU %u never yielded on CPU %u", i, c);
	}
}

static void at_once(uint32_t cpu)
{
	for (uint32_t n = 0; n < 400; n++) {
		uint16_t vcpu = (uint16_t)(1 + (cpu + n) % (CREW - 2));
		struct hv_run r = run(crew, vcpu);

		if (r.kind == RAN_YIELDED)
			turns[cpu][vcpu]++;
		else
			check(r.kind == RAN_PREEMPTED || r.kind == RAN_BUSY || (r.kind == RAN_WAITS && hv_january()),
			      "vCPU %u on CPU %u: 0x%lx", vcpu, cpu, r.x0);
	}
}

TEST_BOTH(smp, eight_vcpus_run_on_four_cpus_at_once, "minutes=5 cpus=4 vm=crew*8")
{
	start_crew();
	on_all_cpus(at_once);
	compare_turns();
}

TEST_BOTH(smp, a_secondary_switches_its_vcpus_on_and_off, "minutes=5 cpus=1 vm=crew*8")
{
	start_crew();
	order(crew, CREW_POWER, 100);
	report(crew);
}

// CPUs switch each other on, and themselves off at once: never are two on for long, and never none.
#define HOPS 400u

static void hop(uint64_t n)
{
	uint64_t self = cpu_index(), next = (self + 1) % CPUS;

	check(cpu_state(self) == CPU_IS_ON, "CPU %lu is on and does not know", self);
	check(cpu_on(self, hop, 0) == PSCI_ALREADY_ON, "CPU %lu was switched on twice", self);
	if (n == HOPS)
		pass();
	while (cpu_state(next) != CPU_IS_OFF)
		;
	check(cpu_on(next, hop, n + 1) == 0, "CPU_ON of CPU %lu", next);
	cpu_off();
}

TEST(smp, cpus_switch_each_other_on_and_themselves_off, "cpus=4")
{
	check(cpu_state(0) == CPU_IS_ON, "CPU 0");
	for (uint64_t i = 1; i < CPUS; i++)
		check(cpu_state(i) == CPU_IS_OFF, "CPU %lu", i);
	check(cpu_state(CPUS) == PSCI_INVALID_PARAMETERS, "CPU %u exists", CPUS);
	check(cpu_on(CPUS, hop, 0) == PSCI_INVALID_PARAMETERS, "CPU %u can be switched on", CPUS);
	hop(0);
}

// Has vCPU index say by what it is known.
static void expect_name(uint16_t vm, uint16_t index, const char *want)
{
	struct hv_run r;

	tx[0] = (uint8_t)index;
	check(hv_send(vm, 1), "send");
	do
		r = run(vm, 0);
	while (r.kind == RAN_PREEMPTED);
	check(r.kind == RAN_WAKES && r.vcpu == index, "run: 0x%lx, vCPU %u", r.x0, r.vcpu);
	do
		r = run(vm, index);
	while (r.kind == RAN_PREEMPTED);
	check(r.kind == RAN_SENT, "run of vCPU %u: 0x%lx", index, r.x0);
	rx[r.size] = 0;
	check(same((const char *)rx, want), "%s, want %s", (const char *)rx, want);
	hv_release();
	do
		r = run(vm, 0);
	while (r.kind == RAN_PREEMPTED);
	check(r.kind == RAN_WAITS, "run: 0x%lx", r.x0);
}

TEST_BOTH(smp, a_vcpu_is_known_by_its_index, "vm=many*17 sdei=all")
{
	uint16_t vm = hv_secondary(0);

	hv_map();
	while (run(vm, 0).kind != RAN_WAITS)
		;
	expect_name(vm, 15, "MPIDR 0x8000000f, state 0, signal 0, 1 events");
	expect_name(vm, 16, "MPIDR 0x80000010, state 0, signal 0, 1 events");
}

static bool over;
static uint64_t latency[SGI_ROUNDS];

static void signal_or_lend(uint32_t cpu)
{
	if (cpu == 0) {
		for (uint32_t n = 0; n < SGI_ROUNDS; n++) {
			uint32_t to = 1 + n % (CPUS - 1), before = load(&signals[to]);
			uint64_t start = counter();

			gic_signal(1u << to, SIGNAL);
			while (load(&signals[to]) == before)
				;
			latency[n] = ticks_to_ns(counter() - start) / 1000;
			check(load(&signals[to]) == before + 1, "CPU %u took a signal twice", to);
		}
		store(&over, true);
		gic_signal((1u << CPUS) - 2, SIGNAL);
		return;
	}
	take_signals();
	while (!load(&over)) {
		struct hv_run r = hv_run(hv_secondary(cpu - 1), 0);
		check(r.kind == RAN_PREEMPTED, "run: 0x%lx", r.x0);
	}
}

TEST_BOTH(smp, a_signal_reaches_a_cpu_that_is_lent, "cpus=4 vm=stuck vm=stuck vm=stuck")
{
	uint64_t most = 0, sum = 0;

	on_all_cpus(signal_or_lend);
	for (uint32_t n = 0; n < SGI_ROUNDS; n++) {
		sum += latency[n];
		if (latency[n] > most)
			most = latency[n];
	}
	print("%u signals: %lu us on average, at most %lu us\n", SGI_ROUNDS, sum / SGI_ROUNDS, most);
}

#define INJECTIONS 100u
static uint32_t answers;

// CPU 1 runs the vCPU, CPU 0 interrupts it and signals CPU 1 where it is told to.
static void inject_or_lend(uint32_t cpu)
{
	if (cpu == 0) {
		for (uint32_t n = 1; n <= INJECTIONS; n++) {
			int64_t must = hv_interrupt_inject(crew, 0, CREW_INTID);
			check(must >= 0, "inject");
			if (must == 1)
				gic_signal(1u << 1, SIGNAL);
			while (load(&answers) < n)
				;
		}
	} else if (cpu == 1) {
		take_signals();
		while (load(&answers) < INJECTIONS) {
			struct hv_run r = run(crew, 0);
			if (r.kind != RAN_SENT)
				continue;
			check(((struct crew_report *)rx)->bad == 0, "line %lu of crew.c", ((struct crew_report *)rx)->line);
			hv_release();
			store(&answers, load(&answers) + 1);
		}
	}
}

TEST_BOTH(smp, an_interrupt_injected_into_a_running_vcpu_is_taken_after_a_signal, "cpus=4 vm=crew*8")
{
	start_crew();
	order(crew, CREW_TAKE, INJECTIONS);
	on_all_cpus(inject_or_lend);
}

#define RIOT_ROUNDS 600u
static uint32_t deaths[CPUS];

// Every CPU does anything to any vCPU of the crew, which does the same. In the middle CPU 0 has it die.
static void race(uint32_t cpu)
{
	uint64_t x = 0x9e3779b97f4a7c15ull * (cpu + 1);

	for (uint32_t n = 0; n < RIOT_ROUNDS; n++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		uint16_t vcpu = (uint16_t)(x >> 32) % CREW;
		struct crew_order o = { CREW_COUNT, 0 };

		switch (x % 8) {
		case 0:
			hv_interrupt_inject(crew, vcpu, CREW_INTID);
			break;
		case 1:
			if (cpu == 0) {
				if (n > RIOT_ROUNDS / 2)
					o.job = CREW_DIE;
				memcpy(tx, &o, sizeof(o));
				hv_send(crew, sizeof(o));
			}
			break;
		default: {
			struct hv_run r = run(crew, vcpu);
			if (r.kind == RAN_SENT)
				hv_release();
			deaths[cpu] += r.kind == RAN_DIED;
		}
		}
	}
}

static void bury(uint32_t cpu)
{
	for (uint16_t i = 0; i < 10 * CREW; i++) {
		struct hv_run r = run(crew, i % CREW);
		check(r.kind == RAN_WAITS || r.kind == RAN_DIED, "vCPU %u of a dead VM on CPU %u: 0x%lx", i % CREW, cpu, r.x0);
	}
}

TEST_BOTH(smp, whatever_races_on_the_vcpus_of_a_vm_others_go_on, "minutes=5 cpus=4 vm=crew*8 vm=hv_echo")
{
	start_crew();
	order(crew, CREW_RIOT, 0);
	report(crew);
	on_all_cpus(race);

	// It dies of the next order that its vCPU 0 takes, if it has not.
	struct crew_order o = { CREW_DIE, 0 };
	uint32_t all = 0;
	for (uint32_t c = 0; c < CPUS; c++)
		all += deaths[c];
	for (uint32_t n = 0; all == 0 && n < 2000; n++) {
		memcpy(tx, &o, sizeof(o));
		hv_send(crew, sizeof(o));
		hv_interrupt_inject(crew, (uint16_t)(n % CREW), CREW_INTID);
		struct hv_run r = run(crew, (uint16_t)(n % CREW));
		if (r.kind == RAN_SENT)
			hv_release();
		all += r.kind == RAN_DIED;
	}
	if (!hv_january())
		check(all == 1, "%u deaths were told", all);
	on_all_cpus(bury);

	uint16_t echo = hv_secondary(1);
	while (run(echo, 0).kind == RAN_PREEMPTED)
		;
	memcpy(tx, "alive", 5);
	check(hv_send(echo, 5), "send");
	struct hv_run r;
	do
		r = run(echo, 0);
	while (r.kind == RAN_PREEMPTED);
	check(r.kind == RAN_SENT && r.size == 5 && memcmp(rx, "alive", 5) == 0, "echo: 0x%lx", r.x0);
	print("%u of %u runs ended with the death\n", all, CPUS * RIOT_ROUNDS);
}
