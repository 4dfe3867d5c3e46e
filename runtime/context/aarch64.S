/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Context switch for aarch64, AAPCS64. A saved context, from its sp upwards:
 *
 *       +152  d15                  of v8-v15 a callee keeps the low halves only
 *        ...  d9 .. d14
 *        +96  d8
 *        +88  x28
 *        ...  x20 .. x27
 *        +16  x19                  of a new context: the entry function
 *         +8  x30                  where context_switch was called, or context_entry; signed, with sp + 160
 *   sp -> +0  x29                  frame pointer: the chain ends at context_entry, where it is 0
 *
 * Return addresses are signed if the processor can (the instructions are no-ops otherwise). The modifier is the stack
 * pointer, and the bytes of a stack always come back to their addresses. The key belongs to the process, so any thread
 * may resume a context.
 *
 * The switch returns to the target, and does not jump to it as on x86-64: with branch targets enforced (BTI), only a
 * return may land behind a call. CFI is complete, so debuggers and unwinders walk a parked stack through this function
 * as through any call.
 */
#if defined(__aarch64__) && !defined(SLEY_CONTEXT_UCONTEXT)

#define FRAME 160
/* By number, because not every assembler knows the names. */
#define BTI_C     hint #34
#define PACIASP   hint #25 /* a landing pad, like BTI_C */
#define AUTIASP   hint #29
#define PACIA1716 hint #8

	.text

/* void context_switch(struct context *from [x0], struct context *to [x1]) */
	.globl	context_switch
	.hidden	context_switch
	.type	context_switch, %function
	.p2align 4
context_switch:
	.cfi_startproc
	PACIASP
	.cfi_negate_ra_state
	stp	x29, x30, [sp, #-FRAME]!
	.cfi_adjust_cfa_offset FRAME
	.cfi_rel_offset x29, 0
	.cfi_rel_offset x30, 8
	stp	x19, x20, [sp, #16]
	.cfi_rel_offset x19, 16
	.cfi_rel_offset x20, 24
	stp	x21, x22, [sp, #32]
	.cfi_rel_offset x21, 32
	.cfi_rel_offset x22, 40
	stp	x23, x24, [sp, #48]
	.cfi_rel_offset x23, 48
	.cfi_rel_offset x24, 56
	stp	x25, x26, [sp, #64]
	.cfi_rel_offset x25, 64
	.cfi_rel_offset x26, 72
	stp	x27, x28, [sp, #80]
	.cfi_rel_offset x27, 80
	.cfi_rel_offset x28, 88
	stp	d8, d9, [sp, #96]
	.cfi_rel_offset d8, 96
	.cfi_rel_offset d9, 104
	stp	d10, d11, [sp, #112]
	.cfi_rel_offset d10, 112
	.cfi_rel_offset d11, 120
	stp	d12, d13, [sp, #128]
	.cfi_rel_offset d12, 128
	.cfi_rel_offset d13, 136
	stp	d14, d15, [sp, #144]
	.cfi_rel_offset d14, 144
	.cfi_rel_offset d15, 152
	mov	x9, sp
	str	x9, [x0]
	ldr	x9, [x1]
	mov	sp, x9
	ldp	x19, x20, [sp, #16]
	.cfi_restore x19
	.cfi_restore x20
	ldp	x21, x22, [sp, #32]
	.cfi_restore x21
	.cfi_restore x22
	ldp	x23, x24, [sp, #48]
	.cfi_restore x23
	.cfi_restore x24
	ldp	x25, x26, [sp, #64]
	.cfi_restore x25
	.cfi_restore x26
	ldp	x27, x28, [sp, #80]
	.cfi_restore x27
	.cfi_restore x28
	ldp	d8, d9, [sp, #96]
	.cfi_restore d8
	.cfi_restore d9
	ldp	d10, d11, [sp, #112]
	.cfi_restore d10
	.cfi_restore d11
	ldp	d12, d13, [sp, #128]
	.cfi_restore d12
	.cfi_restore d13
	ldp	d14, d15, [sp, #144]
	.cfi_restore d14
	.cfi_restore d15
	ldp	x29, x30, [sp], #FRAME
	.cfi_adjust_cfa_offset -FRAME
	.cfi_restore x29
	.cfi_restore x30
	AUTIASP
	.cfi_negate_ra_state
	ret
	.cfi_endproc
	.size	context_switch, . - context_switch

/* First code of a new context: x19 is its entry function. It has no caller: every call chain ends here. */
	.globl	context_entry
	.hidden	context_entry
	.type	context_entry, %function
	.p2align 4
context_entry:
	.cfi_startproc
	.cfi_undefined x30
	.cfi_undefined x29
	BTI_C
	mov	x29, xzr
	mov	x30, xzr
	blr	x19
	brk	#1
	.cfi_endproc
	.size	context_entry, . - context_entry

/*
 * void context_make(struct context *context [x0], void *low [x1], void *top [x2], void (*entry)(void) [x3])
 *
 * At context_entry sp == top, 16-byte aligned, as required at all times.
 */
	.globl	context_make
	.hidden	context_make
	.type	context_make, %function
	.p2align 4
context_make:
	.cfi_startproc
	BTI_C
	adrp	x17, context_entry
	add	x17, x17, :lo12:context_entry
	mov	x16, x2
	PACIA1716
	sub	x9, x2, #FRAME
	stp	xzr, x17, [x9]
	stp	x3, xzr, [x9, #16]
	stp	xzr, xzr, [x9, #32]
	stp	xzr, xzr, [x9, #48]
	stp	xzr, xzr, [x9, #64]
	stp	xzr, xzr, [x9, #80]
	stp	xzr, xzr, [x9, #96]
	stp	xzr, xzr, [x9, #112]
	stp	xzr, xzr, [x9, #128]
	stp	xzr, xzr, [x9, #144]
	str	x9, [x0]
	ret
	.cfi_endproc
	.size	context_make, . - context_make

#endif

#include "context/property.h"
