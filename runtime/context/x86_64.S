/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Context switch for x86-64, System V ABI. A saved context, from its sp upwards:
 *
 *        +48  return address      where context_switch was called, or context_entry
 *        +40  rbp                 frame pointer: the chain ends at context_entry, where it is 0
 *        +32  rbx                 of a new context: the entry function
 *        +24  r12
 *        +16  r13
 *         +8  r14
 *   sp -> +0  r15
 *
 * The switch jumps to the target, and does not return to it: the return-address predictor would be wrong every time.
 * The code behind a call is not marked as a target of indirect branches, so the jump is a `notrack` one. CFI is
 * complete, so debuggers and unwinders walk a parked stack through this function as through any call.
 */
#if defined(__x86_64__) && !defined(SLEY_CONTEXT_UCONTEXT)

	.text

/* void context_switch(struct context *from [rdi], struct context *to [rsi]) */
	.globl	context_switch
	.hidden	context_switch
	.type	context_switch, @function
	.p2align 4
context_switch:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	movq	%rsp, (%rdi)
	movq	(%rsi), %rsp
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rcx
	notrack jmp	*%rcx
	.cfi_endproc
	.size	context_switch, . - context_switch

/* First code of a new context: rbx is its entry function. It has no caller: every call chain ends here. */
	.globl	context_entry
	.hidden	context_entry
	.type	context_entry, @function
	.p2align 4
context_entry:
	.cfi_startproc
	.cfi_undefined rip
	.cfi_undefined rbp
	endbr64
	xorl	%ebp, %ebp
	call	*%rbx
	ud2
	.cfi_endproc
	.size	context_entry, . - context_entry

/*
 * void context_make(struct context *context [rdi], void *low [rsi], void *top [rdx], void (*entry)(void) [rcx])
 *
 * At context_entry rsp == top, 16-byte aligned, as the ABI requires before a call.
 */
	.globl	context_make
	.hidden	context_make
	.type	context_make, @function
	.p2align 4
context_make:
	.cfi_startproc
	endbr64
	leaq	context_entry(%rip), %rax
	movq	%rax, -8(%rdx)
	movq	$0, -16(%rdx)
	movq	%rcx, -24(%rdx)
	movq	$0, -32(%rdx)
	movq	$0, -40(%rdx)
	movq	$0, -48(%rdx)
	movq	$0, -56(%rdx)
	leaq	-56(%rdx), %rax
	movq	%rax, (%rdi)
	ret
	.cfi_endproc
	.size	context_make, . - context_make

#endif

#include "context/property.h"
