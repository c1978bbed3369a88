/* SPDX-License-Identifier: GPL-2.0-only */
/* The calls of SPCI 0.9 and of Hafnium that a scheduling VM makes, by HVC. */
#ifndef HFVMM_SPCI_H
#define HFVMM_SPCI_H

#include <linux/arm-smccc.h>
#include <linux/types.h>

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

#define SPCI_VERSION_0_9      9
#define SPCI_NOTIFY           1 /* attribute of MSG_SEND */
#define SPCI_MSG_MAX          4096
#define SPCI_SLEEP_INDEFINITE 0
#define SPCI_PAGE             4096 /* RXTX_MAP counts pages of this size */

#define HF_MAILBOX_WRITABLE_INTID 2
#define HF_INTIDS                 64

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

static inline struct spci_result spci_call(u32 func, u64 x1, u64 x2, u64 x3, u64 x4)
{
	struct arm_smccc_res res;

	arm_smccc_hvc(func, x1, x2, x3, x4, 0, 0, 0, &res);
	return (struct spci_result){ (u32)res.a0, res.a1, res.a2, res.a3 };
}

/* The calls of Hafnium's own return one number. */
static inline s64 hf_call(u32 func, u64 x1, u64 x2, u64 x3)
{
	struct arm_smccc_res res;

	arm_smccc_hvc(func, x1, x2, x3, 0, 0, 0, 0, &res);
	return (s64)res.a0;
}

/* The error code of a result, 0 if it is not an error. */
static inline s32 spci_error(struct spci_result r)
{
	return r.func == SPCI_ERROR ? (s32)r.x2 : 0;
}

/* w1 holds two ids: sender and receiver, or VM and vCPU. */
static inline u16 spci_high(struct spci_result r)
{
	return r.x1 >> 16;
}

static inline u16 spci_low(struct spci_result r)
{
	return r.x1;
}

static inline u32 spci_ids(u16 high, u16 low)
{
	return (u32)high << 16 | low;
}

#endif
