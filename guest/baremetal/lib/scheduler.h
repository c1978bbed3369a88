// SPDX-License-Identifier: Apache-2.0
// What the test primaries share: a scheduler for all vCPUs of all secondaries, on one CPU.
#pragma once

#include "guest.h"

#define FIRST_SECONDARY 2u
#define MAX_VMS         10u
#define MAX_VCPUS       8u

// Prints PASS and ends the program.
_Noreturn void pass(void);

struct message {
	uint16_t from; // 0: none, nobody has anything to do any more
	uint32_t size;
};

// Registers tx and rx and finds the VMs. Fails unless there are at least so many secondaries.
void scheduler_start(uint32_t secondaries);

// Sends size bytes of tx and makes a vCPU of the receiver ready to run. Returns the SPCI error, or 0.
// With BUSY the hypervisor notes that the primary waits: see writable.
int32_t send(uint16_t vm, uint32_t size);

// The same for a text.
int32_t send_text(uint16_t vm, const char *text);

// Runs everything that is ready, and what becomes ready by time, until the primary gets a message.
// The message is in rx until release.
struct message receive(void);

// Frees rx.
void release(void);

// Fails unless the message in rx is that text.
void expect_text(struct message m, const char *text);

// Runs one vCPU once, follows the rules for the result and returns it.
struct regs run_once(uint16_t vm, uint16_t vcpu);

// The same, again and again while it was only preempted.
struct regs run_through(uint16_t vm, uint16_t vcpu);

// True once a vCPU of the VM was aborted.
bool is_dead(uint16_t vm);

// How often the mailbox of a VM that the primary had found full was reported writable.
uint32_t times_writable(uint16_t vm);
