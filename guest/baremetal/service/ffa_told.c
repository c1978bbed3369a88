// SPDX-License-Identifier: Apache-2.0
// ffa_told: a secure partition of two vCPUs that is told of VMs and of CPUs, and answers how often it was. Without a
// manifest it is a VM that dies at once.
#include "ffa.h"
#include "ffa_second.h"
#include "ffa_told.h"
#include "sdei.h"
#include "service.h"

#define LEAST_ADDRESS 0x40000000ul // x0 below that is the size of the memory: there is no manifest

static uint32_t created, destroyed, started[2], refuse;

static struct ffa_regs respond(const struct ffa_regs *r, uint32_t flags, int32_t status)
{
	return ffa_call(FFA_DIRECT_RESP, ffa_pair(low(r->x[1]), high(r->x[1])), flags, (uint32_t)status, 0);
}

static void spin(uint64_t us)
{
	uint64_t end = counter() + us_to_ticks(us);

	print("ffa_told: spins\n");
	while (us == 0 || counter() < end)
		isb();
}

static struct ffa_regs answer(const struct ffa_regs *r)
{
	struct ffa_regs a = { { FFA_DIRECT_RESP, ffa_pair(low(r->x[1]), high(r->x[1])) } };
	uint32_t cpu = cpu_index();

	if (r->x[3] == TOLD_REFUSE)
		store(&refuse, 1);
	if (r->x[3] == TOLD_SPIN)
		spin(r->x[4]);
	a.x[3] = cpu;
	a.x[4] = load(&created);
	a.x[5] = load(&destroyed);
	a.x[6] = started[cpu];
	ffa_hvc(&a);
	return a;
}

uint64_t sdei_handle(uint64_t event, uint64_t argument, uint64_t pc, uint64_t pstate)
{
	(void)event, (void)argument, (void)pc, (void)pstate;
	return 0;
}

// A vCPU that serves a request cannot switch itself off, and stays as it is.
static void try_to_go_off(void)
{
	int64_t before = sdei(SDEI_STATUS, 0, 0);
	int64_t off = (int64_t)hvc(PSCI_CPU_OFF, 0, 0, 0, 0).x[0];
	int64_t after = sdei(SDEI_STATUS, 0, 0);

	if (off != PSCI_DENIED || after != before)
		print("ffa_told: CPU_OFF in a request: %ld, event 0: %ld, then %ld\n", off, before, after);
}

static void serve(void)
{
	struct ffa_regs r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);

	for (;;) {
		uint32_t flags = (uint32_t)r.x[2];

		if (ffa_func(&r) != FFA_DIRECT_REQ) {
			r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
			continue;
		}
		switch (flags) {
		case FFA_VM_CREATED:
			store(&created, created + 1);
			r = respond(&r, flags + 1, 0);
			break;
		case FFA_VM_DESTROYED: // at first it is too busy
			if (load(&destroyed) == 0)
				print("ffa_told: VM %lu is gone\n", r.x[5]);
			store(&destroyed, destroyed + 1);
			r = respond(&r, flags + 1, destroyed == 1 ? FFA_RETRY : 0);
			break;
		case FFA_POWER: {
			try_to_go_off();
			bool agree = (uint32_t)r.x[3] == PSCI_CPU_OFF && !load(&refuse);

			store(&refuse, 0);
			print("ffa_told: CPU %u %s\n", cpu_index(), agree ? "goes off" : "stays on");
			r = respond(&r, flags + 2, agree ? 0 : PSCI_DENIED);
			break;
		}
		default:
			r = answer(&r);
		}
	}
}

static void second(uint64_t unused)
{
	(void)unused;
	started[1]++;
	int64_t event = sdei(SDEI_STATUS, 0, 0);

	if (event > 0)
		print("ffa_told: event 0 of a vCPU that was off: %ld\n", event);
	sdei_register(0, (uintptr_t)sdei_entry, 0, 0);
	sdei(SDEI_ENABLE, 0, 0);
	serve();
}

void main(uint64_t x0)
{
	if (x0 < LEAST_ADDRESS)
		die();
	started[0]++;
	ffa_register_second(second);
	serve();
}
