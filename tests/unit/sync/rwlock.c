/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The readers-writer lock: who excludes whom, the turns of readers and writers, and what becomes of those who give up. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <string.h>

#include "base/atomic.h"

static struct sley_rwlock lock;

static sley_task start(void (*fn)(void *), uintptr_t arg, enum sley_wait_kind kind)
{
	sley_task task = sley_spawn_at(SLEY_SITE("waiter"), NULL, fn, (void *)arg, SLEY_BY_POINTER);
	await_state(task, SLEY_TASK_WAITING, kind);
	return task;
}

static void join(sley_task task)
{
	REQUIRE(sley_join(task, SOON) == 0);
}

static void unlock(void)
{
	REQUIRE(sley_rwlock_unlock(&lock) == 0);
}

/* ---- exclusion ---- */

static unsigned readers, writers, most_readers; /* atomic */
static long plain[2];                           /* protected by the lock */

static void read_once(long i)
{
	REQUIRE(sley_rwlock_rdlock(&lock, SOON) == 0);
	unsigned n = fetch_add(&readers, 1, relaxed) + 1;
	REQUIRE(load(&writers, relaxed) == 0 && plain[0] == plain[1]);
	if (n > load(&most_readers, relaxed))
		store(&most_readers, n, relaxed);
	if (i % 4 == 0)
		sley_yield();
	REQUIRE(plain[0] == plain[1]);
	fetch_sub(&readers, 1, relaxed);
	unlock();
}

static void write_once(long i)
{
	REQUIRE(sley_rwlock_wrlock(&lock, SOON) == 0);
	REQUIRE(fetch_add(&writers, 1, relaxed) == 0 && load(&readers, relaxed) == 0);
	plain[0]++;
	if (i % 4 == 0)
		sley_yield();
	plain[1]++;
	fetch_sub(&writers, 1, relaxed);
	unlock();
}

static void mix(void *arg)
{
	for (long i = 0; i < test_scale(4000); i++) {
		if (((uintptr_t)i + (uintptr_t)arg) % 4 == 0)
			write_once(i);
		else
			read_once(i);
	}
}

static void *mix_in_thread(void *arg)
{
	mix(arg);
	return NULL;
}

static int main_exclusion(void *threads)
{
	sley_task tasks[6];
	pthread_t thread;
	plain[0] = plain[1] = 0;
	if (threads)
		REQUIRE(pthread_create(&thread, NULL, mix_in_thread, (void *)6) == 0);
	for (uintptr_t i = 0; i < 6; i++)
		tasks[i] = sley_spawn(mix, (void *)i);
	for (int i = 0; i < 6; i++)
		join(tasks[i]);
	if (threads)
		REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(plain[0] == (6 + (threads != NULL)) * test_scale(4000) / 4);
	REQUIRE(most_readers > 1);
	return 0;
}

/* One writer or several readers, tasks and a plain thread, also across yields. */
TEST(exclusion)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2) {
		for (uintptr_t threads = 0; threads < 2; threads++) {
			struct sley_options options = { .size = sizeof(options), .workers = workers };
			run_with(main_exclusion, (void *)threads, &options);
		}
	}
}

/* ---- turns ---- */

static char order[16];
static unsigned entered, readers_in; /* atomic */

static void note(void *name, bool writing)
{
	REQUIRE((writing ? sley_rwlock_wrlock : sley_rwlock_rdlock)(&lock, SOON) == 0);
	order[fetch_add(&entered, 1, relaxed)] = (char)(uintptr_t)name;
	fetch_add(&readers_in, !writing, relaxed);
	while (!writing && load(&readers_in, relaxed) < 2) /* until both are inside: they are let in together */
		sley_yield();
	unlock();
}

static void reader(void *name)
{
	note(name, false);
}

static void writer(void *name)
{
	note(name, true);
}

static int main_turns(void *writing)
{
	sley_task tasks[4];
	entered = readers_in = 0;
	REQUIRE((writing ? sley_rwlock_wrlock : sley_rwlock_rdlock)(&lock, 0) == 0);
	if (!writing)
		REQUIRE(sley_rwlock_tryrdlock(&lock) == 0 && sley_rwlock_unlock(&lock) == 0); /* readers share it */
	tasks[0] = start(writer, 'W', SLEY_WAIT_WRLOCK);
	tasks[1] = start(reader, 'r', SLEY_WAIT_RDLOCK); /* behind the writer that waits, though readers hold it */
	tasks[2] = start(writer, 'X', SLEY_WAIT_WRLOCK);
	tasks[3] = start(reader, 'r', SLEY_WAIT_RDLOCK); /* came after the second writer */
	if (!writing)
		REQUIRE(sley_rwlock_tryrdlock(&lock) == -EBUSY);
	unlock();
	for (int i = 0; i < 4; i++)
		join(tasks[i]);
	/* after readers a writer, after that all readers who wait, then the next; after a writer the readers first */
	REQUIRE(memcmp(order, writing ? "rrWX" : "WrrX", 4) == 0);
	return 0;
}

static unsigned stop, turns; /* atomic */

static void read_for_ever(void *arg)
{
	while (!load(&stop, relaxed)) {
		REQUIRE(sley_rwlock_rdlock(&lock, SOON) == 0);
		sley_yield(); /* the other readers get in before we leave */
		unlock();
		fetch_add(&turns, 1, relaxed);
	}
}

static void write_for_ever(void *arg)
{
	while (!load(&stop, relaxed)) {
		REQUIRE(sley_rwlock_wrlock(&lock, SOON) == 0);
		sley_yield(); /* the other writers wait before we leave */
		unlock();
		fetch_add(&turns, 1, relaxed);
	}
}

static int main_starving(void *writing)
{
	sley_task tasks[3];
	stop = turns = 0;
	for (int i = 0; i < 3; i++)
		tasks[i] = writing ? sley_spawn(write_for_ever, NULL) : sley_spawn(read_for_ever, NULL);
	while (load(&turns, relaxed) < 10)
		sley_yield();
	for (int i = 0; i < 100; i++) {
		REQUIRE((writing ? sley_rwlock_rdlock : sley_rwlock_wrlock)(&lock, SOON) == 0);
		unlock();
		sley_yield();
	}
	store(&stop, 1, relaxed);
	for (int i = 0; i < 3; i++)
		join(tasks[i]);
	return 0;
}

/*
 * They take turns, so neither starves. With three readers (writers) there is always one that holds it, so a writer (a
 * reader) would never get in if it had to wait until nobody does.
 */
TEST(turns)
{
	for (uintptr_t writing = 0; writing < 2; writing++) {
		for (unsigned workers = 1; workers <= 2; workers++) {
			struct sley_options options = { .size = sizeof(options), .workers = workers };
			run_with(main_turns, (void *)writing, &options);
			run_with(main_starving, (void *)writing, &options);
		}
	}
}

/* ---- giving up ---- */

static int answer;

static void write_hastily(void *cancel)
{
	answer = sley_rwlock_wrlock(&lock, cancel ? SOON : sley_in(SLEY_MS(5)));
}

static void read_once_task(void *arg)
{
	read_once(1);
}

/* A writer that gives up lets in the readers that waited behind it. */
TASK_TEST(giving_up, 1, 2)
{
	for (uintptr_t cancel = 0; cancel < 2; cancel++) {
		REQUIRE(sley_rwlock_rdlock(&lock, 0) == 0);
		sley_task quits = sley_spawn(write_hastily, (void *)cancel);
		while (load(&record_of(quits)->wait_kind, relaxed) != SLEY_WAIT_WRLOCK)
			sley_yield();
		sley_task readers_behind[3];
		for (int i = 0; i < 3; i++)
			readers_behind[i] = sley_spawn(read_once_task, NULL);
		for (int i = 0; cancel && i < 3; i++)
			await_state(readers_behind[i], SLEY_TASK_WAITING, SLEY_WAIT_RDLOCK);
		if (cancel)
			REQUIRE(sley_cancel(quits) == 0);
		for (int i = 0; i < 3; i++)
			join(readers_behind[i]); /* while we still read */
		join(quits);
		REQUIRE(answer == (cancel ? -ECANCELED : -ETIMEDOUT));
		REQUIRE(sley_rwlock_tryrdlock(&lock) == 0);
		unlock();
		unlock();
		REQUIRE(sley_rwlock_trywrlock(&lock) == 0);
		unlock();
	}
}

/* An unlock that finds a writer whose wait has just been ended passes it over, and lets in the readers. */
TASK_TEST(late, 1)
{
	REQUIRE(sley_rwlock_rdlock(&lock, 0) == 0);
	sley_task quits = start(write_hastily, 1, SLEY_WAIT_WRLOCK);
	sley_task behind = start(read_once_task, 0, SLEY_WAIT_RDLOCK);
	REQUIRE(sley_cancel(quits) == 0); /* its wait is over, but it has not run yet */
	unlock();
	REQUIRE(lock.readers == 1); /* so the reader is let in at once */
	join(behind);
	join(quits);
	REQUIRE(answer == -ECANCELED);
}

static unsigned got[2], gave_up[2]; /* atomic */

static void hasty(void *arg)
{
	for (uintptr_t i = 0; i < (uintptr_t)test_scale(3000); i++) {
		bool writing = (i + (uintptr_t)arg) % 3 == 0;
		sley_time deadline = sley_in(SLEY_US((i * 7 + (uintptr_t)arg) % 60));
		int error = (writing ? sley_rwlock_wrlock : sley_rwlock_rdlock)(&lock, deadline);
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		fetch_add(error ? &gave_up[writing] : &got[writing], 1, relaxed);
		if (error)
			continue;
		if (writing)
			REQUIRE(fetch_add(&writers, 1, relaxed) == 0 && load(&readers, relaxed) == 0);
		else
			REQUIRE(fetch_add(&readers, 1, relaxed) < 6 && load(&writers, relaxed) == 0);
		if (i % 8 == 0)
			sley_sleep(sley_in(SLEY_US(i % 30)));
		fetch_sub(writing ? &writers : &readers, 1, relaxed);
		unlock();
	}
}

static int main_race(void *arg)
{
	sley_task tasks[6];
	for (uintptr_t i = 0; i < 6; i++)
		tasks[i] = sley_spawn(hasty, (void *)i);
	for (int i = 0; i < 6; i++)
		join(tasks[i]);
	REQUIRE(sley_rwlock_trywrlock(&lock) == 0); /* nobody holds it who gave up */
	unlock();
	return 0;
}

/*
 * Deadlines against hand-overs, for both kinds.
 *
 *   writer's timer            last reader unlocks
 *   claims: deadline
 *                             pops the writer: cannot claim it; no other writer: lets in the readers that wait
 */
TEST(races)
{
	run(main_race, 1);
	run(main_race, 2);
	run(main_race, 4);
	assert_true(got[0] > 0 && got[1] > 0 && gave_up[0] > 0 && gave_up[1] > 0);
}

/* ---- answers ---- */

static void *answers_in_thread(void *unused)
{
	REQUIRE(sley_rwlock_tryrdlock(&lock) == -EBUSY && sley_rwlock_trywrlock(&lock) == -EBUSY);
	REQUIRE(sley_rwlock_rdlock(&lock, 0) == -ETIMEDOUT && sley_rwlock_wrlock(&lock, 0) == -ETIMEDOUT);
	REQUIRE(sley_rwlock_unlock(&lock) == -EPERM);
	return NULL;
}

static void on_copying_stack(void *arg)
{
	struct sley_rwlock here = SLEY_RWLOCK_INIT;
	REQUIRE(sley_rwlock_rdlock(&here, 0) == -EFAULT && sley_rwlock_wrlock(&here, 0) == -EFAULT);
	REQUIRE(sley_rwlock_tryrdlock(&here) == -EFAULT && sley_rwlock_trywrlock(&here) == -EFAULT);
	REQUIRE(sley_rwlock_unlock(&here) == -EFAULT);
}

static int main_answers(void *arg)
{
	static char text[1024];
	pthread_t thread;
	REQUIRE(sley_rwlock_unlock(&lock) == -EPERM);
	REQUIRE(sley_rwlock_wrlock(&lock, 0) == 0);
	REQUIRE(sley_rwlock_wrlock(&lock, SOON) == -EDEADLK && sley_rwlock_rdlock(&lock, SOON) == -EDEADLK);
	REQUIRE(sley_rwlock_trywrlock(&lock) == -EDEADLK && sley_rwlock_tryrdlock(&lock) == -EDEADLK);
	REQUIRE(pthread_create(&thread, NULL, answers_in_thread, NULL) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
	unlock();
	REQUIRE(sley_rwlock_rdlock(&lock, 0) == 0 && sley_rwlock_rdlock(&lock, 0) == 0); /* nobody in between: twice */
	REQUIRE(sley_rwlock_trywrlock(&lock) == -EBUSY);
	unlock();
	unlock();
	REQUIRE(sley_rwlock_unlock(&lock) == -EPERM);
	capture_begin();
	join(sley_spawn(on_copying_stack, NULL));
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_rwlock_rdlock() fails with -EFAULT: the rwlock") == 1);
	return 0;
}

TEST_FIRST(answers)
{
	run(main_answers, 1);
	assert_int_equal(sley_rwlock_rdlock(&lock, 0), -ENOTCONN);
	assert_int_equal(sley_rwlock_trywrlock(&lock), -ENOTCONN);
	assert_int_equal(sley_rwlock_unlock(&lock), -ENOTCONN);
}
