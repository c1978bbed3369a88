// SPDX-License-Identifier: Apache-2.0
// primary_ffa_notify: notifies a service, which it runs when the schedule receiver interrupt tells it to, and takes
// back what the service notifies it of. Secondaries: ffa_notify.
#include "ffa.h"
#include "gicv3.h"
#include "scheduler.h"

#define PRIMARY 1u
#define SERVICE 2u
#define NPI     8u
#define SRI     9u
#define ROUNDS  400u

static uint32_t sri, npis, sris;
static uint64_t received;

void handle_irq(void)
{
	uint32_t intid = gic_acknowledge();

	if (intid == SRI) {
		sris++;
		store(&sri, 1);
	} else if (intid == NPI) {
		struct ffa_regs r = ffa_call(FFA_NOTIFICATION_GET, PRIMARY, FFA_NOTIFICATIONS_ALL, 0, 0);

		check(ffa_func(&r) == FFA_SUCCESS && !r.x[2] && !r.x[3] && !r.x[6] && !r.x[7], "get: 0x%lx", r.x[0]);
		npis++;
		store(&received, load(&received) | r.x[4] | r.x[5] << 32);
	}
	gic_end(intid);
}

static void run(void)
{
	struct ffa_regs r;

	do
		r = ffa_call(FFA_RUN, ffa_pair(SERVICE, 0), 0, 0, 0);
	while (ffa_func(&r) == FFA_INTERRUPT);
	check(ffa_func(&r) == FFA_MSG_WAIT, "run: 0x%lx %d", r.x[0], ffa_errno(&r));
}

// Runs whoever has notifications pending. Returns how many lists named the service.
static uint32_t schedule(void)
{
	uint32_t lists = 0;

	for (;;) {
		struct ffa_regs r = ffa_call(FFA_NOTIFICATION_INFO_GET, 0, 0, 0, 0);

		if (ffa_errno(&r) == FFA_NO_DATA)
			break;
		check(ffa_func(&r) == FFA_SUCCESS_64 && (r.x[2] >> 7 & 0x1f) == 1 && !(r.x[2] & 1) && (uint16_t)r.x[3] == SERVICE,
		      "list: 0x%lx 0x%lx 0x%lx", r.x[0], r.x[2], r.x[3]);
		lists++;
		run();
	}
	return lists;
}

static uint64_t interrupt_feature(uint32_t id)
{
	struct ffa_regs r = ffa_call(FFA_FEATURES, id, 0, 0, 0);

	return ffa_func(&r) == FFA_SUCCESS ? r.x[2] : 0;
}

void main(uint64_t fdt)
{
	struct ffa_regs r = ffa_call(FFA_VERSION, FFA_VERSION_1_2, 0, 0, 0);

	(void)fdt;
	check(interrupt_feature(1) == NPI && interrupt_feature(2) == SRI, "interrupts %lu and %lu", interrupt_feature(1),
	      interrupt_feature(2));
	gic_enable_private(NPI);
	gic_enable_private(SRI);
	irq_unmask();
	run();
	check(schedule() == 0, "something is pending");
	r = ffa_call(FFA_NOTIFICATION_BIND, ffa_pair(SERVICE, PRIMARY), 0, 0xffffffff, 0xffffffff);
	check(ffa_func(&r) == FFA_SUCCESS, "bind: %d", ffa_errno(&r));
	r = ffa_call(FFA_NOTIFICATION_BIND, ffa_pair(SERVICE, PRIMARY), 0, 1, 0);
	check(ffa_errno(&r) == FFA_DENIED, "bind again: %d", ffa_errno(&r));
	for (uint32_t n = 0; n < ROUNDS; n++) {
		uint64_t bit = 1ull << (n % 64);

		store(&received, 0);
		r = ffa_call(FFA_NOTIFICATION_SET, ffa_pair(PRIMARY, SERVICE), n % 64 >= 32, (uint32_t)bit, bit >> 32);
		check(ffa_func(&r) == FFA_SUCCESS, "set: %d", ffa_errno(&r));
		while (load(&received) != bit) {
			check((load(&received) & ~bit) == 0, "received 0x%lx, not 0x%lx", load(&received), bit);
			irq_mask();
			if (!load(&sri) && load(&received) != bit)
				wfi();
			irq_unmask();
			if (load(&sri)) {
				store(&sri, 0);
				schedule();
			}
		}
	}
	irq_mask();
	check(npis == ROUNDS, "%u interrupts for %u notifications", npis, ROUNDS);
	print("%u notifications came back, with %u schedule receiver interrupts\n", ROUNDS, sris);
	pass();
}
