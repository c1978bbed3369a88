// SPDX-License-Identifier: Apache-2.0
// lock: all vCPUs contend for a spinlock, see lib/lock.h. Where the VM has PV_SCHED, one that finds the owner of the
// lock scheduled out gives its CPU back; elsewhere it cannot know and spins.
#include "lock.h"
#include "pvsched.h"
#include "service.h"

static struct pvsched_state state[MAX_CPUS];
static bool flagged; // state tells who is scheduled out
static uint32_t vcpus = 1;

static uint32_t lock; // the owner's index + 1; 0 is nobody

// Guarded by the lock.
static uint64_t cells[LOCK_CELLS];
static uint64_t done, goal; // critical sections
static uint64_t end;        // counter value after the last one

static uint32_t orders;            // so far
static uint32_t arrived, finished; // vCPUs that took this one, and that are through with it
static uint64_t sections[MAX_CPUS], backoffs[MAX_CPUS];

static void acquire(uint32_t self)
{
	for (;;) {
		uint32_t owner = load(&lock);

		if (!owner) {
			if (__atomic_compare_exchange_n(&lock, &owner, self + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
				return;
		} else if (flagged && load(&state[owner - 1].preempted)) {
			backoffs[self]++;
			spci_yield();
		} else {
			asm volatile("yield");
		}
	}
}

static void unlock(void)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static void increment(uint64_t *words)
{
	for (uint32_t i = 0; i < LOCK_CELLS; i++)
		store(&words[i], load(&words[i]) + 1);
}

// The critical section. Returns false if there were enough of them.
static bool section(void)
{
	if (done == goal)
		return false;
	increment(cells);
	if (++done == goal)
		end = counter();
	return true;
}

// Does the same work with the lock and without it, in turn, until there were enough critical sections.
static void contend(uint32_t self)
{
	uint64_t own[LOCK_CELLS] = { 0 };

	sections[self] = backoffs[self] = 0;
	for (;;) {
		acquire(self);
		bool more = section();
		unlock();
		if (!more)
			break;
		sections[self]++;
		increment(own);
	}
	__atomic_add_fetch(&finished, 1, __ATOMIC_ACQ_REL);
}

static void other(uint64_t self)
{
	if (flagged)
		pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&state[self]);
	for (uint32_t taken = 0;; taken++) {
		while (__atomic_load_n(&orders, __ATOMIC_ACQUIRE) == taken)
			spci_yield();
		__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
		contend((uint32_t)self);
	}
}

static void serve(uint64_t count)
{
	struct lock_report *report = (struct lock_report *)tx;

	acquire(0);
	memset(cells, 0, sizeof(cells));
	done = 0;
	goal = count;
	arrived = finished = 0;
	__atomic_add_fetch(&orders, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < vcpus - 1)
		spci_yield();
	uint64_t start = counter();
	unlock();
	contend(0);
	while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < vcpus)
		spci_yield();

	memset(report, 0, sizeof(*report));
	for (uint32_t i = 0; i < vcpus; i++) {
		report->sections[i] = sections[i];
		report->backoffs += backoffs[i];
	}
	for (uint32_t i = 0; i < LOCK_CELLS; i++)
		report->cells_wrong += cells[i] != count;
	report->ns = ticks_to_ns(end - start);
}

void main(uint64_t memory)
{
	(void)memory;
	map_or_die();
	flagged = pvsched(PV_SCHED_FEATURES, PV_SCHED_IPA_INIT) == 0;
	if (flagged && pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&state[0]) != 0)
		die();
	for (uint32_t i = 1; i < MAX_CPUS && cpu_state(i) == CPU_IS_OFF; i++) {
		if (cpu_on(i, other, i) != 0)
			die();
		vcpus++;
	}
	for (;;) {
		struct message m = receive();
		uint64_t count = ((struct lock_order *)rx)->sections;

		release();
		serve(count);
		send(m.from, sizeof(struct lock_report));
	}
}
