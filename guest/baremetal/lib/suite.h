// SPDX-License-Identifier: Apache-2.0
// Suites of tests. A test is one run of one machine: its function is the whole primary, and passes by
// returning. suite/NAME.c becomes the image suite_NAME.bin, whose bootargs choose:
//
//	list             print "SUITE TEST MACHINE" for every test
//	run SUITE TEST   run that one; the last line is PASS, or begins with FAIL
//
// vmm's TestSuites asks every image for its list and runs each test as a subtest of its own.
#pragma once

#include "scheduler.h"

// TEST begins the definition of a test. machine is a text, words that say what the machine must be:
//
//	abi=hf, abi=ffa     the interface; the default is spci
//	cpus=N              vCPUs of the primary; the default is 1
//	vm=IMAGE[*N][@MIB]  the next secondary: its image, vCPUs (1) and memory (1)
//	bystander=IMAGE     the same, but for one that never runs: its memory must be at the end what it was
//	mem=MIB             the machine's memory; the default is 64
//	sdei=WHO            who has SDEI: primary or all; nobody by default
//	pvsched=WHO         who has PV_SCHED, likewise
//	smccc=1.2           the calling convention's version that VMs are told; the host's by default
//	id-regs=hafnium     the ID registers say no more than code of 2019 takes
//	slice=DURATION      the longest turn of a secondary, as 500us; the default is 1ms
//	reported-cpus=N     how many vCPUs the primary is told that it has
//	raise               a line "raise EVENT CPU" on the console has that event of SDEI raised in the primary; then a
//	                    line feed is typed
//	reset               the primary ends the machine by SYSTEM_RESET
//	host-cpus=N         the CPUs of the host, at least, without which the test makes no sense
//	minutes=N           how long the test may take on a slow host; the default is 3
//	soak                run it only where long tests are asked for
//
//	TEST(mailbox, full_is_busy, "vm=echo vm=two*2")
//	{
//		scheduler_start(2);
//		check(…);
//	}
#define TEST(suite, name, machine)                                                                   \
	static void __attribute__((used)) suite##_##name(void);                                      \
	asm(".pushsection .tests, \"a\"\n"                                                           \
	    ".balign 4\n"                                                                            \
	    ".4byte 91f - .\n"                                                                       \
	    ".4byte 92f - .\n"                                                                       \
	    ".4byte 93f - .\n"                                                                       \
	    ".4byte " #suite "_" #name " - .\n"                                                      \
	    ".popsection\n"                                                                          \
	    ".pushsection .rodata\n"                                                                 \
	    "91: .asciz \"" #suite "\"\n"                                                            \
	    "92: .asciz \"" #name "\"\n"                                                             \
	    "93: .asciz \"" machine "\"\n"                                                           \
	    ".popsection\n");                                                                        \
	static void suite##_##name(void)

