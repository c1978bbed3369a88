// SPDX-License-Identifier: Apache-2.0
// What a secondary has of its processor, and what it has not.
#include "suite.h"

#include "registers.h"
#include "sysregs.h"

#define SERVICE FIRST_SECONDARY

static uint64_t number_in_rx(const char **p, struct message m)
{
	return read_number(p, (const char *)rx + m.size);
}

// The primary and two vCPUs take turns, and each keeps its own registers.
TEST(secondary, fp_and_simd_of_each_vcpu, "vm=simd*2")
{
	const uint64_t turns = 500;
	char text[16];
	uint64_t bad = 0, yields = 0;

	scheduler_start(1);
	simd_enable();
	run_through(SERVICE, 0);
	format(text, sizeof(text), "%lu", turns);
	check(send_text(SERVICE, text) == 0, "send");
	for (uint64_t n = 0;; n++) {
		simd_fill(n);
		struct regs r = run_once(SERVICE, n % 2);

		bad += simd_differs(n);
		yields += func(r) == SPCI_YIELD;
		if (func(r) == SPCI_MSG_SEND)
			break;
	}
	rx[16] = 0;
	print("%lu yields; registers that changed on vCPUs 0 and 1: %s; of the primary: %lu\n", yields, (const char *)rx, bad);
	check(rx[0] == '0' && rx[2] == '0' && bad == 0, "registers have changed");
	check(yields >= 2 * turns, "the vCPUs did not take turns");
}

// The same on two CPUs, on which the vCPUs change places.
static uint64_t finished, second_ready;
static struct regs last;

static void second(uint64_t unused)
{
	uint64_t bad = 0;

	(void)unused;
	simd_enable();
	store(&second_ready, 1);
	for (uint64_t n = 0; !load(&finished); n++) {
		simd_fill(~n);
		struct regs r = spci_run(SERVICE, (uint16_t)(n / 3 % 2));

		bad += simd_differs(~n);
		if (func(r) == SPCI_MSG_SEND) {
			last = r;
			store(&finished, 1);
		}
	}
	check(bad == 0, "%lu registers of CPU 1 have changed", bad);
	store(&second_ready, 0);
	for (;;)
		wfi();
}

TEST(secondary, fp_and_simd_on_two_cpus, "cpus=2 vm=simd*2")
{
	uint64_t bad = 0;

	scheduler_start(1);
	simd_enable();
	run_through(SERVICE, 0);
	check(send_text(SERVICE, "500") == 0, "send");
	check(cpu_on(1, second, 0) == 0, "CPU_ON");
	while (!load(&second_ready))
		;
	for (uint64_t n = 0; !load(&finished); n++) {
		simd_fill(n);
		struct regs r = spci_run(SERVICE, (uint16_t)(n / 5 % 2));

		bad += simd_differs(n);
		if (func(r) == SPCI_MSG_SEND)
			store(&finished, 1);
	}
	while (load(&second_ready))
		;
	rx[16] = 0;
	print("registers that changed on vCPUs 0 and 1: %s; of CPU 0: %lu\n", (const char *)rx, bad);
	check(rx[0] == '0' && rx[2] == '0' && bad == 0, "registers have changed");
}

TEST(secondary, nothing_blocks_while_an_interrupt_is_pending, "vm=pending")
{
	const uint64_t rounds = 300;
	char text[16];
	uint64_t blocked = 0, runs = 0;
	struct regs r;

	scheduler_start(1);
	run_through(SERVICE, 0);
	format(text, sizeof(text), "%lu", rounds);
	check(send_text(SERVICE, text) == 0, "send");
	do {
		r = run_once(SERVICE, 0);
		runs++;
		blocked += func(r) == SPCI_MSG_WAIT || func(r) == HF_WAIT_FOR_INTERRUPT;
		check(!blocked, "it blocked after %lu runs: 0x%lx 0x%lx 0x%lx", runs, r.x[0], r.x[1], r.x[2]);
	} while (func(r) != SPCI_MSG_SEND);
	const char *p = (const char *)rx;
	uint64_t waited = number_in_rx(&p, (struct message){ high(r.x[1]), (uint32_t)r.x[3] });

	check(waited == 3 * rounds, "it was interrupted %lu times, not %lu", waited, 3 * rounds);
	print("%lu waits in %lu runs, none blocked\n", waited, runs);
}

// Its WFI is known by its address, where with the MMU off there may soon be something else.
TEST(secondary, code_that_takes_the_place_of_a_wfi_is_executed, "vm=loader")
{
	struct regs r;

	scheduler_start(1);
	run_through(SERVICE, 0);
	check(send_text(SERVICE, "load") == 0, "send");
	for (int i = 0; i < 2; i++) {
		r = run_through(SERVICE, 0);
		check(func(r) == HF_WAIT_FOR_INTERRUPT, "WFI %d: 0x%lx 0x%lx 0x%lx", i, r.x[0], r.x[1], r.x[2]);
		check(hf_interrupt_inject(SERVICE, 0, 7) >= 0, "interrupt_inject");
	}
	r = run_through(SERVICE, 0);
	check(func(r) == SPCI_MSG_SEND, "what is there now: 0x%lx 0x%lx 0x%lx", r.x[0], r.x[1], r.x[2]);
	expect_text((struct message){ high(r.x[1]), (uint32_t)r.x[3] }, "42");
}

// CPU_SUSPEND is in the list of calls: an interrupt ends it.
TEST(secondary, calls_keep_registers, "vm=calls")
{
	struct regs r;

	scheduler_start(1);
	run_through(SERVICE, 0);
	check(send_text(SERVICE, "?") == 0, "send");
	do {
		r = run_once(SERVICE, 0);
		if (func(r) == HF_WAIT_FOR_INTERRUPT)
			hf_interrupt_inject(SERVICE, 0, INTID_WRITABLE);
	} while (func(r) != SPCI_MSG_SEND);
	expect_text((struct message){ high(r.x[1]), (uint32_t)r.x[3] }, "ok");
}

#define X(n) (1u << (n))
#define UNKNOWN (uint64_t)-1

TEST(primary, calls_keep_registers, "vm=yield")
{
	static const struct kept_call calls[] = {
		{ .fn = SPCI_ID_GET, .x0 = SPCI_SUCCESS, .may_change = X(2) },
		{ .fn = SPCI_YIELD, .x0 = SPCI_SUCCESS },
		{ .fn = SPCI_MSG_WAIT, .x0 = SPCI_ERROR, .may_change = X(2) },
		{ .fn = SPCI_RUN, .x0 = ANY_X0, .may_change = X(1) | X(2) | X(3) | X(4), .args = { 2 << 16 } },
		{ .fn = SPCI_RUN, .x0 = ANY_X0, .may_change = X(1) | X(2) | X(3) | X(4), .args = { 2 << 16 } },
		{ .fn = SPCI_RUN, .x0 = SPCI_ERROR, .may_change = X(2), .args = { 9 << 16 } },
		{ .fn = HF_VM_GET_COUNT, .x0 = 2 },
		{ .fn = HF_MAILBOX_WAITER_GET, .x0 = UNKNOWN },
		{ .fn = HF_INTERRUPT_INJECT, .x0 = UNKNOWN },
		{ .fn = 0x84000000u, .x0 = 0x10001 },
		{ .fn = 0x84000000u, .x0 = 0x10001, .smc = 1 },
		{ .fn = SPCI_ID_GET, .x0 = UNKNOWN, .smc = 1 },
		{ .fn = 0xff0fu, .x0 = UNKNOWN },
		{ .fn = 0x12345678u, .x0 = UNKNOWN },
		{ .fn = 0x12345678u, .x0 = UNKNOWN, .smc = 1 },
		{ .fn = 0x82000000u, .x0 = UNKNOWN, .smc = 1 }, // SiP
		{ .fn = 0xc3000001u, .x0 = UNKNOWN, .smc = 1 }, // OEM
		{ .fn = 0xb2000000u, .x0 = UNKNOWN, .smc = 1 }, // trusted OS
	};
	const uint32_t count = sizeof(calls) / sizeof(calls[0]);
	char text[128];

	scheduler_start(1);
	uint32_t good = kept_calls(calls, count, text, sizeof(text));
	check(good == count, "%u of %u: %s", good, count, text);
}

static const char *verdict(uint8_t v)
{
	return v == TRAPPED ? "trapped" : v == WORKS ? "works" : "another exception";
}

// Prints what docs/differences.md says.
TEST(secondary, system_registers, "vm=sysregs")
{
	static const struct {
		const char name[20], group;
	} regs[] = {
#undef X
#define X(name, encoding, group) { #name, group },
		SYSREGS(X)
#undef X
	};
	struct sysreg_report s;

	scheduler_start(1);
	receive();
	check(send_text(SERVICE, "?") == 0, "send");
	struct message m = receive();

	check(m.size == sizeof(s), "%u bytes", m.size);
	memcpy(&s, rx, sizeof(s));
	for (uint32_t i = 0; i < SYSREG_COUNT; i++)
		print("%s: read %s, write %s\n", regs[i].name, verdict(s.read[i]), verdict(s.write[i]));
	for (uint32_t i = 0; i < SYSREG_COUNT; i++) {
		// KVM traps what Hafnium does, but for these, which it gives to every guest.
		bool given = regs[i].group == 'D' || regs[i].group == 'T' || regs[i].group == 'E';
		uint8_t want = given ? WORKS : TRAPPED;

		check(s.read[i] == want && s.write[i] == want, "%s", regs[i].name);
	}
}

#define PA_RANGE(mmfr0) ((mmfr0) & 0xf)
#define TGRAN4(mmfr0)   ((mmfr0) >> 28 & 0xf)

static uint64_t service_mmfr0(void)
{
	scheduler_start(1);
	receive();
	check(send_text(SERVICE, "?") == 0, "send");
	receive();
	return ((struct sysreg_report *)rx)->mmfr0;
}

TEST(secondary, id_registers_of_hafnium, "vm=sysregs id-regs=hafnium")
{
	uint64_t own = read_sysreg(id_aa64mmfr0_el1), other = service_mmfr0();

	print("ID_AA64MMFR0_EL1: primary 0x%lx, secondary 0x%lx\n", own, other);
	check(PA_RANGE(own) <= 5 && TGRAN4(own) == 0, "primary");
	check(PA_RANGE(other) <= 5 && TGRAN4(other) == 0, "secondary");
}

TEST(secondary, id_registers_of_the_host, "vm=sysregs")
{
	uint64_t own = read_sysreg(id_aa64mmfr0_el1), other = service_mmfr0();

	print("ID_AA64MMFR0_EL1: 0x%lx\n", own);
	check(own == other, "the secondary's is 0x%lx", other);
}
