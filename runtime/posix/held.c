/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Locks of libc that the running task holds. A task that holds one must not wait while another task runs on its thread:
 * to libc that task is the same owner, so it would pass a recursive mutex, and wait for ever for another one. So these
 * functions count, and a call of a task with a lock blocks its thread.
 *
 * The count belongs to the thread and to one task: a task keeps its thread in the waits here. A task that has waited in
 * libsley with a lock held, and has moved, leaves a count behind that no other task uses.
 */
#include "posix/posix.h"

#include <pthread.h>
#include <threads.h>

static __thread struct {
	sley_task task;
	unsigned count;
} held;

static void held_take(void)
{
	sley_task task = sley_self();
	if (likely(task <= 0))
		return;
	if (held.task != task) {
		held.task = task;
		held.count = 0;
	}
	held.count++;
}

static void held_drop(void)
{
	if (unlikely(held.count > 0) && held.task == sley_self())
		held.count--;
}

bool posix_holds_lock(void)
{
	return held.count > 0 && held.task == sley_self();
}

#define EXPORT __attribute__((visibility("default")))

/* EOWNERDEAD: a robust mutex whose owner died is locked, too. */
#define LOCK(name, success, params, args) \
	EXPORT int name params \
	{ \
		int result = NEXT(name) args; \
		if (result == (success) || ((success) == 0 && result == EOWNERDEAD)) \
			held_take(); \
		return result; \
	}

#define UNLOCK(name, type) \
	EXPORT int name(type *lock) \
	{ \
		held_drop(); \
		return NEXT(name)(lock); \
	}

typedef const struct timespec time_spec;

LOCK(pthread_mutex_lock, 0, (pthread_mutex_t * mutex), (mutex))
LOCK(pthread_mutex_trylock, 0, (pthread_mutex_t * mutex), (mutex))
LOCK(pthread_mutex_timedlock, 0, (pthread_mutex_t *restrict mutex, time_spec *restrict time), (mutex, time))
LOCK(pthread_mutex_clocklock, 0, (pthread_mutex_t *restrict mutex, clockid_t clock, time_spec *restrict time),
     (mutex, clock, time))
UNLOCK(pthread_mutex_unlock, pthread_mutex_t)

LOCK(pthread_rwlock_rdlock, 0, (pthread_rwlock_t * lock), (lock))
LOCK(pthread_rwlock_wrlock, 0, (pthread_rwlock_t * lock), (lock))
LOCK(pthread_rwlock_tryrdlock, 0, (pthread_rwlock_t * lock), (lock))
LOCK(pthread_rwlock_trywrlock, 0, (pthread_rwlock_t * lock), (lock))
LOCK(pthread_rwlock_timedrdlock, 0, (pthread_rwlock_t *restrict lock, time_spec *restrict time), (lock, time))
LOCK(pthread_rwlock_timedwrlock, 0, (pthread_rwlock_t *restrict lock, time_spec *restrict time), (lock, time))
LOCK(pthread_rwlock_clockrdlock, 0, (pthread_rwlock_t *restrict lock, clockid_t clock, time_spec *restrict time),
     (lock, clock, time))
LOCK(pthread_rwlock_clockwrlock, 0, (pthread_rwlock_t *restrict lock, clockid_t clock, time_spec *restrict time),
     (lock, clock, time))
UNLOCK(pthread_rwlock_unlock, pthread_rwlock_t)

/* <pthread.h> declares these for a volatile int, which a typedef hides. */
LOCK(pthread_spin_lock, 0, (pthread_spinlock_t * lock), (lock))
LOCK(pthread_spin_trylock, 0, (pthread_spinlock_t * lock), (lock))
UNLOCK(pthread_spin_unlock, pthread_spinlock_t)

LOCK(mtx_lock, thrd_success, (mtx_t * mutex), (mutex))
LOCK(mtx_trylock, thrd_success, (mtx_t * mutex), (mutex))
LOCK(mtx_timedlock, thrd_success, (mtx_t *restrict mutex, time_spec *restrict time), (mutex, time))
UNLOCK(mtx_unlock, mtx_t)

/* ---- what is initialised once: another task on the thread that wants it would wait for this one for ever ---- */

EXPORT int pthread_once(pthread_once_t *once, void (*init)(void))
{
	held_take();
	int result = NEXT(pthread_once)(once, init);
	held_drop();
	return result;
}

EXPORT void call_once(once_flag *once, void (*init)(void))
{
	held_take();
	NEXT(call_once)(once, init);
	held_drop();
}
