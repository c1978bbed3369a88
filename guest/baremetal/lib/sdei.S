// SPDX-License-Identifier: Apache-2.0
// An SDEI event handler, and what it may go on with: see sdei.h.

	.text
	.weak	sdei_handle			// not every program has one

// x0: event, x1: argument, x2: interrupted PC, x3: interrupted PSTATE. x0 to x17 need not be kept.
	.global sdei_entry
	.balign	4
sdei_entry:
	stp	x29, x30, [sp, #-32]!
	str	x18, [sp, #16]
	adrp	x18, sdei_seen
	add	x18, x18, :lo12:sdei_seen
	stp	x4, x5, [x18]
	stp	x6, x7, [x18, #16]
	stp	x8, x9, [x18, #32]
	stp	x10, x11, [x18, #48]
	stp	x12, x13, [x18, #64]
	stp	x14, x15, [x18, #80]
	stp	x16, x17, [x18, #96]
	mrs	x4, nzcv
	str	x4, [x18, #112]
	bl	sdei_handle
	ldr	x18, [sp, #16]
	ldp	x29, x30, [sp], #32
	mov	x1, x0
	ldr	w0, =0xc4000026			// COMPLETE_AND_RESUME at x1
	cmp	x1, #1
	b.hi	1f
	ldr	w0, =0xc4000025			// COMPLETE: 0 handled, 1 failed
1:	adrp	x2, sdei_smc
	ldr	w2, [x2, :lo12:sdei_smc]
	cbnz	w2, 2f
	hvc	#0
	b	.
2:	smc	#0
	b	.

	.global sdei_resume
sdei_resume:
	stp	x0, x1, [sp, #-16]!
	adrp	x0, sdei_resumes
	add	x0, x0, :lo12:sdei_resumes
	ldr	x1, [x0]
	add	x1, x1, #1
	str	x1, [x0]
	mrs	x1, elr_el1
	str	x1, [x0, #8]
	mrs	x1, spsr_el1
	str	x1, [x0, #16]
	str	x2, [sp, #-16]!
	mrs	x1, daif
	mrs	x2, currentel
	orr	x1, x1, x2
	mrs	x2, spsel
	orr	x1, x1, x2
	str	x1, [x0, #24]
	ldr	x2, [sp], #16
	ldp	x0, x1, [sp], #16
	eret

	.bss
	.balign	16
	.global sdei_seen, sdei_nzcv, sdei_resumes, sdei_elr, sdei_spsr, sdei_pstate, sdei_smc
sdei_seen:
	.skip	112
sdei_nzcv:
	.skip	8
sdei_resumes:
	.skip	8
sdei_elr:
	.skip	8
sdei_spsr:
	.skip	8
sdei_pstate:
	.skip	8
sdei_smc:
	.skip	4
