// SPDX-License-Identifier: Apache-2.0
// The version of the calling convention that a VM is told: KVM's, or 1.2 once it asked whether it may ask.
#include "suite.h"

#define SMCCC_VERSION 0x80000000u
#define SMCCC_1_2     0x10002u

#define PSCI_MIGRATE_INFO_TYPE 0x84000006u
#define PSCI_AFFINITY_INFO     0xc4000004u
#define PSCI_FEATURES          0x8400000au
#define PSCI_CPU_OFF           0x84000002u

#define CPU_1 1u
#define OFF   1u

#define ASID (1ul << 48)

// One instruction for all calls, as in Linux.
static __attribute__((noinline)) uint64_t by_hvc(uint64_t fn, uint64_t arg)
{
	return hvc(fn, arg, 0, 0, 0).x[0];
}

static __attribute__((noinline)) uint64_t by_smc(uint64_t fn, uint64_t arg)
{
	register uint64_t x0 asm("x0") = fn;
	register uint64_t x1 asm("x1") = arg;

	asm volatile("smc #0" : "+r"(x0), "+r"(x1)::"memory", "x2", "x3");
	return x0;
}

typedef uint64_t (*conduit)(uint64_t fn, uint64_t arg);

static uint64_t version(conduit call)
{
	return call(SMCCC_VERSION, 0);
}

static void ask(conduit call)
{
	check(call(PSCI_FEATURES, SMCCC_VERSION) == 0, "no SMCCC_VERSION");
}

// The rules, for the CPU that this runs on.
static void check_rules(conduit call)
{
	uint64_t host = version(call), ttbr = read_sysreg(ttbr0_el1);

	check(host < SMCCC_1_2, "the host says 0x%lx", host);

	ask(call);
	check(version(call) == SMCCC_1_2, "first answer");
	check(version(call) == host, "second answer");

	ask(call);
	check(call(PSCI_MIGRATE_INFO_TYPE, 0) == 2, "another call in between");
	check(version(call) == host, "answer after another call");

	ask(call);
	ask(call);
	check(version(call) == SMCCC_1_2, "answer to who asked twice");

	ask(call);
	write_sysreg(ttbr0_el1, ttbr | ASID);
	isb();
	check(version(call) == host, "answer to another address space");
	write_sysreg(ttbr0_el1, ttbr);
	isb();
	check(version(call) == host, "answer after another address space");
}

TEST(smccc, answer_to_hvc, "smccc=1.2")
{
	check_rules(by_hvc);
}

TEST(smccc, answer_to_smc, "smccc=1.2")
{
	check_rules(by_smc);
}

static void second(uint64_t arg)
{
	(void)arg;
	check_rules(by_hvc);
	check_rules(by_smc);
	hvc(PSCI_CPU_OFF, 0, 0, 0, 0);
}

TEST(smccc, every_cpu_is_answered, "smccc=1.2 cpus=2")
{
	ask(by_hvc);
	for (int i = 0; i < 3; i++) {
		check(cpu_on(CPU_1, second, 0) == 0, "CPU_ON");
		while (hvc(PSCI_AFFINITY_INFO, CPU_1, 0, 0, 0).x[0] != OFF)
			;
	}
	check(version(by_hvc) == SMCCC_1_2, "answer to CPU 0 after those to CPU 1");
}

// Every register that the function does not return is as it was.
static void check_preserved(void)
{
	struct {
		uint64_t x[18];
	} r;

	for (uint64_t i = 0; i < 18; i++)
		r.x[i] = 0x1111111111111111 * (i % 15 + 1) + i;
	r.x[0] = PSCI_FEATURES;
	r.x[1] = SMCCC_VERSION;
	asm volatile("mov x18, #2\n"
		     "1:\n"
		     "ldp x2, x3, [%0, #16]\n"
		     "ldp x4, x5, [%0, #32]\n"
		     "ldp x6, x7, [%0, #48]\n"
		     "ldp x8, x9, [%0, #64]\n"
		     "ldp x10, x11, [%0, #80]\n"
		     "ldp x12, x13, [%0, #96]\n"
		     "ldp x14, x15, [%0, #112]\n"
		     "ldp x16, x17, [%0, #128]\n"
		     "ldp x0, x1, [%0]\n"
		     "hvc #0\n"
		     "subs x18, x18, #1\n"
		     "b.eq 2f\n"
		     "mov x0, #0x80000000\n"
		     "str x0, [%0]\n"
		     "b 1b\n"
		     "2:\n"
		     "stp x2, x3, [%0, #16]\n"
		     "stp x4, x5, [%0, #32]\n"
		     "stp x6, x7, [%0, #48]\n"
		     "stp x8, x9, [%0, #64]\n"
		     "stp x10, x11, [%0, #80]\n"
		     "stp x12, x13, [%0, #96]\n"
		     "stp x14, x15, [%0, #112]\n"
		     "stp x16, x17, [%0, #128]\n"
		     "stp x0, x1, [%0]\n"
		     :
		     : "r"(&r)
		     : "memory", "cc", "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
		       "x14", "x15", "x16", "x17", "x18");
	check(r.x[0] == SMCCC_1_2, "answer 0x%lx", r.x[0]);
	for (uint64_t i = 4; i < 18; i++)
		check(r.x[i] == 0x1111111111111111 * (i % 15 + 1) + i, "x%lu is 0x%lx", i, r.x[i]);
}

TEST(smccc, registers_are_preserved, "smccc=1.2")
{
	check_preserved();
}

TEST(smccc, host_answers_itself, "")
{
	uint64_t host = version(by_hvc);

	ask(by_hvc);
	check(version(by_hvc) == host, "answer by HVC");
	ask(by_smc);
	check(version(by_smc) == host, "answer by SMC");
}
