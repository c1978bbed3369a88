// SPDX-License-Identifier: GPL-2.0-only
/* The interface of November 2019: SPCI 0.9, and calls of Hafnium's own beside it. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/printk.h>

#include "abi.h"

#define SPCI_ERROR              0x84000060
#define SPCI_SUCCESS            0x84000061
#define SPCI_INTERRUPT          0x84000062
#define SPCI_VERSION            0x84000063
#define SPCI_RX_RELEASE         0x84000065
#define SPCI_RXTX_MAP           0x84000066
#define SPCI_PARTITION_INFO_GET 0x84000068
#define SPCI_ID_GET             0x84000069
#define SPCI_MSG_WAIT           0x8400006b
#define SPCI_YIELD              0x8400006c
#define SPCI_RUN                0x8400006d
#define SPCI_MSG_SEND           0x8400006e

#define HF_VM_GET_COUNT         0xff01
#define HF_VCPU_GET_COUNT       0xff02
#define HF_MAILBOX_WRITABLE_GET 0xff03
#define HF_MAILBOX_WAITER_GET   0xff04
#define HF_INTERRUPT_INJECT     0xff07
#define HF_WAIT_FOR_INTERRUPT   0xff09
#define HF_WAKE_UP              0xff0a

#define SPCI_NOT_SUPPORTED      (-1)
#define SPCI_INVALID_PARAMETERS (-2)
#define SPCI_NO_MEMORY          (-3)
#define SPCI_BUSY               (-4)
#define SPCI_DENIED             (-6)
#define SPCI_ABORTED            (-8)

#define SPCI_VERSION_0_9 9
#define SPCI_NOTIFY      1 /* attribute of MSG_SEND */

/* One descriptor of PARTITION_INFO_GET. */
struct spci_partition_info {
	__le16 id;
	__le16 vcpus;
	__le32 properties;
};

struct spci_result {
	u32 func;
	u64 x1, x2, x3;
};

static struct spci_result spci_call(u32 func, u64 x1, u64 x2, u64 x3, u64 x4)
{
	struct arm_smccc_res res;

	arm_smccc_hvc(func, x1, x2, x3, x4, 0, 0, 0, &res);
	return (struct spci_result){ (u32)res.a0, res.a1, res.a2, res.a3 };
}

/* The error code of a result, 0 if it is not an error. */
static s32 spci_error(struct spci_result r)
{
	return r.func == SPCI_ERROR ? (s32)r.x2 : 0;
}

/* w1 holds two ids: sender and receiver, or VM and vCPU. */
static u16 high(struct spci_result r)
{
	return r.x1 >> 16;
}

static u16 low(struct spci_result r)
{
	return r.x1;
}

static u32 ids(u16 high, u16 low)
{
	return (u32)high << 16 | low;
}

static int to_errno(s32 error)
{
	switch (error) {
	case 0:
		return 0;
	case SPCI_BUSY:
		return -EAGAIN;
	case SPCI_INVALID_PARAMETERS:
		return -EINVAL;
	case SPCI_NO_MEMORY:
		return -ENOMEM;
	case SPCI_DENIED:
		return -EPERM;
	case SPCI_NOT_SUPPORTED:
		return -EOPNOTSUPP;
	case SPCI_ABORTED:
		return -EPIPE;
	default:
		return -EIO;
	}
}

static int probe(void)
{
	struct spci_result r = spci_call(SPCI_VERSION, 0, 0, 0, 0);

	if (r.func != SPCI_SUCCESS)
		return -ENODEV;
	if ((u32)r.x2 != SPCI_VERSION_0_9) {
		pr_err("the hypervisor speaks SPCI %u.%u, need 0.9\n", (u32)r.x2 >> 16, (u16)r.x2);
		return -ENODEV;
	}
	return 0;
}

static u16 self; /* our id */

static u16 own_id(void)
{
	self = spci_call(SPCI_ID_GET, 0, 0, 0, 0).x2;
	return self;
}

static int map(phys_addr_t send, phys_addr_t recv)
{
	const u64 pages = 1; /* of 4 KiB */
	struct spci_result r = spci_call(SPCI_RXTX_MAP, send, recv, pages, 0);

	switch (r.func) {
	case SPCI_SUCCESS:
		return 0;
	case SPCI_RX_RELEASE:
		return 1;
	}
	if (spci_error(r) == SPCI_DENIED)
		return -EBUSY;
	pr_err("RXTX_MAP failed with %d\n", spci_error(r));
	return to_errno(spci_error(r));
}

/*
 * "It should request information about the VMs in the system using the SPCI_PARTITION_INFO_GET function". Hafnium
 * itself did not have that in those days; where it is missing its own two calls do the same.
 */
static int find(const void *recv, int (*add)(u16 id, u64 vcpus))
{
	struct spci_result r = spci_call(SPCI_PARTITION_INFO_GET, 0, 0, 0, 0);
	bool listed = r.func == SPCI_SUCCESS;
	s64 count = listed ? (u32)r.x2 : hf_call(HF_VM_GET_COUNT, 0, 0, 0);
	const struct spci_partition_info *info = recv;
	int ret = 0;
	s64 i;

	if (count < 1 || count > HF_MSG_MAX / sizeof(*info)) {
		pr_err("the hypervisor reports %lld VMs\n", count);
		return -EIO;
	}
	for (i = 0; i < count && !ret; i++) {
		/* Ids are consecutive, and the primary has the first one. */
		u16 id = listed ? le16_to_cpu(info[i].id) : self + i;

		if (id != self)
			ret = add(id, listed ? le16_to_cpu(info[i].vcpus) : hf_call(HF_VCPU_GET_COUNT, id, 0, 0));
	}
	if (listed)
		spci_call(SPCI_RX_RELEASE, 0, 0, 0, 0);
	return ret;
}

static struct hf_run failed(struct spci_result r)
{
	switch (spci_error(r)) {
	case SPCI_ABORTED:
		return (struct hf_run){ .how = HF_ABORTED };
	case SPCI_INVALID_PARAMETERS:
		/* The VM and the vCPU exist. */
		return (struct hf_run){ .how = HF_NOT_RUNNABLE };
	default:
		return (struct hf_run){ .how = HF_FAILED, .error = spci_error(r) };
	}
}

static struct hf_run run(u16 vm, u16 vcpu)
{
	struct spci_result r = spci_call(SPCI_RUN, ids(vm, vcpu), 0, 0, 0);

	switch (r.func) {
	case SPCI_INTERRUPT:
		return (struct hf_run){ .how = HF_PREEMPTED };
	case SPCI_YIELD:
		return (struct hf_run){ .how = HF_YIELDED };
	case SPCI_MSG_WAIT: /* SPCI_SLEEP_INDEFINITE is 0 */
		return (struct hf_run){ .how = HF_WAITS_FOR_MESSAGE, .ns = r.x2 };
	case HF_WAIT_FOR_INTERRUPT:
		return (struct hf_run){ .how = HF_WAITS_FOR_INTERRUPT, .ns = r.x2 };
	case SPCI_MSG_SEND:
		if (low(r) == self)
			return (struct hf_run){ .how = HF_SENT_TO_US, .size = r.x3 };
		return (struct hf_run){ .how = HF_SENT_TO, .vm = low(r) };
	case SPCI_RX_RELEASE:
		return (struct hf_run){ .how = HF_WRITABLE };
	case HF_WAKE_UP:
		return (struct hf_run){ .how = HF_WAKES, .vm = high(r), .vcpu = low(r) };
	default:
		return failed(r);
	}
}

static int send(u16 vm, u32 size, u16 *vcpu)
{
	struct spci_result r = spci_call(SPCI_MSG_SEND, ids(self, vm), 0, size, SPCI_NOTIFY);

	*vcpu = HF_ANY_VCPU;
	return to_errno(spci_error(r));
}

static int release(void)
{
	struct spci_result r = spci_call(SPCI_RX_RELEASE, 0, 0, 0, 0);

	return r.func == SPCI_RX_RELEASE ? 1 : to_errno(spci_error(r));
}

const struct hf_abi hf_abi_spci = {
	.name = "SPCI 0.9",
	.probe = probe,
	.own_id = own_id,
	.map = map,
	.find = find,
	.run = run,
	.send = send,
	.release = release,
	.mailbox_writable_get = HF_MAILBOX_WRITABLE_GET,
	.mailbox_waiter_get = HF_MAILBOX_WAITER_GET,
	.interrupt_inject = HF_INTERRUPT_INJECT,
};
