/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* futex(2), private to the process unless the name says otherwise. errno is preserved, because callers of these functions must not change it. */
#ifndef BASE_FUTEX_H
#define BASE_FUTEX_H

#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline void futex_call(unsigned *word, int operation, unsigned value, const struct timespec *timeout)
{
	int saved = errno;
	syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
	errno = saved;
}

/* Sleeps while *word == value, for at most `timeout` (null: for ever). May return early. */
static inline void futex_wait(unsigned *word, unsigned value, const struct timespec *timeout)
{
	futex_call(word, FUTEX_WAIT_PRIVATE, value, timeout);
}

static inline void futex_wake(unsigned *word, int count)
{
	futex_call(word, FUTEX_WAKE_PRIVATE, (unsigned)count, NULL);
}

/* Stores the value and wakes one thread, in one step: the caller is not preempted between the two. Sequentially consistent. */
static inline void futex_set_and_wake(unsigned *word, unsigned value)
{
	int saved = errno;
	/* the second wake-up, of those who wait at the same word, never happens: no value is below 0 */
	int operation = (int)FUTEX_OP(FUTEX_OP_SET, value, FUTEX_OP_CMP_LT, 0);
	syscall(SYS_futex, word, FUTEX_WAKE_OP_PRIVATE, 1, NULL, word, operation);
	errno = saved;
}

/*
 * Whether *word == value, as the kernel reads it: also false where no memory is any more. A requeue of no threads, which
 * compares first.
 */
static inline bool futex_compare(unsigned *word, unsigned value)
{
	int saved = errno;
	bool same = syscall(SYS_futex, word, FUTEX_CMP_REQUEUE_PRIVATE, 0, NULL, word, value) == 0;
	errno = saved;
	return same;
}

/* The first two for a word that other processes share. */
static inline void futex_wait_shared(unsigned *word, unsigned value, const struct timespec *timeout)
{
	futex_call(word, FUTEX_WAIT, value, timeout);
}

static inline void futex_wake_shared(unsigned *word, int count)
{
	futex_call(word, FUTEX_WAKE, (unsigned)count, NULL);
}

#endif
