// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interface of January 2019: a number in x0, up to three arguments, one packed result in x0. It has no errors
 * but -1 and no word for a VM that aborted: the vCPUs of such a VM wait for an interrupt for ever, and its mailbox is full.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitfield.h>
#include <linux/errno.h>
#include <linux/printk.h>

#include "abi.h"

#define JAN_VM_GET_ID            0xff00
#define JAN_VM_GET_COUNT         0xff01
#define JAN_VCPU_GET_COUNT       0xff02
#define JAN_VCPU_RUN             0xff03
#define JAN_VM_CONFIGURE         0xff05
#define JAN_MAILBOX_SEND         0xff06
#define JAN_MAILBOX_CLEAR        0xff08
#define JAN_MAILBOX_WRITABLE_GET 0xff09
#define JAN_MAILBOX_WAITER_GET   0xff0a
#define JAN_INTERRUPT_INJECT     0xff0d

/* The result of VCPU_RUN. */
#define RUN_CODE      GENMASK_ULL(7, 0)
#define RUN_SLEEP_NS  GENMASK_ULL(63, 8)
#define RUN_WAKE_VCPU GENMASK_ULL(31, 16)
#define RUN_WAKE_VM   GENMASK_ULL(63, 32)
#define RUN_SIZE      GENMASK_ULL(63, 32)

enum {
	RUN_PREEMPTED,
	RUN_YIELD,
	RUN_WAIT_FOR_INTERRUPT,
	RUN_WAKE_UP,
	RUN_MESSAGE,
	RUN_SLEEP,
	RUN_NOTIFY_WAITERS,
};

/* The primary is VM 0. Where there is nobody to answer the call, it returns -1. */
static int probe(void)
{
	return hf_call(JAN_VM_GET_ID, 0, 0, 0) == 0 ? 0 : -ENODEV;
}

static u16 own_id(void)
{
	return 0;
}

/* Our pages are aligned, two, and ours: all that is left to refuse is a second pair. */
static int map(phys_addr_t send, phys_addr_t recv)
{
	s64 ret = hf_call(JAN_VM_CONFIGURE, send, recv, 0);

	return ret < 0 ? -EBUSY : ret;
}

static int find(const void *recv, int (*add)(u16 id, u64 vcpus))
{
	s64 count = hf_call(JAN_VM_GET_COUNT, 0, 0, 0);
	int ret = 0;
	u16 id;

	if (count < 1 || count > U16_MAX) {
		pr_err("the hypervisor reports %lld VMs\n", count);
		return -EIO;
	}
	for (id = 1; id < count && !ret; id++)
		ret = add(id, hf_call(JAN_VCPU_GET_COUNT, id, 0, 0));
	return ret;
}

static struct hf_run run(u16 vm, u16 vcpu)
{
	u64 ret = hf_call(JAN_VCPU_RUN, vm, vcpu, 0);

	switch (FIELD_GET(RUN_CODE, ret)) {
	case RUN_PREEMPTED:
		return (struct hf_run){ .how = HF_PREEMPTED };
	case RUN_YIELD:
		return (struct hf_run){ .how = HF_YIELDED };
	case RUN_WAIT_FOR_INTERRUPT:
		return (struct hf_run){ .how = HF_WAITS_FOR_INTERRUPT };
	case RUN_SLEEP:
		return (struct hf_run){ .how = HF_WAITS_FOR_INTERRUPT, .ns = FIELD_GET(RUN_SLEEP_NS, ret) };
	case RUN_WAKE_UP:
		return (struct hf_run){ .how = HF_WAKES,
					.vm = FIELD_GET(RUN_WAKE_VM, ret),
					.vcpu = FIELD_GET(RUN_WAKE_VCPU, ret) };
	case RUN_MESSAGE:
		return (struct hf_run){ .how = HF_SENT_TO_US, .size = FIELD_GET(RUN_SIZE, ret) };
	case RUN_NOTIFY_WAITERS:
		return (struct hf_run){ .how = HF_WRITABLE };
	default:
		return (struct hf_run){ .how = HF_FAILED, .error = FIELD_GET(RUN_CODE, ret) };
	}
}

/* The VM exists and the buffers are registered: all that is left to refuse is a full mailbox. */
static int send(u16 vm, u32 size, u16 *vcpu)
{
	const bool notify = true;
	s64 ret = hf_call(JAN_MAILBOX_SEND, vm, size, notify);

	if (ret < 0)
		return -EAGAIN;
	*vcpu = ret;
	return 0;
}

static int release(void)
{
	s64 ret = hf_call(JAN_MAILBOX_CLEAR, 0, 0, 0);

	return ret < 0 ? -EIO : ret;
}

const struct hf_abi hf_abi_jan = {
	.name = "of January 2019",
	.probe = probe,
	.own_id = own_id,
	.map = map,
	.find = find,
	.run = run,
	.send = send,
	.release = release,
	.mailbox_writable_get = JAN_MAILBOX_WRITABLE_GET,
	.mailbox_waiter_get = JAN_MAILBOX_WAITER_GET,
	.interrupt_inject = JAN_INTERRUPT_INJECT,
};
