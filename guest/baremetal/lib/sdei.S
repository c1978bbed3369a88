// SPDX-License-Identifier: Apache-2.0
// An SDEI event handler, and code that is interrupted by one: see sdei.h.

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
	cbnz	x1, 1f
	ldr	w0, =0xc4000025			// COMPLETE: handled
1:	adrp	x2, sdei_smc
	ldr	w2, [x2, :lo12:sdei_smc]
	cbnz	w2, 2f
	hvc	#0
	b	.
2:	smc	#0
	b	.

// The handler must leave x18 to x30 alone as well, though nobody restores those.
	.global sdei_signal_self_and_compare
sdei_signal_self_and_compare:
	stp	x29, x30, [sp, #-112]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	str	x18, [sp, #96]
	mov	x2, x0
	adrp	x0, sdei_smc
	ldr	w0, [x0, :lo12:sdei_smc]
	cmp	w0, #0
	ldr	w0, =0xc400002f			// EVENT_SIGNAL
	mov	x1, #0
	.irp	n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
	mov	x\n, #0xa000 + \n
	.endr
	b.ne	1f
	hvc	#0
	.global sdei_signal_hvc_pc
sdei_signal_hvc_pc:
	b	4f
1:	smc	#0
	.global sdei_signal_smc_pc
sdei_signal_smc_pc:
4:	cbnz	x0, 3f
	mov	x0, #0
	.irp	n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
	mov	x1, #0xa000 + \n
	cmp	x\n, x1
	cinc	x0, x0, ne
	.endr
2:	ldr	x18, [sp, #96]
	ldp	x27, x28, [sp, #80]
	ldp	x25, x26, [sp, #64]
	ldp	x23, x24, [sp, #48]
	ldp	x21, x22, [sp, #32]
	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #112
	ret
3:	mov	x0, #-1
	b	2b

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
	ldp	x0, x1, [sp], #16
	eret

	.bss
	.balign	16
	.global sdei_seen, sdei_nzcv, sdei_resumes, sdei_elr, sdei_spsr, sdei_smc
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
sdei_smc:
	.skip	4
