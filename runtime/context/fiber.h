/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Switching contexts and informing the sanitizers. A fiber is the state that a sanitizer keeps for a context.
 *
 * AddressSanitizer keeps a stack's bounds, which are the slot's, and its fake stack. The handle of the fake stack is
 * saved on the stack itself, as errno is. Its presence is known at run time: see base/sanitizer.h.
 *
 * ThreadSanitizer is informed only by a library that is built with it. Its fibres carry happens-before along the
 * switch, as the thread's program order does. The fibres are kept and reused: creating one takes 7 us with clang, and
 * gcc 12's crashes with 8,128 fibres at once. By the reuse, one task of a fibre happens before the next. That adds no
 * order: both tasks pass through the table's locks, or run on one worker.
 *
 * Memcheck (make VALGRIND=1) takes a stack pointer that moves into another registered stack for a switch. Its other
 * information about stacks is given in stack/copy.h.
 *
 * All functions are inlined, also without optimisation: a function of its own would enter on one fibre and return on
 * another.
 */
#ifndef CONTEXT_FIBER_H
#define CONTEXT_FIBER_H

#include "base/sanitizer.h"
#include "context/context.h"

#ifdef SLEY_TSAN
#include <sanitizer/tsan_interface.h>
/* The compiler calls this at the end of each function. The C name is one that gcc does not know as a builtin. */
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

/* Initialises the fiber of the calling thread's own stack. */
FIBER_INLINE void fiber_init_thread(struct fiber *fiber)
{
	(void)fiber;
#ifdef SLEY_TSAN
	fiber->tsan = __tsan_get_current_fiber();
#endif
}

/* The context of the fiber is new; its previous context has ended. */
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

/* The context that runs, of the fiber `from`, goes on as the fiber `to`, whose previous context has ended. */
FIBER_INLINE void fiber_pass(struct fiber *from, struct fiber *to)
{
	(void)from, (void)to;
#ifdef SLEY_TSAN
	void *tsan = from->tsan;
	from->tsan = to->tsan;
	to->tsan = tsan;
#endif
}

/* Releases the fiber before its memory is freed. */
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
 * The running context never returns from its innermost `frames` functions, the caller included. ThreadSanitizer counts
 * entries and exits of functions, and has room for 65,536 frames.
 */
FIBER_INLINE void fiber_abandon_frames(unsigned frames)
{
	(void)frames;
#ifdef SLEY_TSAN
	while (frames-- > 0)
		fiber_tsan_func_exit();
#endif
}

/* Called just before context_switch(). */
FIBER_INLINE void fiber_leave(struct fiber *to)
{
	(void)to;
#ifdef SLEY_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/*
 * For a process with AddressSanitizer: fiber_tell_leave() is called just before context_switch() to another stack, and
 * fiber_tell_enter() first on that stack. *fake saves the fake stack of the stack that is left; its fiber_tell_enter()
 * gets it back. A null `fake` means, on leaving, that the stack never runs again, and on entering, that it runs for the
 * first time. *from receives the bounds of the stack that was left, which is how a thread learns its own; null if these
 * are known.
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
