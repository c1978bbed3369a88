// SPDX-License-Identifier: Apache-2.0
//
// floor: the least that any virtual machine monitor must do for the guests of the benchmark. It serves
// primary_bench with the secondaries echo, yield, waiter and two borrowers, and each call costs the KVM_RUNs, register ioctls,
// interrupt lines and copies that the interface demands, and nothing more: no tables, no checks that those
// guests never fail, one thread, every state in a variable.
//
// usage: floor primary_bench.bin echo.bin yield.bin waiter.bin borrower.bin borrower.bin
//
// What the guests print goes to stdout, and PSCI SYSTEM_OFF ends the program with 0.

#include "floor.h"

#define PRIMARY   (8ull << 20) // bytes of the primary, the secondaries follow
#define SECONDARY (1ull << 20)
#define OTHERS    5            // secondaries
#define RAM_SIZE  (PRIMARY + OTHERS * SECONDARY)

#define SPCI_ERROR    0x84000060u
#define SPCI_SUCCESS  0x84000061u
#define SPCI_VERSION  0x84000063u
#define SPCI_RELEASE  0x84000065u
#define SPCI_MAP      0x84000066u
#define SPCI_ID_GET   0x84000069u
#define SPCI_MSG_WAIT 0x8400006bu
#define SPCI_YIELD    0x8400006cu
#define SPCI_RUN      0x8400006du
#define SPCI_MSG_SEND 0x8400006eu
#define HF_VM_COUNT   0xff01u
#define HF_VCPU_COUNT 0xff02u
#define HF_ENABLE     0xff05u
#define HF_GET        0xff06u
#define HF_INJECT     0xff07u
#define HF_SHARE      0xff08u
#define HF_LOG        0xbd000000u
#define INTERRUPTED   (-5ll)
#define NO_INTID      0xffffffffu

enum state { FRESH, CALLED, WAITING };

struct vm {
	struct kvm_vm kvm;
	void *rx, *tx;
	enum state state; // what its vCPU does: nothing yet, a call that succeeds, MSG_WAIT
	uint32_t message; // size of what is in rx, plus 1; 0 for none
	uint32_t intid;   // pending interrupt, 0 for none
	int borrows;      // a part of the primary's memory
};

static struct vm vms[2 + OTHERS]; // by SPCI id, 1 is the primary

static void irq_line(struct vm *vm, unsigned level)
{
	struct kvm_irq_level l = { .irq = KVM_ARM_IRQ_TYPE_CPU << KVM_ARM_IRQ_TYPE_SHIFT, .level = level };

	must(ioctl(vm->kvm.fd, KVM_IRQ_LINE, &l), "KVM_IRQ_LINE");
}

// Serves what both roles call. Returns false for what only one role calls.
static int common(struct vm *vm, uint32_t fn)
{
	switch (fn) {
	case SPCI_VERSION:
		set(&vm->kvm, 0, SPCI_SUCCESS);
		set(&vm->kvm, 2, 9);
		return 1;
	case SPCI_RELEASE:
		vm->message = 0;
		set(&vm->kvm, 0, SPCI_SUCCESS);
		return 1;
	case SPCI_ID_GET:
		set(&vm->kvm, 0, SPCI_SUCCESS);
		set(&vm->kvm, 2, vm - vms);
		return 1;
	case SPCI_MAP:
		vm->tx = ram + (get(&vm->kvm, 1) - RAM_BASE);
		vm->rx = ram + (get(&vm->kvm, 2) - RAM_BASE);
		set(&vm->kvm, 0, SPCI_SUCCESS);
		return 1;
	}
	return 0;
}

// Shows vm memory of the primary, or takes it away again, and clears it.
static void lend(struct vm *vm, uint64_t base, uint64_t size, int shown)
{
	show(&vm->kvm, base, size, shown);
	memset(ram + (base - RAM_BASE), 0, size);
	vm->borrows = shown;
}

static void deliver(struct vm *from, struct vm *to, uint32_t size)
{
	memcpy(to->rx, from->tx, size & 0x1fff);
	to->message = size + 1;
}

// SPCI_RUN of vm, a secondary, until it gives the CPU back.
static void run(struct vm *primary, struct vm *vm)
{
	uint64_t w1;
	uint32_t size;

	if (vm->state == CALLED) {
		set(&vm->kvm, 0, SPCI_SUCCESS);
	} else if (vm->state == WAITING && vm->message) {
		set(&vm->kvm, 0, SPCI_MSG_SEND);
		set(&vm->kvm, 1, 1 << 16 | (vm - vms));
		set(&vm->kvm, 3, vm->message - 1);
		set(&vm->kvm, 4, 0);
	} else if (vm->state == WAITING) {
		set(&vm->kvm, 0, SPCI_ERROR);
		set(&vm->kvm, 2, INTERRUPTED);
	}
	for (;;) {
		must(ioctl(vm->kvm.vcpu, KVM_RUN, 0), "KVM_RUN of a secondary");
		if (vm->kvm.run->exit_reason != KVM_EXIT_HYPERCALL)
			errx(1, "a secondary left with %u", vm->kvm.run->exit_reason);
		switch (vm->kvm.run->hypercall.nr) {
		case SPCI_YIELD:
			vm->state = CALLED;
			set(&primary->kvm, 0, SPCI_YIELD);
			return;
		case SPCI_MSG_WAIT: // w1 of the result is w1 of the call
			vm->state = WAITING;
			set(&primary->kvm, 0, SPCI_MSG_WAIT);
			set(&primary->kvm, 2, 0);
			return;
		case SPCI_MSG_SEND:
			w1 = get(&vm->kvm, 1);
			size = get(&vm->kvm, 3);
			(void)get(&vm->kvm, 4);
			deliver(vm, primary, size);
			vm->state = CALLED;
			set(&primary->kvm, 0, SPCI_MSG_SEND);
			set(&primary->kvm, 1, w1);
			set(&primary->kvm, 3, size);
			return;
		case HF_GET:
			set(&vm->kvm, 0, vm->intid ? vm->intid : NO_INTID);
			if (vm->intid)
				irq_line(vm, 0);
			vm->intid = 0;
			break;
		case HF_SHARE:
			(void)get(&vm->kvm, 1);
			w1 = get(&vm->kvm, 2);
			if (vm->borrows) {
				lend(vm, w1, get(&vm->kvm, 3), 0);
				set(&vm->kvm, 0, 0);
			} else {
				set(&vm->kvm, 0, -1ull);
			}
			break;
		case HF_ENABLE:
			set(&vm->kvm, 0, 0);
			break;
		case HF_LOG:
			putchar(get(&vm->kvm, 1));
			set(&vm->kvm, 0, 0);
			break;
		default:
			if (!common(vm, vm->kvm.run->hypercall.nr))
				errx(1, "a secondary calls %#llx", vm->kvm.run->hypercall.nr);
		}
	}
}

static void hypercall(struct vm *vm)
{
	uint64_t w1, size;

	switch (vm->kvm.run->hypercall.nr) {
	case SPCI_RUN:
		run(vm, &vms[get(&vm->kvm, 1) >> 16]);
		break;
	case SPCI_MSG_SEND:
		w1 = get(&vm->kvm, 1);
		(void)get(&vm->kvm, 4);
		deliver(vm, &vms[w1 & 0xffff], get(&vm->kvm, 3));
		set(&vm->kvm, 0, SPCI_SUCCESS);
		break;
	case HF_INJECT:
		w1 = get(&vm->kvm, 1);
		(void)get(&vm->kvm, 2);
		vms[w1].intid = get(&vm->kvm, 3);
		irq_line(&vms[w1], 1);
		set(&vm->kvm, 0, 1);
		break;
	case HF_SHARE:
		w1 = get(&vm->kvm, 1);
		size = get(&vm->kvm, 3);
		lend(&vms[w1 >> 32], get(&vm->kvm, 2), size, 1);
		set(&vm->kvm, 0, 0);
		break;
	case HF_VM_COUNT:
		set(&vm->kvm, 0, 1 + OTHERS);
		break;
	case HF_VCPU_COUNT:
		set(&vm->kvm, 0, 1);
		break;
	default:
		if (!common(vm, vm->kvm.run->hypercall.nr))
			errx(1, "the primary calls %#llx", vm->kvm.run->hypercall.nr);
	}
}

static void primary_loop(struct vm *vm)
{
	for (;;) {
		must(ioctl(vm->kvm.vcpu, KVM_RUN, 0), "KVM_RUN of the primary");
		switch (vm->kvm.run->exit_reason) {
		case KVM_EXIT_HYPERCALL:
			hypercall(vm);
			break;
		case KVM_EXIT_MMIO:
			serve_uart(vm->kvm.run);
			break;
		case KVM_EXIT_SYSTEM_EVENT:
			return;
		default:
			errx(1, "the primary left with %u", vm->kvm.run->exit_reason);
		}
	}
}

int main(int argc, char **argv)
{
	static const uint32_t ranges[][2] = { { 0x84000060, 0x20 }, { 0xff00, 0x10 }, { HF_LOG, 1 } };

	if (argc != 2 + OTHERS)
		errx(2, "usage: floor primary_bench.bin echo.bin yield.bin waiter.bin borrower.bin borrower.bin");
	start(RAM_SIZE);
	create(&vms[1].kvm, argv[1], RAM_BASE, PRIMARY, 0, ranges, 3);
	for (int i = 0; i < OTHERS; i++)
		create(&vms[2 + i].kvm, argv[2 + i], RAM_BASE + PRIMARY + i * SECONDARY, SECONDARY, SECONDARY, ranges, 3);
	primary_loop(&vms[1]);
	return 0;
}
