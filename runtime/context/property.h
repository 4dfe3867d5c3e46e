/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Included at the end of each assembly file, also of a file that is empty on this machine. It states that all code of
 * the file may run with branch targets enforced (IBT, BTI) and return addresses signed (PAC). A program has these
 * features only if each of its objects states so. Shadow stacks (SHSTK, GCS) are not stated: context_switch() does not
 * switch the shadow stack.
 */
/* clang-format off */
#if defined(__x86_64__)
	.section .note.gnu.property, "a", %note
	.p2align 3
	.long	4, 16, 5 /* sizes of name and description, NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000002, 4, 1, 0 /* GNU_PROPERTY_X86_FEATURE_1_AND: IBT */
#elif defined(__aarch64__)
	.section .note.gnu.property, "a", %note
	.p2align 3
	.long	4, 16, 5
	.asciz	"GNU"
	.long	0xc0000000, 4, 3, 0 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI, PAC */
#endif
	.section .note.GNU-stack, "", %progbits
