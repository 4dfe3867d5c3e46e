/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The floating-point control words: rounding mode, treatment of denormals, exceptions that trap. They are callee-saved,
 * so they belong to a context. The flags of exceptions that have occurred do not: every call may change them.
 *
 * The control words are read once per turn of a task, when it leaves its stack. The worker, which runs next, always has
 * its own values. Rejected: saving them in each context_switch(). Reading MXCSR takes 4 ns on an AMD EPYC, as much as
 * the rest of the switch.
 */
#ifndef CONTEXT_CONTROL_H
#define CONTEXT_CONTROL_H

#include <stdint.h>

/* control_get() never returns CONTROL_NONE. control_get_by(): the same, by way of a place in memory. */
#if defined(__x86_64__)

#define MXCSR_FLAGS  0x3fu
#define X87_MASKED   0x3fu /* no exception traps */
#define CONTROL_NONE 1u    /* one of the flags that control_get() clears */

/* The processor stores the words to memory alone. */
struct control_place {
	uint32_t mxcsr;
	uint16_t x87;
};

/* MXCSR without its flags in the lower half, the control word of the x87 in the upper one. */
static inline uint32_t control_get_by(struct control_place *place)
{
	__asm__ volatile("stmxcsr %0" : "=m"(place->mxcsr) : : "memory");
	__asm__ volatile("fnstcw %0" : "=m"(place->x87) : : "memory");
	return (place->mxcsr & ~MXCSR_FLAGS & 0xffff) | (uint32_t)place->x87 << 16;
}

/*
 * The x87 traps on flags that are already set, and another task may have set these. So they are cleared before an
 * exception is unmasked. SSE traps on new exceptions only.
 */
static inline void control_set(uint32_t control)
{
	uint32_t mxcsr;
	uint16_t x87 = (uint16_t)(control >> 16);
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr) : : "memory");
	mxcsr = (mxcsr & MXCSR_FLAGS) | (control & 0xffff);
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr) : "memory");
	if ((x87 & X87_MASKED) != X87_MASKED)
		__asm__ volatile("fnclex" : : : "memory");
	__asm__ volatile("fldcw %0" : : "m"(x87) : "memory");
}

#elif defined(__aarch64__)

#define CONTROL_NONE (1u << 31) /* reserved, 0 */

struct control_place {
	char none[0];
};

/* FPCR, whose upper half is reserved. */
static inline uint32_t control_get_by(struct control_place *place)
{
	uint64_t fpcr;
	(void)place;
	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr) : : "memory");
	return (uint32_t)fpcr;
}

static inline void control_set(uint32_t control)
{
	__asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)control) : "memory");
}

#else /* glibc's ucontext keeps them */

#define CONTROL_NONE 1u

struct control_place {
	char none[0];
};

static inline uint32_t control_get_by(struct control_place *place)
{
	(void)place;
	return 0;
}

static inline void control_set(uint32_t control)
{
	(void)control;
}

#endif

/* With a place of its own, on the stack. Functions that park use one elsewhere: their frames are part of every image. */
static inline uint32_t control_get(void)
{
	struct control_place place;
	return control_get_by(&place);
}

#endif
