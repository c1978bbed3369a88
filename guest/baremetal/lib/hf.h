// SPDX-License-Identifier: Apache-2.0
// Hafnium's interface of January 2019: one number in x0, up to three arguments, one result in x0.
#pragma once

#include <stdbool.h>

#include "call.h"

#define JAN_VM_GET_ID            0xff00u
#define JAN_VM_GET_COUNT         0xff01u
#define JAN_VCPU_GET_COUNT       0xff02u
#define JAN_VCPU_RUN             0xff03u
#define JAN_VCPU_YIELD           0xff04u
#define JAN_VM_CONFIGURE         0xff05u
#define JAN_MAILBOX_SEND         0xff06u
#define JAN_MAILBOX_RECEIVE      0xff07u
#define JAN_MAILBOX_CLEAR        0xff08u
#define JAN_MAILBOX_WRITABLE_GET 0xff09u
#define JAN_MAILBOX_WAITER_GET   0xff0au
#define JAN_INTERRUPT_ENABLE     0xff0bu
#define JAN_INTERRUPT_GET        0xff0cu
#define JAN_INTERRUPT_INJECT     0xff0du

// Codes of a run result, in its lowest byte.
#define RUN_PREEMPTED          0u
#define RUN_YIELD              1u
#define RUN_WAIT_FOR_INTERRUPT 2u
#define RUN_WAKE_UP            3u
#define RUN_MESSAGE            4u
#define RUN_SLEEP              5u
#define RUN_NOTIFY_WAITERS     6u

#define JAN_PRIMARY 0u
#define JAN_NO_VM   0xffffffffu // the sender of no message
#define JAN_NO_VCPU 0xffffu     // the scheduler chooses a vCPU

static inline uint64_t jan_call(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	return hvc(fn, a1, a2, a3, 0).x[0];
}

static inline uint32_t jan_code(uint64_t run)
{
	return run & 0xff;
}

// The VM and vCPU of RUN_WAKE_UP.
static inline uint32_t jan_wake_vm(uint64_t run)
{
	return (uint32_t)(run >> 32);
}

static inline uint32_t jan_wake_vcpu(uint64_t run)
{
	return (uint16_t)(run >> 16);
}

// The size of RUN_MESSAGE and of a received message, and the sender of the latter.
static inline uint32_t jan_size(uint64_t message)
{
	return (uint32_t)(message >> 32);
}

static inline uint32_t jan_sender(uint64_t message)
{
	return (uint32_t)message;
}
