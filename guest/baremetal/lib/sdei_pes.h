// SPDX-License-Identifier: Apache-2.0
// What the suites of SDEI share: one handler on all CPUs, and one CPU that has others do something. Every test is a
// machine of 1, 2 and 8 CPUs; in each it is made by HVC and by SMC, on the first CPU and on the last.
#pragma once

#include "expect.h"
#include "pl011.h"
#include "sdei.h"
#include "suite.h"

// Events that hfvmm raises, beside event 0. The UART's is bound to its interrupt.
#define WATCHDOG        0x40000000u // critical, shared
#define PRIVATE         0x40000001u
#define CRITICAL        0x40000002u // private
#define SHARED          0x40000003u
#define SHARED_CRITICAL 0x40000004u
#define UART_EVENT      0x40000200u // the first one for a bound SPI

// Flags of EVENT_REGISTER; the first also a mode of EVENT_ROUTING_SET.
#define TO_PE    1u
#define RELATIVE 2u

#define PSTATE_DAIF 0x3c0u
#define PSTATE_EL1H 5u
#define PSTATE_EL1T 4u

enum { REGISTERED = 1, ENABLED = 2, RUNNING = 4 };

// Of each CPU: what its handlers saw, and what they are to do. Volatile: the compiler does not see them called.
extern volatile struct pe {
	uint32_t events, interrupts;
	uint64_t pc, pstate;          // what the last handler interrupted
	uint64_t answer;              // what the next one completes with, see sdei_handle
	void (*work)(uint32_t event); // in the handler, if not null; of an interrupt, with one of these
} pes[MAX_CPUS];

#define INTERRUPT ~0u
#define RESUMED   (~0u - 1) // there is none, a handler was completed to its vector

// The SGI that handle_irq expects.
#define SGI 3u

// How often what comes from another CPU is tried.
#define ROUNDS 3u

// How many CPUs the machine has.
extern uint32_t cpus;

// This CPU's.
volatile struct pe *self(void);

// Some other CPU, if there is one: the last, on that the first.
uint32_t other(void);

// Has a CPU call fn. give does not wait until it has, finish does. The first CPU listens while it waits itself, the
// others always.
void on(uint32_t cpu, void (*fn)(void));
void give(uint32_t cpu, void (*fn)(void));
void finish(uint32_t cpu);

// Says that a CPU has been switched off: the next order switches it on.
void forget(uint32_t cpu);

// Masks this CPU, takes its handlers away and those of shared events, and forgets what it saw.
void begin(void);

// Makes a test on each of its CPUs, by HVC and by SMC.
void everywhere(uint32_t count, void (*fn)(void));

#define PE_TEST(name)  SDEI_TEST(name, "cpus=1 sdei=primary", "cpus=2 sdei=primary", "cpus=8 sdei=primary")
#define PES_TEST(name) SDEI_PES_TEST(name, "cpus=2 sdei=primary", "cpus=8 sdei=primary") // that takes more than one

// The same where the host raises events.
#define PE_RAISE_TEST(name) \
	SDEI_TEST(name, "cpus=1 sdei=primary raise", "cpus=2 sdei=primary raise", "cpus=8 sdei=primary raise")
#define PES_RAISE_TEST(name) SDEI_PES_TEST(name, "cpus=2 sdei=primary raise", "cpus=8 sdei=primary raise")

#define SDEI_TEST(name, one, two, eight)               \
	static void name(void);                        \
	TEST(sdei_1, name, one) { everywhere(1, name); } \
	SDEI_PES_TEST(name, two, eight)

#define SDEI_PES_TEST(name, two, eight)                  \
	static void name(void);                          \
	TEST(sdei_2, name, two) { everywhere(2, name); }   \
	TEST(sdei_8, name, eight) { everywhere(8, name); } \
	static void name(void)

// Registers sdei_entry for an event, with the argument that sdei_handle expects; listen enables that as well.
int64_t reg(uint32_t event);
void listen(uint32_t event);

static inline int64_t signal(uint64_t cpu)
{
	return sdei(SDEI_SIGNAL, 0, cpu);
}

// Fills x with what tells one register from another, and counts those from x3 on that are not that any more.
void pattern(uint64_t x[31]);
uint32_t differing(const uint64_t x[31]);
#define PATTERN(n) (0xa000u + (n))

// Whether the handler of the last event found x4 to x17 like that.
void expect_pattern(void);

// Has the UART ask for its interrupt until a handler of UART_EVENT ends that.
void raise_uart(void);

// Has the host raise an event on this CPU: it has been taken, if it can be, when this returns. A handler that
// interrupts this cannot use it itself. For PE_RAISE_TEST.
void raise(uint32_t event);

void unmask(void);
void mask_here(void);

// This CPU begins and listens to event 0.
void hear(void);

// No handler runs here.
void complete_nothing(void);

// Waits until so many events came on that CPU.
void await(uint32_t cpu, uint32_t events);
