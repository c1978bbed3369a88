// SPDX-License-Identifier: Apache-2.0
// ffa_boot: a secure partition that is started by its manifest. It checks what it is told, has a second vCPU, and
// answers direct requests: with how many VMs it was told of; or it spins until it is asked to stop.
#include "ffa.h"
#include "ffa_second.h"
#include "service.h"

#define VM_CREATED      0x80000004u
#define VM_CREATED_RESP 0x80000005u

#define WHO  0u // request, in w3: who are you
#define SPIN 1u

struct boot_info {
	uint32_t signature, version, size, item_size, items, offset;
	uint64_t reserved;
	struct {
		char name[16];
		uint8_t type, reserved;
		uint16_t flags;
		uint32_t size;
		const uint8_t *content;
	} item[1];
};

static uint32_t asked_to_exit, vms;

void handle_irq(void)
{
	while (hvc(HAF_INTERRUPT_GET, 0, 0, 0, 0).x[0] == FFA_INTID_MANAGED_EXIT)
		store(&asked_to_exit, 1);
}

static void expect(const char *what, bool holds, uint64_t value)
{
	if (!holds) {
		print("FAIL %s: 0x%lx\n", what, value);
		die();
	}
}

static void answer(struct ffa_regs *r)
{
	uint16_t from = high(r->x[1]), self = low(r->x[1]);
	uint32_t what = (uint32_t)r->x[3];

	*r = (struct ffa_regs){ { FFA_DIRECT_RESP, ffa_pair(self, from) } };
	if (what == WHO) {
		r->x[3] = self;
		r->x[4] = vms;
		r->x[5] = read_sysreg(mpidr_el1) & 0xff;
	} else {
		irq_unmask();
		while (!load(&asked_to_exit))
			isb();
		irq_mask();
		store(&asked_to_exit, 0);
		r->x[3] = 1;
	}
	ffa_hvc(r);
}

static void serve(void)
{
	struct ffa_regs r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);

	for (;;) {
		if (ffa_func(&r) != FFA_DIRECT_REQ) {
			r = ffa_call(FFA_MSG_WAIT, 0, 0, 0, 0);
		} else if ((uint32_t)r.x[2] == VM_CREATED) {
			print("ffa_boot: VM %lu created\n", r.x[5]);
			vms++;
			r = ffa_call(FFA_DIRECT_RESP, r.x[1] << 16, VM_CREATED_RESP, 0, 0);
		} else {
			answer(&r);
		}
	}
}

static void second(uint64_t unused)
{
	(void)unused;
	serve();
}

void main(uint64_t x0)
{
	const struct boot_info *info = (const struct boot_info *)x0;

	expect("signature", info->signature == 0xffa && info->version == FFA_VERSION_1_1 && info->items == 1, info->signature);
	expect("manifest", info->item[0].type == 0 && load(info->item[0].content) == 0xd0, (uintptr_t)info->item[0].content);
	struct ffa_regs r = ffa_call(FFA_ID_GET, 0, 0, 0, 0);

	expect("id", (r.x[2] & 0x8000) != 0, r.x[2]);
	print("ffa_boot: partition 0x%lx\n", r.x[2]);
	hvc(HAF_INTERRUPT_ENABLE, FFA_INTID_MANAGED_EXIT, 1, 0, 0);
	r = ffa_register_second(second);
	expect("entry of the second vCPU", ffa_func(&r) == FFA_SUCCESS, r.x[2]);
	serve();
}
