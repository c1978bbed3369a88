// SPDX-License-Identifier: Apache-2.0
// The version of the calling convention that a VM is told: KVM's, or 1.2 once it asked whether it may ask.
#include "registers.h"
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

TEST(smccc, registers_are_preserved, "smccc=1.2")
{
	static const struct kept_call calls[] = {
		{ .fn = PSCI_FEATURES, .x0 = 0, .args = { SMCCC_VERSION } },
		{ .fn = SMCCC_VERSION, .x0 = SMCCC_1_2 },
		{ .fn = PSCI_FEATURES, .x0 = 0, .args = { SMCCC_VERSION }, .smc = 1 },
		{ .fn = SMCCC_VERSION, .x0 = SMCCC_1_2, .smc = 1 },
	};
	char text[128];

	check(kept_calls(calls, 4, text, sizeof(text)) == 4, "%s", text);
}

TEST(smccc, host_answers_itself, "")
{
	uint64_t host = version(by_hvc);

	ask(by_hvc);
	check(version(by_hvc) == host, "answer by HVC");
	ask(by_smc);
	check(version(by_smc) == host, "answer by SMC");
}
