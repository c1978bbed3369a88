// SPDX-License-Identifier: Apache-2.0
// Code that runs at EL0, and vectors for what comes from there: see el0.h.

	.text

// Every exception from EL0 but an interrupt is the end of eret_all. An interrupt goes on with sdei_resume, and so does
// whoever is sent to its vector as if one had come.
	.macro	vector target
	.balign	128
	b	\target
	.endm

	.macro	unexpected kind
	.balign	128
	mov	x0, #\kind
	mrs	x1, esr_el1
	mrs	x2, elr_el1
	mrs	x3, far_el1
	b	report_exception
	.endm

	.global	el0_vectors
	.balign	2048
el0_vectors:
	unexpected 0
	unexpected 1
	unexpected 2
	unexpected 3
	unexpected 4
	vector	sdei_resume
	unexpected 6
	unexpected 7
	vector	eret_all_pc
	vector	sdei_resume
	unexpected 10
	unexpected 11
	vector	eret_all_pc
	vector	sdei_resume
	unexpected 14
	unexpected 15

// AArch64: says at x1 + 4 that it is here, and waits until the word at x1 is not zero.
	.global	el0_spin, el0_spin_loop, el0_spin_end
	.balign	4096				// one page for all that runs at EL0
el0_spin:
	str	w2, [x1, #4]
el0_spin_loop:
	ldr	w0, [x1]
	cbz	w0, el0_spin_loop
	svc	#0
el0_spin_end:

// Stores w3 at x1.
	.global	el0_store, el0_store_pc
el0_store:
	str	w3, [x1]
el0_store_pc:
	svc	#0

// The same for AArch32.
	.global	el0_spin_32, el0_spin_32_loop, el0_spin_32_end
el0_spin_32:
	.inst	0xe5812004			// str r2, [r1, #4]
el0_spin_32_loop:
	.inst	0xe5910000			// 1: ldr r0, [r1]
	.inst	0xe3500000			// cmp r0, #0
	.inst	0x0afffffc			// beq 1b
	.inst	0xef000000			// svc #0
el0_spin_32_end:

	.global	el0_store_32, el0_store_32_pc
el0_store_32:
	.inst	0xe5813000			// str r3, [r1]
el0_store_32_pc:
	.inst	0xef000000			// svc #0
