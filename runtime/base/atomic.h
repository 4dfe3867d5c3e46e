/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Atomic accesses with the memory order as a word: load(&x, relaxed). They work on plain objects, so that the types in
 * the public headers need no _Atomic. The comment of a shared field says that it is atomic.
 */
#ifndef BASE_ATOMIC_H
#define BASE_ATOMIC_H

#include "base/compiler.h"

#define relaxed __ATOMIC_RELAXED
#define acquire __ATOMIC_ACQUIRE
#define release __ATOMIC_RELEASE
#define acq_rel __ATOMIC_ACQ_REL
#define seq_cst __ATOMIC_SEQ_CST

#define load(object, order)             __atomic_load_n(object, order)
#define store(object, value, order)     __atomic_store_n(object, value, order)
#define exchange(object, value, order)  __atomic_exchange_n(object, value, order)
#define fetch_add(object, value, order) __atomic_fetch_add(object, value, order)
#define fetch_sub(object, value, order) __atomic_fetch_sub(object, value, order)
#define fetch_or(object, value, order)  __atomic_fetch_or(object, value, order)
#define fetch_and(object, value, order) __atomic_fetch_and(object, value, order)

/* On failure `expected` has the current value, read relaxed for a release success and acquire for the others. */
#define cas(object, expected, desired, success, failure) \
	__atomic_compare_exchange_n(object, expected, desired, 0, success, failure)
#define cas_weak(object, expected, desired, success, failure) \
	__atomic_compare_exchange_n(object, expected, desired, 1, success, failure)

/* Adds n to a counter that only one thread writes and others read, without a locked instruction. */
#define bump(object, n) store(object, load(object, relaxed) + (n), relaxed)

/*
 * A full fence, for the store-then-load pairs of the idle protocol. ThreadSanitizer does not model fences. Under it the
 * fence is a locked operation on a dummy, which gives the same order on the machine; the pairs use atomics only.
 */
static inline void fence(void)
{
#ifdef SLEY_TSAN
	static int dummy;
	__atomic_fetch_add(&dummy, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif
