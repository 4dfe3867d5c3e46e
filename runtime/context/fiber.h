/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Switching contexts with the sanitizers told: a fiber is a context plus what they keep for it.
 *
 * AddressSanitizer keeps a stack's bounds, which are the slot's, and its fake stack, whose handle waits on the stack
 * itself, as errno does. Whether it is there is known at run time: see base/sanitizer.h.
 *
 * ThreadSanitizer is told by a library that is built with it alone. Its own fibres carry happens-before along the
 * switch, as the thread's program order does. They are kept and used again: clang's takes 7 us to make one, and gcc
 * 12's dies when there are 8,128 at once. So one task of a fibre happens before the next: it did already, as both pass
 * through the table's locks or one worker's hands.
 *
 * Memcheck (make VALGRIND=1) takes a stack pointer that moves into another registered stack for a switch; the stack's
 * part of what it must know is in stack/copy.h.
 *
 * All of it is inlined, also without optimisation: a function of its own would enter on one fibre and return on
 * another.
 */
#ifndef CONTEXT_FIBER_H
#define CONTEXT_FIBER_H

#include "base/sanitizer.h"
#include "context/context.h"

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
#else
	char none[0];
#endif
};

/* A stack, as AddressSanitizer knows it. */
struct fiber_bounds {
	const void *low;
	size_t size;
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

/* Just before context_switch(). */
FIBER_INLINE void fiber_leave(struct fiber *to)
{
	(void)to;
#ifdef SLEY_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/*
 * With AddressSanitizer in the process, just before context_switch() to another stack, and the first thing on it. `fake`
 * is what it keeps for the stack that is left, and gets back there; null: that never runs again, or never has. `from`
 * becomes where the stack that was left lies, which is how a thread's own is learnt; null: that is known.
 */
FIBER_INLINE void fiber_tell_leave(void **fake, const void *low, size_t size)
{
	__sanitizer_start_switch_fiber(fake, low, size);
}

FIBER_INLINE void fiber_tell_enter(void *fake, struct fiber_bounds *from)
{
	__sanitizer_finish_switch_fiber(fake, from ? &from->low : NULL, from ? &from->size : NULL);
}

#endif
