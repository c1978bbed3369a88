// SPDX-License-Identifier: Apache-2.0
//
// How every program starts. The first 64 bytes are the header of the Linux arm64 boot protocol, so
// one file serves both as a primary's kernel and as a flat image whose entry is its first byte.
// The code runs wherever it was loaded: nothing here or in C needs a relocation.

#define STACK_SIZE 8192

	.section .head, "ax"
	.global _start
_start:
	b	boot			// code0
	.word	0			// code1
	.quad	0			// text_offset
	.word	image_size, 0		// image_size
	.quad	0xa			// flags: little endian, 4 KiB pages, anywhere in memory
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.word	0

	.text

// vCPU 0: x0 is the argument that this VM's role defines.
boot:
	mov	x19, x0
	adrp	x9, page_table
	bl	fill_page_table
	bl	mmu_on
	adrp	x9, boot_stack + STACK_SIZE
	mov	sp, x9
	mov	x29, xzr
	mov	x0, x19
	bl	main
	b	die

// Every other vCPU: x0 points to a struct cpu_boot {stack top, function, argument}. The MMU goes on
// before that is read, because vCPU 0 wrote it through its cache.
	.global cpu_entry
cpu_entry:
	mov	x19, x0
	bl	mmu_on
	ldp	x9, x1, [x19]
	ldr	x0, [x19, #16]
	mov	sp, x9
	mov	x29, xzr
	blr	x1
	b	die

// The identity map: 512 blocks of 1 GiB, the first one device memory, the others write-back cached.
// Cached, because the other side of a mailbox reads and writes it through a cache as well.
#define BLOCK		(1 | 3 << 8 | 1 << 10)		// valid, inner shareable, accessed
#define ATTR(n)		((n) << 2)
#define XN		(3 << 53)			// UXN and PXN

fill_page_table:
	mov	x10, #(BLOCK | ATTR(0))
	mov	x11, #XN
	orr	x10, x10, x11
	str	x10, [x9]
	mov	x10, #(BLOCK | ATTR(1))
	mov	x11, #0x40000000
	mov	x12, #1
1:	add	x10, x10, x11
	str	x10, [x9, x12, lsl #3]
	add	x12, x12, #1
	cmp	x12, #512
	b.ne	1b
	dsb	sy
	// Written past the cache: drop what the cache may hold of it.
	add	x12, x9, #4096
2:	dc	ivac, x9
	add	x9, x9, #16
	cmp	x9, x12
	b.ne	2b
	dsb	sy
	ret

mmu_on:
	adrp	x9, vectors
	add	x9, x9, :lo12:vectors
	msr	vbar_el1, x9
	adrp	x9, page_table
	msr	ttbr0_el1, x9
	mov	x9, #0xff04			// attribute 0: Device-nGnRE, 1: Normal write-back
	msr	mair_el1, x9
	ldr	x9, =(25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32)
	msr	tcr_el1, x9			// 39-bit addresses, cached walks, no TTBR1, 40-bit output
	tlbi	vmalle1
	ic	iallu
	dsb	nsh
	isb
	mrs	x9, sctlr_el1
	mov	x10, #(1 << 0 | 1 << 2 | 1 << 12)	// M, C, I
	orr	x9, x9, x10
	msr	sctlr_el1, x9
	isb
	ret

// Vectors. Only an IRQ taken from this level on SP_EL1 is expected.
	.macro	unexpected kind
	.balign	128
	mov	x0, #\kind
	b	unexpected_exception
	.endm

	.balign	2048
vectors:
	unexpected 0
	unexpected 1
	unexpected 2
	unexpected 3
	unexpected 4
	.balign	128
	sub	sp, sp, #176
	stp	x0, x1, [sp]
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x29, [sp, #144]
	str	x30, [sp, #160]
	b	irq
	unexpected 6
	unexpected 7
	unexpected 8
	unexpected 9
	unexpected 10
	unexpected 11
	unexpected 12
	unexpected 13
	unexpected 14
	unexpected 15

irq:
	bl	handle_irq
	ldp	x0, x1, [sp]
	ldp	x2, x3, [sp, #16]
	ldp	x4, x5, [sp, #32]
	ldp	x6, x7, [sp, #48]
	ldp	x8, x9, [sp, #64]
	ldp	x10, x11, [sp, #80]
	ldp	x12, x13, [sp, #96]
	ldp	x14, x15, [sp, #112]
	ldp	x16, x17, [sp, #128]
	ldp	x18, x29, [sp, #144]
	ldr	x30, [sp, #160]
	add	sp, sp, #176
	eret

// A fresh stack, since the one in use may be what failed.
unexpected_exception:
	adrp	x9, boot_stack + STACK_SIZE
	mov	sp, x9
	mrs	x1, esr_el1
	mrs	x2, elr_el1
	mrs	x3, far_el1
	b	report_exception

	.bss
	.balign	4096
page_table:
	.skip	4096
boot_stack:
	.skip	STACK_SIZE
