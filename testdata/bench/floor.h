// SPDX-License-Identifier: Apache-2.0
// What the floors share: virtual machines of one vCPU each, with as few ioctls as there can be.
#pragma once

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

#define RAM_BASE 0x40000000ull
#define UARTDR   0x09000000ull

// Of Linux 6.4; older headers do not have them.
#define VM_SMCCC_CTRL   0
#define VM_SMCCC_FILTER 0
#define FORWARD_TO_USER 2

struct smccc_filter {
	uint32_t base, count;
	uint8_t action, pad[15];
};

struct kvm_vm {
	int fd, vcpu;
	struct kvm_run *run;
};

static uint8_t *ram; // of all VMs, from RAM_BASE
static int kvm;

static inline int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static inline uint64_t get(struct kvm_vm *vm, unsigned x)
{
	uint64_t v;
	struct kvm_one_reg r = { KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | 2 * x, (uintptr_t)&v };

	must(ioctl(vm->vcpu, KVM_GET_ONE_REG, &r), "KVM_GET_ONE_REG");
	return v;
}

static inline void set(struct kvm_vm *vm, unsigned x, uint64_t v)
{
	struct kvm_one_reg r = { KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | 2 * x, (uintptr_t)&v };

	must(ioctl(vm->vcpu, KVM_SET_ONE_REG, &r), "KVM_SET_ONE_REG");
}

// Shows the VM memory in its second slot, or takes that away again.
static inline void show(struct kvm_vm *vm, uint64_t base, uint64_t size, int shown)
{
	struct kvm_userspace_memory_region slot = {
		.slot = 1, .guest_phys_addr = base, .memory_size = shown ? size : 0, .userspace_addr = (uintptr_t)ram + (base - RAM_BASE)
	};

	must(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
}

// Serves the exit of a primary for its PL011, which transmits at once and is never busy.
static inline void serve_uart(struct kvm_run *run)
{
	if (run->mmio.is_write && run->mmio.phys_addr == UARTDR)
		putchar(run->mmio.data[0]);
	memset(run->mmio.data, 0, sizeof(run->mmio.data));
}

// Opens KVM and makes that much RAM.
static inline void start(uint64_t size)
{
	kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");
	ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ram == MAP_FAILED)
		err(1, "mmap of RAM");
}

// Makes a VM with the image at base, whose calls of these ranges of function identifiers come here.
static inline void create(struct kvm_vm *vm, const char *image, uint64_t base, uint64_t size, uint64_t x0,
			  const uint32_t (*ranges)[2], unsigned count)
{
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
	for (unsigned i = 0; i < count; i++) {
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
