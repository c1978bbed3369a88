// SPDX-License-Identifier: Apache-2.0
// FF-A 1.0 to 1.2 (DEN0077A), and the Hafnium calls beside it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FFA_ERROR               0x84000060u
#define FFA_SUCCESS             0x84000061u
#define FFA_SUCCESS_64          0xC4000061u
#define FFA_INTERRUPT           0x84000062u
#define FFA_VERSION             0x84000063u
#define FFA_FEATURES            0x84000064u
#define FFA_RX_RELEASE          0x84000065u
#define FFA_RXTX_MAP            0xC4000066u
#define FFA_RXTX_UNMAP          0x84000067u
#define FFA_PARTITION_INFO_GET  0x84000068u
#define FFA_ID_GET              0x84000069u
#define FFA_MSG_WAIT            0x8400006Bu
#define FFA_YIELD               0x8400006Cu
#define FFA_RUN                 0x8400006Du
#define FFA_DIRECT_REQ          0x8400006Fu
#define FFA_DIRECT_REQ_64       0xC400006Fu
#define FFA_DIRECT_RESP         0x84000070u
#define FFA_DIRECT_RESP_64      0xC4000070u
#define FFA_NOTIFICATION_BIND     0x8400007Fu
#define FFA_NOTIFICATION_UNBIND   0x84000080u
#define FFA_NOTIFICATION_SET      0x84000081u
#define FFA_NOTIFICATION_GET      0x84000082u
#define FFA_NOTIFICATION_INFO_GET 0xC4000083u
#define FFA_MSG_SEND2           0x84000086u
#define FFA_CONSOLE_LOG         0x8400008Au
#define FFA_PARTITION_INFO_REGS 0xC400008Bu
#define FFA_DIRECT_REQ2         0xC400008Du
#define FFA_DIRECT_RESP2        0xC400008Eu

#define HAF_INTERRUPT_ENABLE 0xff03u
#define HAF_INTERRUPT_GET    0xff04u
#define HAF_RUN_WFI          0xff06u // a result of FFA_RUN

// Errors, in w2 of FFA_ERROR.
#define FFA_NOT_SUPPORTED      (-1)
#define FFA_INVALID_PARAMETERS (-2)
#define FFA_NO_MEMORY          (-3)
#define FFA_BUSY               (-4)
#define FFA_DENIED             (-6)
#define FFA_RETRY              (-7)
#define FFA_ABORTED            (-8)
#define FFA_NO_DATA            (-9)

// Framework messages, in w2 of direct requests.
#define FFA_POWER        0x80000000u
#define FFA_VM_CREATED   0x80000004u
#define FFA_VM_DESTROYED 0x80000006u

#define FFA_VERSION_1_1 0x10001u
#define FFA_VERSION_1_2 0x10002u

#define FFA_INTID_MANAGED_EXIT 4u
#define FFA_INTID_NPI          5u

// Bits of NOTIFICATION_GET.
#define FFA_NOTIFICATIONS_ALL 0xfu
#define FFA_RX_FULL           1u

// A call with all registers that FF-A 1.2 has: x0 to x17 in and out.
struct ffa_regs {
	uint64_t x[18];
};

static inline void ffa_hvc(struct ffa_regs *r)
{
	register uint64_t *p asm("x19") = r->x;

	asm volatile("ldp x0, x1, [%0]\n"
		     "ldp x2, x3, [%0, #16]\n"
		     "ldp x4, x5, [%0, #32]\n"
		     "ldp x6, x7, [%0, #48]\n"
		     "ldp x8, x9, [%0, #64]\n"
		     "ldp x10, x11, [%0, #80]\n"
		     "ldp x12, x13, [%0, #96]\n"
		     "ldp x14, x15, [%0, #112]\n"
		     "ldp x16, x17, [%0, #128]\n"
		     "hvc #0\n"
		     "stp x0, x1, [%0]\n"
		     "stp x2, x3, [%0, #16]\n"
		     "stp x4, x5, [%0, #32]\n"
		     "stp x6, x7, [%0, #48]\n"
		     "stp x8, x9, [%0, #64]\n"
		     "stp x10, x11, [%0, #80]\n"
		     "stp x12, x13, [%0, #96]\n"
		     "stp x14, x15, [%0, #112]\n"
		     "stp x16, x17, [%0, #128]\n"
		     :
		     : "r"(p)
		     : "memory", "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
		       "x14", "x15", "x16", "x17");
}

// The same for calls that need no more than x0 to x4.
static inline struct ffa_regs ffa_call(uint64_t fn, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4)
{
	struct ffa_regs r = { { fn, x1, x2, x3, x4 } };

	ffa_hvc(&r);
	return r;
}

static inline uint32_t ffa_func(const struct ffa_regs *r)
{
	return (uint32_t)r->x[0];
}

// The error of a result, 0 if it is none.
static inline int32_t ffa_errno(const struct ffa_regs *r)
{
	return ffa_func(r) == FFA_ERROR ? (int32_t)r->x[2] : 0;
}

static inline uint64_t ffa_pair(uint16_t high, uint16_t low)
{
	return (uint64_t)high << 16 | low;
}

// The header of an indirect message of FF-A 1.2.
struct ffa_message {
	uint32_t flags, reserved, offset;
	uint16_t receiver, sender;
	uint32_t size, reserved1;
	uint8_t uuid[16];
};
