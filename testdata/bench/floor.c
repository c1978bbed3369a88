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

#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_BASE  0x40000000ull
#define PRIMARY   (8ull << 20) // bytes of the primary, the secondaries follow
#define SECONDARY (1ull << 20)
#define OTHERS    5            // secondaries
#define RAM_SIZE  (PRIMARY + OTHERS * SECONDARY)

#define UARTDR 0x09000000ull

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

// Of Linux 6.4; older headers do not have them.
#define VM_SMCCC_CTRL   0
#define VM_SMCCC_FILTER 0
#define FORWARD_TO_USER 2

struct smccc_filter {
	uint32_t base, count;
	uint8_t action, pad[15];
};

enum state { FRESH, CALLED, WAITING };

struct vm {
	int fd, vcpu;
	struct kvm_run *run;
	void *rx, *tx;
	enum state state; // what its vCPU does: nothing yet, a call that succeeds, MSG_WAIT
	uint32_t message; // size of what is in rx, plus 1; 0 for none
	uint32_t intid;   // pending interrupt, 0 for none
	int borrows;      // a part of the primary's memory
};

static struct vm vms[2 + OTHERS]; // by SPCI id, 1 is the primary
static uint8_t *ram;
static int kvm;

static int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static uint64_t get(struct vm *vm, unsigned x)
{
	uint64_t v;
	struct kvm_one_reg r = { KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | 2 * x, (uintptr_t)&v };

	must(ioctl(vm->vcpu, KVM_GET_ONE_REG, &r), "KVM_GET_ONE_REG");
	return v;
}

static void set(struct vm *vm, unsigned x, uint64_t v)
{
	struct kvm_one_reg r = { KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | 2 * x, (uintptr_t)&v };

	must(ioctl(vm->vcpu, KVM_SET_ONE_REG, &r), "KVM_SET_ONE_REG");
}

static void irq_line(struct vm *vm, unsigned level)
{
	struct kvm_irq_level l = { .irq = KVM_ARM_IRQ_TYPE_CPU << KVM_ARM_IRQ_TYPE_SHIFT, .level = level };

	must(ioctl(vm->fd, KVM_IRQ_LINE, &l), "KVM_IRQ_LINE");
}

// Serves what both roles call. Returns false for what only one role calls.
static int common(struct vm *vm, uint32_t fn)
{
	switch (fn) {
	case SPCI_VERSION:
		set(vm, 0, SPCI_SUCCESS);
		set(vm, 2, 9);
		return 1;
	case SPCI_RELEASE:
		vm->message = 0;
		set(vm, 0, SPCI_SUCCESS);
		return 1;
	case SPCI_ID_GET:
		set(vm, 0, SPCI_SUCCESS);
		set(vm, 2, vm - vms);
		return 1;
	case SPCI_MAP:
		vm->tx = ram + (get(vm, 1) - RAM_BASE);
		vm->rx = ram + (get(vm, 2) - RAM_BASE);
		set(vm, 0, SPCI_SUCCESS);
		return 1;
	}
	return 0;
}

// Shows vm memory of the primary in its second slot, or takes it away again, and clears it.
static void show(struct vm *vm, uint64_t base, uint64_t size, int shown)
{
	struct kvm_userspace_memory_region slot = {
		.slot = 1, .guest_phys_addr = base, .memory_size = shown ? size : 0, .userspace_addr = (uintptr_t)ram + (base - RAM_BASE)
	};

	must(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
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
		set(vm, 0, SPCI_SUCCESS);
	} else if (vm->state == WAITING && vm->message) {
		set(vm, 0, SPCI_MSG_SEND);
		set(vm, 1, 1 << 16 | (vm - vms));
		set(vm, 3, vm->message - 1);
		set(vm, 4, 0);
	} else if (vm->state == WAITING) {
		set(vm, 0, SPCI_ERROR);
		set(vm, 2, INTERRUPTED);
	}
	for (;;) {
		must(ioctl(vm->vcpu, KVM_RUN, 0), "KVM_RUN of a secondary");
		if (vm->run->exit_reason != KVM_EXIT_HYPERCALL)
			errx(1, "a secondary left with %u", vm->run->exit_reason);
		switch (vm->run->hypercall.nr) {
		case SPCI_YIELD:
			vm->state = CALLED;
			set(primary, 0, SPCI_YIELD);
			return;
		case SPCI_MSG_WAIT: // w1 of the result is w1 of the call
			vm->state = WAITING;
			set(primary, 0, SPCI_MSG_WAIT);
			set(primary, 2, 0);
			return;
		case SPCI_MSG_SEND:
			w1 = get(vm, 1);
			size = get(vm, 3);
			(void)get(vm, 4);
			deliver(vm, primary, size);
			vm->state = CALLED;
			set(primary, 0, SPCI_MSG_SEND);
			set(primary, 1, w1);
			set(primary, 3, size);
			return;
		case HF_GET:
			set(vm, 0, vm->intid ? vm->intid : NO_INTID);
			if (vm->intid)
				irq_line(vm, 0);
			vm->intid = 0;
			break;
		case HF_SHARE:
			(void)get(vm, 1);
			w1 = get(vm, 2);
			if (vm->borrows) {
				show(vm, w1, get(vm, 3), 0);
				set(vm, 0, 0);
			} else {
				set(vm, 0, -1ull);
			}
			break;
		case HF_ENABLE:
			set(vm, 0, 0);
			break;
		case HF_LOG:
			putchar(get(vm, 1));
			set(vm, 0, 0);
			break;
		default:
			if (!common(vm, vm->run->hypercall.nr))
				errx(1, "a secondary calls %#llx", vm->run->hypercall.nr);
		}
	}
}

static void hypercall(struct vm *vm)
{
	uint64_t w1, size;

	switch (vm->run->hypercall.nr) {
	case SPCI_RUN:
		run(vm, &vms[get(vm, 1) >> 16]);
		break;
	case SPCI_MSG_SEND:
		w1 = get(vm, 1);
		(void)get(vm, 4);
		deliver(vm, &vms[w1 & 0xffff], get(vm, 3));
		set(vm, 0, SPCI_SUCCESS);
		break;
	case HF_INJECT:
		w1 = get(vm, 1);
		(void)get(vm, 2);
		vms[w1].intid = get(vm, 3);
		irq_line(&vms[w1], 1);
		set(vm, 0, 1);
		break;
	case HF_SHARE:
		w1 = get(vm, 1);
		size = get(vm, 3);
		show(&vms[w1 >> 32], get(vm, 2), size, 1);
		set(vm, 0, 0);
		break;
	case HF_VM_COUNT:
		set(vm, 0, 1 + OTHERS);
		break;
	case HF_VCPU_COUNT:
		set(vm, 0, 1);
		break;
	default:
		if (!common(vm, vm->run->hypercall.nr))
			errx(1, "the primary calls %#llx", vm->run->hypercall.nr);
	}
}

static void primary_loop(struct vm *vm)
{
	for (;;) {
		must(ioctl(vm->vcpu, KVM_RUN, 0), "KVM_RUN of the primary");
		switch (vm->run->exit_reason) {
		case KVM_EXIT_HYPERCALL:
			hypercall(vm);
			break;
		case KVM_EXIT_MMIO: // the PL011: transmit at once, never busy
			if (vm->run->mmio.is_write && vm->run->mmio.phys_addr == UARTDR)
				putchar(vm->run->mmio.data[0]);
			memset(vm->run->mmio.data, 0, sizeof(vm->run->mmio.data));
			break;
		case KVM_EXIT_SYSTEM_EVENT:
			return;
		default:
			errx(1, "the primary left with %u", vm->run->exit_reason);
		}
	}
}

static void create(struct vm *vm, const char *image, uint64_t base, uint64_t size, uint64_t x0)
{
	static const uint32_t ranges[][2] = { { 0x84000060, 0x20 }, { 0xff00, 0x10 }, { HF_LOG, 1 } };
	struct kvm_userspace_memory_region slot = {
		.guest_phys_addr = base, .memory_size = size, .userspace_addr = (uintptr_t)ram + (base - RAM_BASE)
	};
	struct kvm_vcpu_init init;
	int fd = must(open(image, O_RDONLY), image);

	must(read(fd, ram + (base - RAM_BASE), size), image);
	close(fd);
	vm->fd = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	must(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
	vm->vcpu = must(ioctl(vm->fd, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	vm->run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		err(1, "mmap of a vCPU");
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct smccc_filter filter = { ranges[i][0], ranges[i][1], FORWARD_TO_USER, { 0 } };
		struct kvm_device_attr attr = { 0, VM_SMCCC_CTRL, VM_SMCCC_FILTER, (uintptr_t)&filter };

		must(ioctl(vm->fd, KVM_SET_DEVICE_ATTR, &attr), "SMCCC filter");
	}
	must(ioctl(vm->fd, KVM_ARM_PREFERRED_TARGET, &init), "KVM_ARM_PREFERRED_TARGET");
	init.features[0] |= 1 << KVM_ARM_VCPU_PSCI_0_2;
	must(ioctl(vm->vcpu, KVM_ARM_VCPU_INIT, &init), "KVM_ARM_VCPU_INIT");
	set(vm, 0, x0);
	set(vm, 32, base); // PC
}

int main(int argc, char **argv)
{
	if (argc != 2 + OTHERS)
		errx(2, "usage: floor primary_bench.bin echo.bin yield.bin waiter.bin borrower.bin borrower.bin");
	kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");
	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ram == MAP_FAILED)
		err(1, "mmap of RAM");
	create(&vms[1], argv[1], RAM_BASE, PRIMARY, 0);
	for (int i = 0; i < OTHERS; i++)
		create(&vms[2 + i], argv[2 + i], RAM_BASE + PRIMARY + i * SECONDARY, SECONDARY, SECONDARY);
	primary_loop(&vms[1]);
	return 0;
}
