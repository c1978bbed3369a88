// SPDX-License-Identifier: Apache-2.0
// Every call of PV_SCHED with every error, as a vCPU of a primary or of a secondary makes it.
#pragma once

#include "expect.h"
#include "pl011.h"
#include "pvsched.h"
#include "registers.h"

#define PRIMARY_RAM 0x40000000ul
#define UNTOUCHED   0x5a5a5a5au // in a word that nobody is to write, or in one that somebody is to

// The VM in which the calls are made.
struct pvsched_vm {
	uint32_t vcpus;
	bool truthful;      // the flags tell all, so that FEATURES must know them
	uint64_t foreign;   // memory of another VM
	void (*leave)(void); // has the calling vCPU scheduled out and in
};

// Of each vCPU: its structure, and another one for it.
static struct pvsched_state states[MAX_CPUS], spares[MAX_CPUS];

static bool by_smc;

// A call that leaves every register but those of its results as it was.
static int64_t pv_call(uint32_t fn, uint64_t arg)
{
	uint64_t x[31];

	for (uint32_t n = 0; n < 31; n++)
		x[n] = 0x1234567800000000 + n;
	x[0] = fn;
	x[1] = arg;
	(by_smc ? call_all_smc : call_all_hvc)(x);
	for (uint32_t n = 1; n < 31; n++) {
		uint64_t want = n <= 3 ? 0 : 0x1234567800000000 + n;
		check(x[n] == want, "0x%x(0x%lx): x%u is 0x%lx", fn, arg, n, x[n]);
	}
	return (int64_t)x[0];
}

static void check_features(const struct pvsched_vm *vm)
{
	static const uint32_t unknown[] = { 0, 0x85000090, 0x85000091, 0xc4000091, 0xc5000020, 0xc500008f, 0x80000001, 0xffffffff };
	int64_t flags = pv_call(PV_SCHED_FEATURES, PV_SCHED_IPA_INIT);

	check(flags == 0 || (flags == PV_SCHED_NOT_SUPPORTED && !vm->truthful), "flags: %ld", flags);
	expect(pv_call(PV_SCHED_FEATURES, PV_SCHED_IPA_RELEASE), flags);
	expect(pv_call(PV_SCHED_FEATURES, PV_SCHED_FEATURES), 0);
	expect(pv_call(PV_SCHED_FEATURES, PV_SCHED_KICK_CPU), 0);
	expect(pv_call(PV_SCHED_FEATURES, 0xabcdef01ul << 32 | PV_SCHED_KICK_CPU), 0);
	for (uint32_t fn = PV_SCHED_KICK_CPU + 1; fn <= (PV_SCHED_FEATURES | 0xf); fn++) {
		expect(pv_call(PV_SCHED_FEATURES, fn), PV_SCHED_NOT_SUPPORTED);
		expect(pv_call(fn, (uintptr_t)&states[cpu_index()]), PV_SCHED_NOT_SUPPORTED);
	}
	for (uint32_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		expect(pv_call(PV_SCHED_FEATURES, unknown[i]), PV_SCHED_NOT_SUPPORTED);
}

// Reports whether the word is kept up to date.
static bool is_kept(const struct pvsched_vm *vm, struct pvsched_state *s)
{
	store(&s->preempted, UNTOUCHED);
	vm->leave();
	check(load(&s->preempted) == 0 || load(&s->preempted) == UNTOUCHED, "0x%x while it runs", load(&s->preempted));
	return load(&s->preempted) == 0;
}

static void check_init(const struct pvsched_vm *vm, uint32_t sibling)
{
	static const uint64_t nowhere[] = {
		0, 64, UART, PRIMARY_RAM - 64, 1ul << 36, 1ul << 40, 1ul << 48, 1ul << 63, ~63ul, ~0ul,
	};
	struct pvsched_state *mine = &states[cpu_index()], *spare = &spares[cpu_index()];
	const uint64_t ipa = (uintptr_t)mine;

	memset(mine, (uint8_t)UNTOUCHED, sizeof(*mine));
	expect(pv_call(PV_SCHED_IPA_INIT, ipa), 0);
	check(load(&mine->preempted) == 0, "a vCPU that runs is flagged");

	for (uint32_t off = 1; off < 64; off++)
		expect(pv_call(PV_SCHED_IPA_INIT, ipa + off), PV_SCHED_INVALID_PARAMETER);
	for (uint32_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
		expect(pv_call(PV_SCHED_IPA_INIT, nowhere[i]), PV_SCHED_INVALID_PARAMETER);
	for (uint32_t bit = 36; bit < 64; bit++)
		expect(pv_call(PV_SCHED_IPA_INIT, ipa | 1ul << bit), PV_SCHED_INVALID_PARAMETER);
	for (uint32_t off = 0; off < SPCI_MSG_MAX; off += 21 * 64) {
		expect(pv_call(PV_SCHED_IPA_INIT, (uintptr_t)rx + off), PV_SCHED_INVALID_PARAMETER);
		expect(pv_call(PV_SCHED_IPA_INIT, (uintptr_t)tx + off), PV_SCHED_INVALID_PARAMETER);
	}
	expect(pv_call(PV_SCHED_IPA_INIT, vm->foreign), PV_SCHED_INVALID_PARAMETER);
	if (sibling != cpu_index())
		expect(pv_call(PV_SCHED_IPA_INIT, (uintptr_t)&states[sibling]), PV_SCHED_INVALID_PARAMETER);
	check(is_kept(vm, mine), "a refusal has ended the flag");

	expect(pv_call(PV_SCHED_IPA_INIT, ipa), 0);
	check(is_kept(vm, mine), "registered again, and not kept");
	expect(pv_call(PV_SCHED_IPA_INIT, (uintptr_t)spare), 0);
	check(!is_kept(vm, mine), "kept after another one took its place");
	check(is_kept(vm, spare), "registered in place of another one, and not kept");
	expect(pv_call(PV_SCHED_IPA_INIT, ipa), 0);
	check(!is_kept(vm, spare) && is_kept(vm, mine), "registered and left");
	for (uint32_t i = 4; i < sizeof(*mine); i++)
		check(((uint8_t *)mine)[i] == (uint8_t)UNTOUCHED, "byte %u of the structure was written", i);
}

static void check_release(const struct pvsched_vm *vm)
{
	struct pvsched_state *mine = &states[cpu_index()];

	for (uint32_t n = 0; n < 2; n++) { // the second time there is none
		expect(pv_call(PV_SCHED_IPA_RELEASE, n ? ~0ul : (uintptr_t)&spares[cpu_index()]), 0);
		check(!is_kept(vm, mine), "kept after its release");
	}
	expect(pv_call(PV_SCHED_IPA_INIT, (uintptr_t)mine), 0);
	check(is_kept(vm, mine), "registered after a release, and not kept");
}

// A vCPU that is off, if there is one, is neither an error nor switched on.
static void check_kick(const struct pvsched_vm *vm, uint32_t sibling)
{
	static const uint32_t none[] = { 0x100, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff };

	expect(pv_call(PV_SCHED_KICK_CPU, cpu_index()), 0);
	expect(pv_call(PV_SCHED_KICK_CPU, sibling), 0);
	expect(pv_call(PV_SCHED_KICK_CPU, 1ul << 32 | sibling), 0);
	expect(pv_call(PV_SCHED_KICK_CPU, vm->vcpus), PV_SCHED_NOT_SUPPORTED);
	for (uint32_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		expect(pv_call(PV_SCHED_KICK_CPU, none[i]), PV_SCHED_NOT_SUPPORTED);
	for (uint32_t cpu = 0; cpu < vm->vcpus; cpu++) {
		if (cpu_state(cpu) != CPU_IS_OFF)
			continue;
		expect(pv_call(PV_SCHED_KICK_CPU, cpu), 0);
		vm->leave();
		expect(cpu_state(cpu), CPU_IS_OFF);
	}
}

// By this vCPU, while a sibling, if there is one, has a flag.
static void check_calls(const struct pvsched_vm *vm, uint32_t sibling)
{
	by_smc = false;
	do {
		check_features(vm);
		check_init(vm, sibling);
		check_release(vm);
		check_kick(vm, sibling);
		by_smc = !by_smc;
	} while (by_smc);
}

static struct {
	const struct pvsched_vm *vm;
	uint32_t done, stop;
} second_part;

static void check_calls_second(uint64_t sibling)
{
	check_calls(second_part.vm, (uint32_t)sibling);
	store(&second_part.done, 1);
	while (!load(&second_part.stop))
		second_part.vm->leave();
	cpu_off();
}

// By the first vCPU, which calls this, and by the last.
static void check_all_calls(const struct pvsched_vm *vm)
{
	const uint32_t last = vm->vcpus - 1;

	if (last == 0) {
		check_calls(vm, 0);
		return;
	}
	second_part.vm = vm;
	expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&states[0]), 0);
	expect(cpu_on(last, check_calls_second, 0), 0);
	while (!load(&second_part.done))
		vm->leave();
	check_calls(vm, last);

	// A vCPU that is off has no flag, and if it is switched on, not the one that it had.
	store(&second_part.stop, 1);
	while (cpu_state(last) != CPU_IS_OFF)
		vm->leave();
	expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&states[last]), 0);
	expect(pvsched(PV_SCHED_IPA_INIT, (uintptr_t)&states[0]), 0);
}
