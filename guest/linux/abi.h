/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver asks of the hypervisor, whichever of its two interfaces that serves: spci.c is the one of November
 * 2019, hf.c the one of January 2019. Nothing else knows a function number or how a result is packed.
 */
#ifndef HFVMM_ABI_H
#define HFVMM_ABI_H

#include <linux/arm-smccc.h>
#include <linux/types.h>

#define HF_MSG_MAX  4096
#define HF_INTIDS   64
#define HF_ANY_VCPU 0xffff

#define HF_MAILBOX_WRITABLE_INTID 2

/* Why a run of a vCPU ended. */
enum hf_ended {
	HF_PREEMPTED,
	HF_YIELDED,
	HF_WAITS_FOR_MESSAGE, /* ns: until its own timer expires, 0 for never */
	HF_WAITS_FOR_INTERRUPT, /* ns: the same */
	HF_SENT_TO_US, /* size */
	HF_SENT_TO, /* vm */
	HF_WRITABLE, /* its mailbox became writable, and somebody waits for that */
	HF_WAKES, /* vm, vcpu or HF_ANY_VCPU */
	HF_ABORTED,
	HF_NOT_RUNNABLE, /* off, or blocked with nothing that could wake it */
	HF_FAILED, /* error */
};

struct hf_run {
	enum hf_ended how;
	u16 vm, vcpu;
	u32 size;
	s32 error;
	u64 ns;
};

struct hf_abi {
	const char *name;

	/* Whether the hypervisor speaks it: 0, or -ENODEV. */
	int (*probe)(void);
	u16 (*own_id)(void);
	/* Registers the mailbox pages. 1: somebody waits for that. -EBUSY: there are some already. */
	int (*map)(phys_addr_t send, phys_addr_t recv);
	/* Calls add for each VM but ourselves, until one fails. recv is the receive page, which is empty. */
	int (*find)(const void *recv, int (*add)(u16 id, u64 vcpus));
	struct hf_run (*run)(u16 vm, u16 vcpu);
	/* Sends what is in the send page. 0, and the vCPU that takes the message or HF_ANY_VCPU. -EAGAIN: later. */
	int (*send)(u16 vm, u32 size, u16 *vcpu);
	/* Empties the receive page. 1: somebody waits for that. */
	int (*release)(void);

	/* Calls that differ only in their number. */
	u32 mailbox_writable_get, mailbox_waiter_get, interrupt_inject;
};

extern const struct hf_abi hf_abi_spci, hf_abi_jan;

/* The calls of Hafnium's own return one number. */
static inline s64 hf_call(u32 func, u64 x1, u64 x2, u64 x3)
{
	struct arm_smccc_res res;

	arm_smccc_hvc(func, x1, x2, x3, 0, 0, 0, 0, &res);
	return (s64)res.a0;
}

#endif
