// SPDX-License-Identifier: Apache-2.0
// What primary_events_bench cannot do without: the KVM_RUNs, the registers that move and the flag, and nothing that a
// hypervisor needs besides. It believes its guests.
//
//	events_floor primary_events_bench.bin yield.bin [yield.bin]
#include "floor.h"

#define PRIMARY   (8ull << 20)
#define SECONDARY (1ull << 20)

#define SPCI_SUCCESS  0x84000061u
#define SPCI_VERSION  0x84000063u
#define SPCI_RELEASE  0x84000065u
#define SPCI_MAP      0x84000066u
#define SPCI_ID_GET   0x84000069u
#define SPCI_YIELD    0x8400006cu
#define SPCI_RUN      0x8400006du
#define HF_VM_COUNT   0xff01u
#define HF_VCPU_COUNT 0xff02u
#define HF_LOG        0xbd000000u

#define PV_SCHED_IPA_INIT    0xc5000091u
#define PV_SCHED_IPA_RELEASE 0xc5000092u
#define SDEI_REGISTER        0xc4000021u
#define SDEI_COMPLETE        0xc4000025u
#define SDEI_SIGNAL          0xc400002fu

// Registers as get and set number them, and the state of an exception taken to EL1.
#define PC         32
#define PSTATE     33
#define NUM_REGS   18
#define SPAN       (1ul << 23)
#define PAN        (1ul << 22)
#define KEPT       (0xful << 28 | 1ul << 24 | PAN) // NZCV, DIT, PAN
#define EL1H_DAIF  0x3c5ul
#define SYS(crn)   (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG | 3u << 14 | (crn) << 7)
#define SCTLR      SYS(1)

static const uint32_t ranges[][2] = {
	{ 0x84000060, 0x20 }, { 0xc4000020, 0x20 }, { 0xc5000090, 0x10 }, { 0xff00, 0x10 }, { HF_LOG, 1 }
};

static struct kvm_vm vms[3]; // 0 is the primary
static unsigned others;      // secondaries
static volatile uint32_t *flag;
static uint64_t entry, argument;
static uint64_t context[NUM_REGS], context_pc, context_pstate;

static uint64_t get_sys(struct kvm_vm *vm, uint64_t id)
{
	uint64_t v;
	struct kvm_one_reg r = { id, (uintptr_t)&v };

	must(ioctl(vm->vcpu, KVM_GET_ONE_REG, &r), "KVM_GET_ONE_REG");
	return v;
}

// Interrupts the primary: x0 of its call is 0.
static void deliver(struct kvm_vm *vm)
{
	context[0] = 0;
	for (unsigned n = 1; n < NUM_REGS; n++)
		context[n] = get(vm, n);
	context_pc = get(vm, PC);
	context_pstate = get(vm, PSTATE);
	uint64_t pan = get_sys(vm, SCTLR) & SPAN ? 0 : PAN;
	set(vm, 0, 0);
	set(vm, 1, argument);
	set(vm, 2, context_pc);
	set(vm, 3, context_pstate);
	set(vm, PSTATE, (context_pstate & KEPT) | EL1H_DAIF | pan);
	set(vm, PC, entry);
}

static void complete(struct kvm_vm *vm)
{
	for (unsigned n = 0; n < NUM_REGS; n++)
		set(vm, n, context[n]);
	set(vm, PC, context_pc);
	set(vm, PSTATE, context_pstate);
}

// Serves what both call. x0 is 0 for what the benchmark only needs to succeed.
static void common(struct kvm_vm *vm, uint32_t fn)
{
	switch (fn) {
	case SPCI_VERSION:
		set(vm, 0, SPCI_SUCCESS);
		set(vm, 2, 9);
		break;
	case SPCI_ID_GET:
		set(vm, 0, SPCI_SUCCESS);
		set(vm, 2, vm - vms + 1);
		break;
	case SPCI_MAP:
	case SPCI_RELEASE:
		set(vm, 0, SPCI_SUCCESS);
		break;
	case HF_VM_COUNT:
		set(vm, 0, 1 + others);
		break;
	case HF_VCPU_COUNT:
		set(vm, 0, 1);
		break;
	case HF_LOG:
		putchar(get(vm, 1));
		/* fall through */
	default:
		set(vm, 0, 0);
	}
}

// SPCI_RUN of the secondary until it yields.
static void run(struct kvm_vm *primary, struct kvm_vm *vm)
{
	static int yielded;

	(void)get(primary, 1);
	if (flag)
		*flag = 1;
	if (yielded)
		set(vm, 0, SPCI_SUCCESS);
	for (;;) {
		must(ioctl(vm->vcpu, KVM_RUN, 0), "KVM_RUN of the secondary");
		if (vm->run->exit_reason != KVM_EXIT_HYPERCALL)
			errx(1, "the secondary left with %u", vm->run->exit_reason);
		if (vm->run->hypercall.nr == SPCI_YIELD)
			break;
		common(vm, vm->run->hypercall.nr);
	}
	yielded = 1;
	set(primary, 0, SPCI_YIELD);
	if (flag)
		*flag = 0;
}

static void hypercall(struct kvm_vm *vm)
{
	switch (vm->run->hypercall.nr) {
	case SPCI_RUN:
		run(vm, &vms[1]);
		break;
	case PV_SCHED_IPA_INIT:
		flag = (uint32_t *)(ram + (get(vm, 1) - RAM_BASE));
		set(vm, 0, 0);
		break;
	case PV_SCHED_IPA_RELEASE:
		flag = NULL;
		set(vm, 0, 0);
		break;
	case SDEI_REGISTER:
		entry = get(vm, 2);
		argument = get(vm, 3);
		set(vm, 0, 0);
		break;
	case SDEI_SIGNAL:
		deliver(vm);
		break;
	case SDEI_COMPLETE:
		complete(vm);
		break;
	default:
		common(vm, vm->run->hypercall.nr);
	}
}

int main(int argc, char **argv)
{
	others = argc - 2;
	if (others != 1 && others != 2)
		errx(2, "usage: events_floor primary_events_bench.bin yield.bin [yield.bin]");
	start(PRIMARY + 2 * SECONDARY);
	create(&vms[0], argv[1], RAM_BASE, PRIMARY, 0, ranges, 5);
	for (unsigned i = 0; i < others; i++)
		create(&vms[1 + i], argv[2 + i], RAM_BASE + PRIMARY + i * SECONDARY, SECONDARY, SECONDARY, ranges, 5);
	for (;;) {
		must(ioctl(vms[0].vcpu, KVM_RUN, 0), "KVM_RUN of the primary");
		switch (vms[0].run->exit_reason) {
		case KVM_EXIT_HYPERCALL:
			hypercall(&vms[0]);
			break;
		case KVM_EXIT_MMIO:
			serve_uart(vms[0].run);
			break;
		case KVM_EXIT_SYSTEM_EVENT:
			return 0;
		default:
			errx(1, "the primary left with %u", vms[0].run->exit_reason);
		}
	}
}
