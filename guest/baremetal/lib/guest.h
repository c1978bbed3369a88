// SPDX-License-Identifier: Apache-2.0
// What every guest program may use.
#pragma once

#include "cpu.h"
#include "print.h"
#include "spci.h"
#include "string.h"

#define PAGE_SIZE 4096ul

// A program's entry on vCPU 0: a secondary gets its memory size, a primary the address of its FDT.
void main(uint64_t x0);

// Runs on an IRQ, on the interrupted stack, interrupts masked. A program that unmasks them has one.
void handle_irq(void);

// Ends the program in the way of its role: a primary powers off, a secondary makes its VM abort.
_Noreturn void die(void);

// Ends the program with a FAIL line unless condition holds.
#define check(condition, ...)                         \
	do {                                          \
		if (!(condition)) {                   \
			print("FAIL " __VA_ARGS__);   \
			print(" (%s)\n", #condition); \
			die();                        \
		}                                     \
	} while (0)
