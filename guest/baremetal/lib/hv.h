// SPDX-License-Identifier: Apache-2.0
// What the interfaces of November 2019 (spci.h) and January 2019 (hf.h) have in common, for programs that run under
// either. They find out which one the machine serves.
#pragma once

#include "guest.h"
#include "hf.h"

// Whether the interface is that of January 2019.
bool hv_january(void);

// The id of the n-th secondary, from 0, and of the primary.
uint16_t hv_secondary(uint32_t n);
uint16_t hv_primary(void);

uint64_t hv_vcpu_count(uint16_t vm);

// Registers tx and rx, or dies.
void hv_map(void);

// Why a run ended, or did not begin.
enum hv_run_kind {
	RAN_PREEMPTED,
	RAN_YIELDED,
	RAN_WAITS,    // blocked, for ns if that is not 0; or there is nothing to run
	RAN_SENT,     // size bytes for the primary, in rx
	RAN_WAKES,    // vCPU vcpu of vm is to be run; vcpu is HV_ANY_VCPU where the scheduler chooses
	RAN_NOTIFIES, // others wait for the mailbox of vm
	RAN_DIED,     // vm aborted; the interface of January 2019 says RAN_WAITS
	RAN_BUSY,     // it runs elsewhere; the same
	RAN_STRANGE,
};

#define HV_ANY_VCPU 0xffffu

struct hv_run {
	enum hv_run_kind kind;
	uint16_t vm, vcpu;
	uint32_t size;
	uint64_t ns;
	uint64_t x0; // as it was
};

struct hv_run hv_run(uint16_t vm, uint16_t vcpu);

void hv_yield(void);

struct hv_message {
	bool there; // false: an interrupt ended the wait, or there is none
	uint16_t from;
	uint32_t size;
};

struct hv_message hv_receive(bool block);

// Sends size bytes of tx. False if it cannot be sent now; the sender is not notified.
bool hv_send(uint16_t to, uint32_t size);

// Empties rx. Whoever waits for that, nobody does in these programs.
void hv_release(void);

void hv_interrupt_enable(uint32_t intid);
uint32_t hv_interrupt_get(void); // HF_NO_INTID: none
int64_t hv_interrupt_inject(uint16_t vm, uint16_t vcpu, uint32_t intid);

// Two programs for one test: TEST(suite, name, machine) and the same under suite_hf.
#define TEST_BOTH(suite, name, machine)                               \
	static void suite##_##name##_body(void);                      \
	TEST(suite, name, machine) { suite##_##name##_body(); }       \
	TEST(suite##_hf, name, "abi=hf " machine) { suite##_##name##_body(); } \
	static void suite##_##name##_body(void)
