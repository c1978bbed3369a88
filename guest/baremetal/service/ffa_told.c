// SPDX-License-Identifier: Apache-2.0
// ffa_told: a secure partition of two vCPUs that is told of VMs and of CPUs, and answers how often it was. Without a
// manifest it is a VM that dies at once.
#include "ffa.h"
#include "ffa_second.h"
#include "ffa_told.h"
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
