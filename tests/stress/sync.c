/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Lost wake-ups of the synchronisation objects: many tasks on one object, with 1 to 8 workers, on slots that they share;
 * some are cancelled while they wait. A wake-up that is lost, or given to a task that has left, shows as a hang.
 */
#include "stress.h"

#include <stdlib.h>

#define TASKS  64
#define ROUNDS test_scale(400)

static void each_number_of_workers(void (*body)(void))
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers *= 2) {
		STRESS_RUN(body, .workers = workers);
#ifndef SLEY_ASAN /* there a slot is for one task */
		STRESS_RUN(body, .workers = workers, .stack_slots = 4);
#endif
	}
}

static unsigned ended, cancelled; /* atomic */

/*
 * Runs `fn` in TASKS tasks, with its number, and cancels every third one at some moment; each must count itself in
 * `ended`, and as `cancelled` if it saw that.
 */
static void crowd(void (*fn)(void *), bool cancel)
{
	sley_task task[TASKS];
	uint32_t seed = 7;
	ended = cancelled = 0;
	for (uintptr_t i = 0; i < TASKS; i++)
		task[i] = stress_started(sley_spawn_at(SLEY_SITE("crowd"), NULL, fn, (void *)i, SLEY_BY_POINTER));
	for (int i = 0; cancel && i < TASKS; i += 3) {
		sley_sleep(sley_in(SLEY_US(stress_random(&seed) % 100)));
		REQUIRE(sley_cancel(task[i]) == 0);
	}
	for (int i = 0; i < TASKS; i++)
		stress_join(task[i]);
	REQUIRE(ended == TASKS && cancelled <= (cancel ? TASKS / 3 + 1 : 0));
}

/* Counts the end of a task of the crowd; false: it goes on. */
static bool over(int error)
{
	REQUIRE(error >= 0 || error == -ECANCELED);
	if (error == -ECANCELED) {
		fetch_add(&cancelled, 1, relaxed);
		fetch_add(&ended, 1, relaxed);
	}
	stress_progress();
	return error < 0;
}

static void finished(void)
{
	fetch_add(&ended, 1, relaxed);
}

/* ---- mutex ---- */

static struct sley_mutex mutex;
static long inside; /* protected by it */

static void lock_often(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	for (long i = 0; i < ROUNDS; i++) {
		if (over(sley_mutex_lock(&mutex, SLEY_NEVER)))
			return;
		REQUIRE(inside++ == 0);
		if (stress_random(&seed) % 4 == 0)
			sley_yield();
		REQUIRE(--inside == 0);
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
	}
	finished();
}

static void mutex_body(void)
{
	crowd(lock_often, false);
	crowd(lock_often, true);
	REQUIRE(sley_mutex_trylock(&mutex) == 0 && sley_mutex_unlock(&mutex) == 0);
}

/* An object that its last user frees: right after its own unlock, while the one before may still be in its. */
struct shared {
	struct sley_mutex mutex;
	int users; /* protected by it */
};

static void use_and_free(void *arg)
{
	struct shared *shared = arg;
	REQUIRE(sley_mutex_lock(&shared->mutex, SLEY_NEVER) == 0);
	bool last = --shared->users == 0;
	REQUIRE(sley_mutex_unlock(&shared->mutex) == 0);
	if (last)
		free(shared);
	stress_progress();
}

static void lifetime_body(void)
{
	for (long i = 0; i < 4 * ROUNDS; i++) {
		sley_task task[4];
		struct shared *shared = calloc(1, sizeof(*shared));
		REQUIRE(shared);
		shared->users = 4;
		for (int k = 0; k < 4; k++)
			task[k] = stress_spawn(use_and_free, shared);
		for (int k = 0; k < 4; k++)
			stress_join(task[k]);
	}
}

/*
 * Proves that no waiter is left behind when newcomers barge, waiters are cancelled and the mutex is handed over; and,
 * under ASan, that unlock touches a mutex no more once others can have it.
 */
TEST(mutex)
{
	each_number_of_workers(mutex_body);
	each_number_of_workers(lifetime_body);
}

/* ---- condition: a buffer of one place, signals only ---- */

static struct sley_cond filled, emptied;
static long place; /* protected by mutex; 0: empty */
static long taken; /* the same */

/* Holds the mutex in any case. */
static int wait_until(struct sley_cond *cond, bool full)
{
	int error = 0;
	while (error == 0 && (place != 0) != full)
		error = sley_cond_wait(cond, &mutex, SLEY_NEVER);
	return error;
}

/* Even numbers put, odd ones take. One that leaves passes on the signal that it may have had. */
static void put_or_take(void *arg)
{
	bool takes = (uintptr_t)arg % 2;
	for (long i = 0; i < ROUNDS; i++) {
		if (over(sley_mutex_lock(&mutex, SLEY_NEVER)))
			return;
		REQUIRE(wait_until(takes ? &filled : &emptied, takes) == 0);
		taken += takes;
		place = !takes;
		REQUIRE(sley_cond_signal(takes ? &emptied : &filled) == 0);
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
	}
	finished();
}

static void cond_body(void)
{
	taken = place = 0;
	crowd(put_or_take, false);
	REQUIRE(taken == TASKS / 2 * ROUNDS && place == 0);
}

static bool gate_open; /* protected by mutex */

static void pass_gate(void *unused)
{
	int error = 0;
	(void)unused;
	if (over(sley_mutex_lock(&mutex, SLEY_NEVER)))
		return;
	while (error == 0 && !gate_open)
		error = sley_cond_wait(&filled, &mutex, SLEY_NEVER);
	REQUIRE(sley_mutex_trylock(&mutex) == -EDEADLK); /* held, however it ended */
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
	if (!over(error))
		finished();
}

static void open_gate(void *unused)
{
	(void)unused;
	sley_sleep(sley_in(SLEY_US(500)));
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	gate_open = true;
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
	REQUIRE(sley_cond_broadcast(&filled) == 0);
}

static void gate_body(void)
{
	for (long i = 0; i < ROUNDS / 10; i++) {
		gate_open = false;
		sley_task opener = stress_spawn(open_gate, NULL);
		crowd(pass_gate, true);
		stress_join(opener);
	}
}

/* Proves that one signal for one change is enough, and that a broadcast reaches all who are not being cancelled. */
TEST(cond)
{
	each_number_of_workers(cond_body);
	each_number_of_workers(gate_body);
}

/* ---- readers-writer lock ---- */

static struct sley_rwlock rwlock;
static int readers, writers; /* atomic */

static void read_and_write(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	for (long i = 0; i < ROUNDS; i++) {
		bool writing = stress_random(&seed) % 4 == 0;
		if (over((writing ? sley_rwlock_wrlock : sley_rwlock_rdlock)(&rwlock, SLEY_NEVER)))
			return;
		if (writing)
			REQUIRE(fetch_add(&writers, 1, relaxed) == 0 && load(&readers, relaxed) == 0);
		else
			REQUIRE(fetch_add(&readers, 1, relaxed) >= 0 && load(&writers, relaxed) == 0);
		if (stress_random(&seed) % 4 == 0)
			sley_yield();
		fetch_sub(writing ? &writers : &readers, 1, relaxed);
		REQUIRE(sley_rwlock_unlock(&rwlock) == 0);
	}
	finished();
}

static void rwlock_body(void)
{
	crowd(read_and_write, false);
	crowd(read_and_write, true);
	REQUIRE(sley_rwlock_trywrlock(&rwlock) == 0 && sley_rwlock_unlock(&rwlock) == 0);
}

/* Proves that readers and writers let each other in, also past those who are cancelled. */
TEST(rwlock)
{
	each_number_of_workers(rwlock_body);
}

/* ---- semaphore ---- */

static struct sley_sem sem;

static void take_some(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	for (long i = 0; i < ROUNDS; i++) {
		int64_t n = stress_random(&seed) % 5;
		if (over(sley_sem_acquire(&sem, n, SLEY_NEVER)))
			return;
		if (stress_random(&seed) % 4 == 0)
			sley_yield();
		REQUIRE(sley_sem_release(&sem, n) == 0);
	}
	finished();
}

static void sem_body(void)
{
	sem = (struct sley_sem)SLEY_SEM_INIT(6);
	crowd(take_some, false);
	crowd(take_some, true);
	REQUIRE(sley_sem_try_acquire(&sem, 6) == 0 && sley_sem_try_acquire(&sem, 1) == -EAGAIN);
}

/* Proves that permits are neither lost nor made, and that one that leaves the queue does not hold up the others. */
TEST(sem)
{
	each_number_of_workers(sem_body);
}

/* ---- once ---- */

static struct sley_once once;
static unsigned runs; /* atomic */

static int sometimes(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	sley_yield();
	fetch_add(&runs, 1, relaxed);
	return stress_random(&seed) % 3 == 0 ? 0 : sley_cancelled() ? -ECANCELED : -EIO;
}

static void do_once(void *arg)
{
	int error;
	while ((error = sley_once(&once, sometimes, arg, SLEY_NEVER)) == -EIO)
		arg = (char *)arg + 1;
	if (!over(error))
		finished();
}

static void once_body(void)
{
	for (long i = 0; i < ROUNDS / 10; i++) {
		once = (struct sley_once)SLEY_ONCE_INIT;
		runs = 0;
		crowd(do_once, i % 2);
		REQUIRE(sley_once(&once, NULL, NULL, 0) == 0); /* done */
	}
}

/* Proves that the part of the runner goes on until somebody has done it, also past those who are cancelled. */
TEST(once)
{
	each_number_of_workers(once_body);
}

/* ---- barrier ---- */

static struct sley_barrier barrier;
static unsigned came, serials; /* atomic */

static void go_round(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	for (unsigned i = 1; i <= (unsigned)ROUNDS; i++) {
		fetch_add(&came, 1, relaxed);
		int answer = sley_barrier_wait(&barrier, SLEY_NEVER);
		REQUIRE(answer >= 0 && load(&came, relaxed) >= i * TASKS);
		fetch_add(&serials, answer == SLEY_BARRIER_SERIAL, relaxed);
		if (stress_random(&seed) % 16 == 0)
			sley_yield();
		stress_progress();
	}
	finished();
}

static void barrier_body(void)
{
	barrier = (struct sley_barrier)SLEY_BARRIER_INIT(TASKS);
	came = serials = 0;
	crowd(go_round, false);
	REQUIRE(serials == (unsigned)ROUNDS);
}

/* Proves that a round wakes all of its parties, also when some are back for the next one already. */
TEST(barrier)
{
	each_number_of_workers(barrier_body);
}
