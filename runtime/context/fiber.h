/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Switching contexts with the sanitizers told: a fiber is a context plus what they keep for it. Without a sanitizer it
 * costs nothing. ThreadSanitizer's own fibres carry happens-before along the switch, as the thread's program order
 * does.
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
#endif

struct fiber {
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
static inline void fiber_init_thread(struct fiber *fiber)
{
	(void)fiber;
#ifdef SLEY_TSAN
	fiber->tsan = __tsan_get_current_fiber();
#endif
}

static inline void fiber_init(struct fiber *fiber, void *low, void *top)
{
	(void)fiber, (void)low, (void)top;
#ifdef SLEY_TSAN
	fiber->tsan = __tsan_create_fiber(0);
#endif
#ifdef SLEY_ASAN
	*fiber = (struct fiber){ .bottom = low, .size = (size_t)((char *)top - (char *)low) };
#endif
}

static inline void fiber_fini(struct fiber *fiber)
{
	(void)fiber;
#ifdef SLEY_TSAN
	if (fiber->tsan)
		__tsan_destroy_fiber(fiber->tsan);
	fiber->tsan = NULL;
#endif
}

/* Just before context_switch(). `last`: `from` never runs again. */
static inline void fiber_leave(struct fiber *from, struct fiber *to, bool last)
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
