// SPDX-License-Identifier: Apache-2.0
// The SPCI 0.9 interface of November 2019 and the Hafnium calls beside it.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "call.h"

#define SPCI_ERROR              0x84000060u
#define SPCI_SUCCESS            0x84000061u
#define SPCI_INTERRUPT          0x84000062u
#define SPCI_VERSION            0x84000063u
#define SPCI_FEATURES           0x84000064u
#define SPCI_RX_RELEASE         0x84000065u
#define SPCI_RXTX_MAP           0x84000066u
#define SPCI_PARTITION_INFO_GET 0x84000068u
#define SPCI_ID_GET             0x84000069u
#define SPCI_MSG_POLL           0x8400006Au
#define SPCI_MSG_WAIT           0x8400006Bu
#define SPCI_YIELD              0x8400006Cu
#define SPCI_RUN                0x8400006Du
#define SPCI_MSG_SEND           0x8400006Eu

#define HF_VM_GET_COUNT         0xff01u
#define HF_VCPU_GET_COUNT       0xff02u
#define HF_MAILBOX_WRITABLE_GET 0xff03u
#define HF_MAILBOX_WAITER_GET   0xff04u
#define HF_INTERRUPT_ENABLE     0xff05u
#define HF_INTERRUPT_GET        0xff06u
#define HF_INTERRUPT_INJECT     0xff07u
#define HF_SHARE_MEMORY         0xff08u
#define HF_WAIT_FOR_INTERRUPT   0xff09u // a result of SPCI_RUN
#define HF_WAKE_UP              0xff0au // a result of SPCI_RUN

#define HF_DEBUG_LOG 0xbd000000u

#define PSCI_CPU_OFF       0x84000002u
#define PSCI_SYSTEM_OFF    0x84000008u
#define PSCI_CPU_ON        0xc4000003u
#define PSCI_AFFINITY_INFO 0xc4000004u

// Errors, in w2 of SPCI_ERROR.
#define SPCI_NOT_SUPPORTED      (-1)
#define SPCI_INVALID_PARAMETERS (-2)
#define SPCI_NO_MEMORY          (-3)
#define SPCI_BUSY               (-4)
#define SPCI_INTERRUPTED        (-5)
#define SPCI_DENIED             (-6)
#define SPCI_RETRY              (-7)
#define SPCI_ABORTED            (-8)

// Attributes of MSG_SEND.
#define SPCI_NOTIFY 1u // tell me when the mailbox is free
#define SPCI_MEMORY 2u // the message transfers memory

#define SPCI_VERSION_0_9 9u
#define SPCI_PRIMARY     1u // the id of the primary; secondaries are 2, 3, …
#define SPCI_MSG_MAX     4096u

#define HF_NO_INTID       0xffffffffu
#define INTID_READABLE    1u
#define INTID_WRITABLE    2u
#define INTID_TIMER       3u
#define HF_NONE           (-1ll)

// The buffers that spci_map registers. What arrives is in rx, what is sent is taken from tx.
extern uint8_t rx[SPCI_MSG_MAX], tx[SPCI_MSG_MAX];

static inline uint32_t func(struct regs r)
{
	return (uint32_t)r.x[0];
}

// The error of a result, 0 if it is none.
static inline int32_t error(struct regs r)
{
	return func(r) == SPCI_ERROR ? (int32_t)r.x[2] : 0;
}

// Fields of w1 where it names two VMs, or a VM and a vCPU.
static inline uint16_t high(uint64_t w1)
{
	return (uint16_t)(w1 >> 16);
}

static inline uint16_t low(uint64_t w1)
{
	return (uint16_t)w1;
}

static inline uint16_t spci_id(void)
{
	return (uint16_t)hvc(SPCI_ID_GET, 0, 0, 0, 0).x[2];
}

static inline struct regs spci_map(void)
{
	return hvc(SPCI_RXTX_MAP, (uintptr_t)tx, (uintptr_t)rx, 1, 0);
}

static inline struct regs spci_run(uint16_t vm, uint16_t vcpu)
{
	return hvc(SPCI_RUN, (uint32_t)vm << 16 | vcpu, 0, 0, 0);
}

static inline struct regs spci_wait(void)
{
	return hvc(SPCI_MSG_WAIT, 0, 0, 0, 0);
}

static inline struct regs spci_release(void)
{
	return hvc(SPCI_RX_RELEASE, 0, 0, 0, 0);
}

static inline void spci_yield(void)
{
	hvc(SPCI_YIELD, 0, 0, 0, 0);
}

static inline struct regs spci_send(uint16_t from, uint16_t to, uint32_t size, uint32_t attributes)
{
	return hvc(SPCI_MSG_SEND, (uint32_t)from << 16 | to, 0, size, attributes);
}

static inline int64_t hf_writable_get(void)
{
	return (int64_t)hvc(HF_MAILBOX_WRITABLE_GET, 0, 0, 0, 0).x[0];
}

static inline int64_t hf_waiter_get(uint16_t vm)
{
	return (int64_t)hvc(HF_MAILBOX_WAITER_GET, vm, 0, 0, 0).x[0];
}

static inline int64_t hf_interrupt_enable(uint32_t intid, bool on)
{
	return (int64_t)hvc(HF_INTERRUPT_ENABLE, intid, on, 0, 0).x[0];
}

static inline uint32_t hf_interrupt_get(void)
{
	return (uint32_t)hvc(HF_INTERRUPT_GET, 0, 0, 0, 0).x[0];
}

static inline int64_t hf_interrupt_inject(uint16_t vm, uint16_t vcpu, uint32_t intid)
{
	return (int64_t)hvc(HF_INTERRUPT_INJECT, vm, vcpu, intid, 0).x[0];
}
