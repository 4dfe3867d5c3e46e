/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Switching contexts with the sanitizers told: a fiber is a context plus what they keep for it. Without a sanitizer it
 * costs nothing. ThreadSanitizer's own fibres carry happens-before along the switch, as the thread's program order
 * does.
 *
 * They are kept and used again: clang's takes 7 us to make one, and gcc 12's dies when there are 8,128 at once. So one
 * task of a fibre happens before the next: it did already, as both pass through the table's locks or one worker's
 * hands.
 *
 * Memcheck (make VALGRIND=1) takes a stack pointer that moves into another registered stack for a switch; the stack's
 * part of what it must know is in stack/copy.h.
 *
 * All of it is inlined, also without optimisation: a function of its own would enter on one fibre and return on
 * another.
 */
#ifndef CONTEXT_FIBER_H
#define CONTEXT_FIBER_H

#include <stdbool.h>

#include "context/context.h"

#ifdef SLEY_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SLEY_TSAN
#include <sanitizer/tsan_interface.h>
/* What the compiler calls at the end of each function. Under a name that gcc does not know otherwise. */
void fiber_tsan_func_exit(void) __asm__("__tsan_func_exit");
#endif

#ifdef SLEY_VALGRIND
#include <valgrind/memcheck.h>
#define FIBER_FIRST ((size_t)4096) /* more than context_make() writes */
#endif

#define FIBER_INLINE static inline __attribute__((always_inline))

struct fiber { /* zero at first */
#ifdef SLEY_TSAN
	void *tsan;
#endif
#ifdef SLEY_ASAN
	void *fake;
	const void *bottom;
	size_t size;
#endif
#if !defined(SLEY_TSAN) && !defined(SLEY_ASAN)
	char none[0];
#endif
};

/* The calling thread's own stack. */
FIBER_INLINE void fiber_init_thread(struct fiber *fiber)
{
	(void)fiber;
#ifdef SLEY_TSAN
	fiber->tsan = __tsan_get_current_fiber();
#endif
}

/* The context of a fiber is new. What it had before is over. */
FIBER_INLINE void fiber_init(struct fiber *fiber, void *low, void *top)
{
	(void)fiber, (void)low, (void)top;
#ifdef SLEY_TSAN
	if (!fiber->tsan)
		fiber->tsan = __tsan_create_fiber(0);
#endif
#ifdef SLEY_ASAN
	*fiber = (struct fiber){ .bottom = low, .size = (size_t)((char *)top - (char *)low) };
#endif
#ifdef SLEY_VALGRIND
	(void)VALGRIND_MAKE_MEM_NOACCESS(low, (size_t)((char *)top - (char *)low) - FIBER_FIRST);
	(void)VALGRIND_MAKE_MEM_UNDEFINED((char *)top - FIBER_FIRST, FIBER_FIRST);
#endif
}

/* Its memory goes away. */
FIBER_INLINE void fiber_fini(struct fiber *fiber)
{
	(void)fiber;
#ifdef SLEY_TSAN
	if (fiber->tsan)
		__tsan_destroy_fiber(fiber->tsan);
	fiber->tsan = NULL;
#endif
}

/*
 * The running context never returns from its last `frames` functions, the caller's included. ThreadSanitizer counts
 * frames in and out, and has room for 65,536.
 */
FIBER_INLINE void fiber_abandon_frames(unsigned frames)
{
	(void)frames;
#ifdef SLEY_TSAN
	while (frames-- > 0)
		fiber_tsan_func_exit();
#endif
}

/* Just before context_switch(). `last`: `from` never runs again. */
FIBER_INLINE void fiber_leave(struct fiber *from, struct fiber *to, bool last)
{
	(void)from, (void)to, (void)last;
#ifdef SLEY_ASAN
	__sanitizer_start_switch_fiber(last ? NULL : &from->fake, to->bottom, to->size);
#endif
#ifdef SLEY_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/*
 * First thing on the stack that was switched to: `self` is its fiber, `from` the one that was left. A macro, as
 * `from` is looked up anew after the switch, which costs a call that only ASan needs.
 */
#ifdef SLEY_ASAN
/* Where the other stack lies is how a thread's own stack is learnt. */
#define fiber_enter(self, from) __sanitizer_finish_switch_fiber((self)->fake, &(from)->bottom, &(from)->size)
#else
#define fiber_enter(self, from) ((void)(self))
#endif

#endif
