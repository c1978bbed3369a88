// SPDX-License-Identifier: Apache-2.0
//
// ffa_floor: the least that any virtual machine monitor must do for the guests of the benchmark of FF-A. It serves
// primary_ffa_bench with the secondaries ffa_echo, ffa_memory and ffa_bell, and each call costs the KVM_RUNs, register ioctls,
// interrupt lines and memslots that the interface demands, and nothing more: descriptors are taken to be what those guests write, there
// is one region, one range and one request at a time. Registers x0 to x7 of a result are all set, unused ones to zero, but
// for those that are known to hold the value already.
//
// usage: ffa_floor primary_ffa_bench.bin ffa_echo.bin ffa_memory.bin ffa_bell.bin
//
// What the primary prints goes to stdout, and PSCI SYSTEM_OFF ends the program with 0.

#include "floor.h"

#define PRIMARY   (96ull << 20) // bytes of the primary, the secondaries follow
#define SECONDARY (1ull << 20)
#define OTHERS    3
#define RAM_SIZE  (PRIMARY + OTHERS * SECONDARY)

#define FFA_ERROR         0x84000060u
#define FFA_SUCCESS       0x84000061u
#define FFA_VERSION       0x84000063u
#define FFA_RX_RELEASE    0x84000065u
#define FFA_RXTX_MAP      0xc4000066u
#define FFA_ID_GET        0x84000069u
#define FFA_MSG_WAIT      0x8400006bu
#define FFA_RUN           0x8400006du
#define FFA_REQ           0xc400006fu
#define FFA_RESP          0xc4000070u
#define FFA_SHARE         0xc4000073u
#define FFA_RETRIEVE      0xc4000074u
#define FFA_RETRIEVE_RESP 0x84000075u
#define FFA_RELINQUISH    0x84000076u
#define FFA_RECLAIM       0x84000077u
#define FFA_BIND          0x8400007fu
#define FFA_SET           0x84000081u
#define FFA_GET           0x84000082u
#define HAF_ENABLE        0xff03u
#define HAF_GET           0xff04u
#define NPI               5
#define FFA_LOG           0xc400008au // what is said at the start

// In a descriptor of one receiver and one range, both in version 1.2.
#define RECEIVER  48
#define COMPOSITE 80
#define RANGE     96
#define END       112
#define HANDLE    0x8000000000000001ull

struct vm {
	struct kvm_vm kvm;
	uint8_t *rx, *tx;
	uint64_t x[8];  // since its vCPU stopped
	uint32_t known; // which of them

	int waits;        // in MSG_WAIT
	uint64_t pending; // notifications
};

static struct vm vms[2 + OTHERS]; // by id, 1 is the primary
static uint8_t region[END];       // the descriptor of what the primary shares

static uint64_t x(struct vm *vm, unsigned n)
{
	if (!(vm->known & 1u << n))
		vm->x[n] = get(&vm->kvm, n);
	vm->known |= 1u << n;
	return vm->x[n];
}

static void put(struct vm *vm, unsigned n, uint64_t value)
{
	if (!(vm->known & 1u << n) || vm->x[n] != value)
		set(&vm->kvm, n, value);
	vm->x[n] = value;
	vm->known |= 1u << n;
}

static void enter(struct vm *vm)
{
	must(ioctl(vm->kvm.vcpu, KVM_RUN, 0), "KVM_RUN");
	vm->known = 0;
}

static void result(struct vm *vm, uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3)
{
	put(vm, 0, x0);
	put(vm, 1, x1);
	put(vm, 2, x2);
	put(vm, 3, x3);
	for (unsigned n = 4; n < 8; n++)
		put(vm, n, 0);
}

// Passes a direct message on: x0 and x2 are the same always, the others as they are.
static void pass(struct vm *from, struct vm *to, uint64_t fn)
{
	put(to, 0, fn);
	put(to, 1, x(from, 1));
	put(to, 2, x(from, 2));
	for (unsigned n = 3; n < 8; n++)
		put(to, n, x(from, n));
}

static int common(struct vm *vm, uint32_t fn)
{
	switch (fn) {
	case FFA_VERSION:
		result(vm, 0x10002, 0, 0, 0);
		return 1;
	case FFA_LOG:
	case FFA_RX_RELEASE:
		result(vm, FFA_SUCCESS, 0, 0, 0);
		return 1;
	case FFA_ID_GET:
		result(vm, FFA_SUCCESS, 0, vm - vms, 0);
		return 1;
	case FFA_RXTX_MAP:
		vm->tx = ram + (x(vm, 1) - RAM_BASE);
		vm->rx = ram + (x(vm, 2) - RAM_BASE);
		result(vm, FFA_SUCCESS, 0, 0, 0);
		return 1;
	}
	return 0;
}

static void irq_line(struct vm *vm, unsigned level)
{
	struct kvm_irq_level l = { .irq = KVM_ARM_IRQ_TYPE_CPU << KVM_ARM_IRQ_TYPE_SHIFT, .level = level };

	must(ioctl(vm->kvm.fd, KVM_IRQ_LINE, &l), "KVM_IRQ_LINE");
}

// The range of the region.
static void range(uint64_t *base, uint64_t *size)
{
	uint32_t pages;

	memcpy(base, region + RANGE, 8);
	memcpy(&pages, region + RANGE + 8, 4);
	*size = (uint64_t)pages << 12;
}

static void retrieve(struct vm *vm)
{
	uint64_t handle = HANDLE, base, size;
	uint32_t shared = 1 << 3;

	(void)x(vm, 1);
	(void)x(vm, 2);
	(void)x(vm, 3);
	(void)x(vm, 4);
	range(&base, &size);
	show(&vm->kvm, base, size, 1);
	memcpy(vm->rx, region, END);
	memcpy(vm->rx + 4, &shared, 4);
	memcpy(vm->rx + 8, &handle, 8);
	vm->rx[RECEIVER + 2] |= 1 << 2; // not executable
	result(vm, FFA_RETRIEVE_RESP, END, END, 0);
}

// Runs a secondary until it answers or waits.
static void run(struct vm *primary, struct vm *vm)
{
	uint64_t base, size;

	if (vm->waits)
		result(vm, FFA_RUN, (uint64_t)(vm - vms) << 16, 0, 0);
	vm->waits = 0;
	for (;;) {
		enter(vm);
		if (vm->kvm.run->exit_reason != KVM_EXIT_HYPERCALL)
			errx(1, "a secondary left with %u", vm->kvm.run->exit_reason);
		switch ((uint32_t)vm->kvm.run->hypercall.nr) {
		case FFA_MSG_WAIT:
			(void)x(vm, 2);
			vm->waits = 1;
			result(primary, FFA_MSG_WAIT, (uint64_t)(vm - vms) << 16, 0, 0);
			return;
		case FFA_RESP:
			pass(vm, primary, FFA_RESP);
			return;
		case FFA_RETRIEVE:
			retrieve(vm);
			break;
		case FFA_BIND:
			result(vm, FFA_SUCCESS, 0, 0, 0);
			break;
		case FFA_GET:
			(void)x(vm, 1);
			(void)x(vm, 2);
			result(vm, FFA_SUCCESS, 0, 0, 0);
			put(vm, 4, vm->pending);
			vm->pending = 0;
			break;
		case HAF_ENABLE:
			put(vm, 0, 0);
			break;
		case HAF_GET:
			put(vm, 0, NPI);
			irq_line(vm, 0);
			break;
		case FFA_RELINQUISH:
			range(&base, &size);
			show(&vm->kvm, base, size, 0);
			result(vm, FFA_SUCCESS, 0, 0, 0);
			break;
		default:
			if (!common(vm, vm->kvm.run->hypercall.nr))
				errx(1, "a secondary calls %#llx", vm->kvm.run->hypercall.nr);
		}
	}
}

static void hypercall(struct vm *vm)
{
	uint64_t w1;

	switch ((uint32_t)vm->kvm.run->hypercall.nr) {
	case FFA_RUN:
		run(vm, &vms[x(vm, 1) >> 16]);
		break;
	case FFA_REQ:
		w1 = x(vm, 1);
		vms[w1 & 0xffff].waits = 0;
		pass(vm, &vms[w1 & 0xffff], FFA_REQ);
		run(vm, &vms[w1 & 0xffff]);
		break;
	case FFA_SHARE:
		(void)x(vm, 1);
		(void)x(vm, 2);
		(void)x(vm, 3);
		(void)x(vm, 4);
		memcpy(region, vm->tx, END);
		result(vm, FFA_SUCCESS, 0, (uint32_t)HANDLE, HANDLE >> 32);
		break;
	case FFA_SET: {
		struct vm *to = &vms[x(vm, 1) & 0xffff];

		(void)x(vm, 2);
		to->pending |= x(vm, 3) | x(vm, 4) << 32;
		irq_line(to, 1);
		result(vm, FFA_SUCCESS, 0, 0, 0);
		break;
	}
	case FFA_RECLAIM:
		(void)x(vm, 1);
		(void)x(vm, 2);
		(void)x(vm, 3);
		result(vm, FFA_SUCCESS, 0, 0, 0);
		break;
	default:
		if (!common(vm, vm->kvm.run->hypercall.nr))
			errx(1, "the primary calls %#llx", vm->kvm.run->hypercall.nr);
	}
}

int main(int argc, char **argv)
{
	static const uint32_t ranges[][2] = { { 0x84000060, 0x40 }, { 0xc4000060, 0x40 }, { 0xff00, 0x10 } };

	if (argc != 2 + OTHERS)
		errx(2, "usage: ffa_floor primary_ffa_bench.bin ffa_echo.bin ffa_memory.bin ffa_bell.bin");
	start(RAM_SIZE);
	create(&vms[1].kvm, argv[1], RAM_BASE, PRIMARY, 0, ranges, 3);
	for (int i = 0; i < OTHERS; i++)
		create(&vms[2 + i].kvm, argv[2 + i], RAM_BASE + PRIMARY + i * SECONDARY, SECONDARY, SECONDARY, ranges, 3);
	for (;;) {
		enter(&vms[1]);
		switch (vms[1].kvm.run->exit_reason) {
		case KVM_EXIT_HYPERCALL:
			hypercall(&vms[1]);
			break;
		case KVM_EXIT_MMIO:
			serve_uart(vms[1].kvm.run);
			break;
		case KVM_EXIT_SYSTEM_EVENT:
			return 0;
		default:
			errx(1, "the primary left with %u", vms[1].kvm.run->exit_reason);
		}
	}
}
