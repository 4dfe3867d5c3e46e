/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The note belongs to the thread. It lists the locks taken since the thread's task was resumed. A task should wait with
 * an empty note, and then takes no lock along. A task that waits with locks on the note is reported, and the note is
 * cleared.
 */
#include "run/libc_locks.h"

#ifdef SLEY_NOTES_LOCKS

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>

#include "run/place.h"
#include "run/report.h"
#include "run/worker.h"

#define MOST 8 /* noted locks; with more, the cause is no single mistake */

#define STATIC "guard of a C++ static"

struct held {
	const void *lock;
	const void *pc; /* where it was locked */
	const char *kind;
};

static __thread struct { /* owned by the thread */
	unsigned count;
	struct held locks[MOST];
} note;

NOINLINE static void note_take(const void *lock, const void *pc, const char *kind)
{
	if (task_self() && note.count < MOST)
		note.locks[note.count++] = (struct held){ lock, pc, kind };
}

/* A lock that was locked before the note began, or by another thread, is not on the note. */
NOINLINE static void note_drop(const void *lock)
{
	unsigned i = note.count;
	while (i > 0 && note.locks[i - 1].lock != lock)
		i--;
	if (i == 0)
		return;
	memmove(&note.locks[i - 1], &note.locks[i], (note.count - i) * sizeof(*note.locks));
	note.count--;
}

void libc_locks_check(struct task *task, bool ends)
{
	static told_sites told;
	char who[TASK_TEXT], waits[PLACE], locked[PLACE], command[PLACE_COMMAND];
	if (likely(note.count == 0))
		return;
	const struct held *held = &note.locks[note.count - 1];
	bool is_static = strcmp(held->kind, STATIC) == 0;
	const void *pc = (const void *)(uintptr_t)load(&task_record(task)->wait_pc, relaxed);
	note.count = 0;
	if (report_first_time(told, task->site))
		complain(
			"%s, %s%s with the %s %p held, which it locked at %s. Threads that want it stop until it is unlocked, and "
			"the task may be moved to a thread that may not unlock it: %s%s",
			task_text(who, task->id, task->site), ends ? "ends" : "waits at ",
			ends ? "" : place_of(waits, pc), held->kind, held->lock, place_of(locked, held->pc),
			is_static ? "initialise it before tasks need it, or by sley_once()"
				  : "unlock it before, or use a lock of sley",
			place_command(command, held->pc, ends ? NULL : pc));
}

/* ---- the functions of libc ---- */

/* The next definition of the function, which is libc's. Its address is looked up once. */
#define LIBC(name) \
	static __typeof__(name) *libc; \
	__typeof__(name) *next = load(&libc, relaxed); \
	if (unlikely(!next)) { \
		next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); \
		store(&libc, next, relaxed); \
	}

#define INTERPOSED __attribute__((visibility("default"), noinline))

/* EOWNERDEAD: a robust mutex whose owner died is locked, too. */
#define LOCK(kind, name, success, lock, params, args) \
	INTERPOSED int name params \
	{ \
		LIBC(name) \
		int result = next args; \
		if (result == success || (success == 0 && result == EOWNERDEAD)) \
			note_take((const void *)lock, __builtin_return_address(0), kind); \
		return result; \
	}

#define UNLOCK(name, type) \
	INTERPOSED int name(type lock) \
	{ \
		LIBC(name) \
		note_drop((const void *)lock); \
		return next(lock); \
	}

#define MUTEX(name, params, args)  LOCK("mutex", name, 0, mutex, params, args)
#define RWLOCK(name, params, args) LOCK("rwlock", name, 0, lock, params, args)
#define SPIN(name, params, args)   LOCK("spin lock", name, 0, lock, params, args)
#define MTX(name, params, args)    LOCK("mutex", name, thrd_success, mutex, params, args)

MUTEX(pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
MUTEX(pthread_mutex_trylock, (pthread_mutex_t * mutex), (mutex))
MUTEX(pthread_mutex_timedlock, (pthread_mutex_t *restrict mutex, const struct timespec *restrict time), (mutex, time))
MUTEX(pthread_mutex_clocklock, (pthread_mutex_t *restrict mutex, clockid_t clock, const struct timespec *restrict time),
      (mutex, clock, time))
UNLOCK(pthread_mutex_unlock, pthread_mutex_t *)

RWLOCK(pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
RWLOCK(pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
RWLOCK(pthread_rwlock_tryrdlock, (pthread_rwlock_t * lock), (lock))
RWLOCK(pthread_rwlock_trywrlock, (pthread_rwlock_t * lock), (lock))
RWLOCK(pthread_rwlock_timedrdlock, (pthread_rwlock_t *restrict lock, const struct timespec *restrict time),
       (lock, time))
RWLOCK(pthread_rwlock_timedwrlock, (pthread_rwlock_t *restrict lock, const struct timespec *restrict time),
       (lock, time))
RWLOCK(pthread_rwlock_clockrdlock,
       (pthread_rwlock_t *restrict lock, clockid_t clock, const struct timespec *restrict time), (lock, clock, time))
RWLOCK(pthread_rwlock_clockwrlock,
       (pthread_rwlock_t *restrict lock, clockid_t clock, const struct timespec *restrict time), (lock, clock, time))
UNLOCK(pthread_rwlock_unlock, pthread_rwlock_t *)

SPIN(pthread_spin_lock, (pthread_spinlock_t * lock), (lock))
SPIN(pthread_spin_trylock, (pthread_spinlock_t * lock), (lock))
UNLOCK(pthread_spin_unlock, pthread_spinlock_t *)

MTX(mtx_lock, (mtx_t * mutex), (mutex))
MTX(mtx_trylock, (mtx_t * mutex), (mutex))
MTX(mtx_timedlock, (mtx_t *restrict mutex, const struct timespec *restrict time), (mutex, time))
UNLOCK(mtx_unlock, mtx_t *)

/* ---- the functions of the C++ library ---- */

/*
 * Called around the initialiser of a static variable of a function, as the C++ ABI defines (Itanium, 3.3.3). Result 1:
 * the caller runs the initialiser; 0: it has been run. A statically linked C++ library cannot be found behind these
 * functions. Then they do the work themselves and follow the ABI: the first byte is set when the variable is
 * initialised.
 */
int __cxa_guard_acquire(uint64_t *guard);
void __cxa_guard_release(uint64_t *guard);
void __cxa_guard_abort(uint64_t *guard);

/* Waits for another thread's initialiser, or returns 1 to run it on this thread. */
static int acquire_ours(unsigned char *bytes)
{
	unsigned char idle = 0;
	while (!load(&bytes[0], acquire)) { /* pairs with guard_end() */
		idle = 0;
		if (cas(&bytes[1], &idle, 1, acquire, relaxed))
			return load(&bytes[0], acquire) ? (store(&bytes[1], 0, release), 0) : 1;
		sched_yield();
	}
	return 0;
}

/* The initialiser has ended, `done` or by an exception. `next` is the C++ library's function for it, or null. */
static void guard_end(uint64_t *guard, void (*next)(uint64_t *guard), bool done)
{
	unsigned char *bytes = (unsigned char *)guard;
	note_drop(guard);
	if (next) {
		next(guard);
		return;
	}
	store(&bytes[0], done, release);
	store(&bytes[1], 0, release);
}

INTERPOSED int __cxa_guard_acquire(uint64_t *guard)
{
	LIBC(__cxa_guard_acquire)
	int first = next ? next(guard) : acquire_ours((unsigned char *)guard);
	if (first)
		note_take(guard, __builtin_return_address(0), STATIC);
	return first;
}

INTERPOSED void __cxa_guard_release(uint64_t *guard)
{
	LIBC(__cxa_guard_release)
	guard_end(guard, next, true);
}

INTERPOSED void __cxa_guard_abort(uint64_t *guard)
{
	LIBC(__cxa_guard_abort)
	guard_end(guard, next, false);
}

#endif
