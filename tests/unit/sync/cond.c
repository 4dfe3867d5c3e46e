/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The condition: whom a signal wakes, that none is lost, and that a wait comes back with the mutex whatever ended it. */
#include "tests/unit/run.h"

#include <pthread.h>

#include "base/atomic.h"

static struct sley_mutex mutex;
static struct sley_cond cond;
static unsigned woken;     /* protected by the mutex */
static unsigned order[20]; /* the same */

static sley_task start(void (*fn)(void *), uintptr_t arg, enum sley_wait_kind kind)
{
	sley_task task = sley_spawn_at(SLEY_SITE("waiter"), NULL, fn, (void *)arg, SLEY_BY_POINTER);
	await_state(task, SLEY_TASK_WAITING, kind);
	return task;
}

static void lock(void)
{
	REQUIRE(sley_mutex_lock(&mutex, SOON) == 0);
}

static void unlock(void)
{
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
}

static void join(sley_task task)
{
	REQUIRE(sley_join(task, SOON) == 0);
}

/* ---- whom it wakes ---- */

static void wait_once(void *arg)
{
	lock();
	REQUIRE(sley_cond_wait(&cond, &mutex, SOON) == 0);
	order[woken++] = (unsigned)(uintptr_t)arg;
	unlock();
}

static unsigned woken_so_far(void)
{
	lock();
	unsigned n = woken;
	unlock();
	return n;
}

/* A signal wakes the one that has waited longest and nobody else, a broadcast all; neither waits for the next to come. */
TASK_TEST(wakes, 1, 3)
{
	sley_task tasks[20];
	woken = 0;
	REQUIRE(sley_cond_signal(&cond) == 0 && sley_cond_broadcast(&cond) == 0); /* nobody: it is not remembered */
	for (uintptr_t i = 0; i < 20; i++)
		tasks[i] = start(wait_once, i, SLEY_WAIT_COND);
	for (unsigned i = 0; i < 5; i++) {
		REQUIRE(sley_cond_signal(&cond) == 0);
		join(tasks[i]);
		REQUIRE(woken_so_far() == i + 1 && order[i] == i);
	}
	lock();
	REQUIRE(sley_cond_broadcast(&cond) == 0); /* with the mutex held, as well */
	REQUIRE(woken == 5);
	unlock();
	for (int i = 5; i < 20; i++)
		join(tasks[i]);
	REQUIRE(woken_so_far() == 20);
}

/* ---- with the mutex, whatever ended it ---- */

static int answer, next_answer;
static sley_time patience;

static void wait_for_end(void *arg)
{
	lock();
	answer = sley_cond_wait(&cond, &mutex, sley_in(patience));
	REQUIRE(sley_mutex_trylock(&mutex) == -EDEADLK); /* it is ours */
	unlock();
	next_answer = sley_sleep(sley_in(SLEY_MS(1)));
}

enum ending { SIGNALLED, TIMED_OUT, CANCELLED, SIGNALLED_THEN_CANCELLED };

static void end_wait(sley_task task, enum ending how)
{
	if (how == SIGNALLED || how == SIGNALLED_THEN_CANCELLED)
		REQUIRE(sley_cond_signal(&cond) == 0);
	if (how == CANCELLED || how == SIGNALLED_THEN_CANCELLED)
		REQUIRE(sley_cancel(task) == 0);
}

/*
 * A task that waits for the condition: it has unlocked the mutex, or will before it parks. One whose deadline came before
 * this was seen proves nothing, and another one is started.
 */
static sley_task start_in_time(void)
{
	for (;;) {
		sley_task task = sley_spawn(wait_for_end, NULL);
		const struct sley_region_task *record = record_of(task);
		while (load(&record->state, relaxed) != SLEY_TASK_ENDED) {
			if (load(&record->wait_kind, relaxed) == SLEY_WAIT_COND)
				return task;
			sley_yield();
		}
		join(task);
	}
}

static void check_ending(enum ending how, bool busy)
{
	static const int answers[] = { 0, -ETIMEDOUT, -ECANCELED, 0 };
	patience = how == TIMED_OUT ? SLEY_MS(20) : SLEY_SEC(30);
	sley_task task = how == TIMED_OUT ? start_in_time() : start(wait_for_end, 0, SLEY_WAIT_COND);
	if (busy) {
		lock();
		end_wait(task, how);
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_MUTEX);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(3))) == 0);
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_MUTEX); /* neither deadline nor cancellation end that */
		unlock();
	} else {
		end_wait(task, how);
	}
	join(task);
	REQUIRE(answer == answers[how]);
	REQUIRE(next_answer == (how >= CANCELLED ? -ECANCELED : 0));
	lock(); /* not left locked, nor anybody linked */
	unlock();
}

/*
 * Signalled, timed out, cancelled, both: with the mutex free and held by another at that moment. It waits for the mutex
 * in any case; a cancellation that came after the signal ends the next wait.
 */
TASK_TEST(endings, 1, 2)
{
	for (int busy = 0; busy < 2; busy++) {
		for (int how = SIGNALLED; how <= SIGNALLED_THEN_CANCELLED; how++)
			check_ending(how, busy);
	}
}

/* ---- races ---- */

static int hasty_answer;

static void wait_hastily(void *us)
{
	lock();
	hasty_answer = sley_cond_wait(&cond, &mutex, sley_in(SLEY_US((uintptr_t)us)));
	REQUIRE(hasty_answer == 0 || hasty_answer == -ETIMEDOUT || hasty_answer == -ECANCELED);
	unlock();
}

static void patient(void *arg)
{
	lock();
	REQUIRE(sley_cond_wait(&cond, &mutex, SOON) == 0);
	unlock();
}

static unsigned timed_out, signalled;

static int main_race(void *cancel)
{
	for (long i = 0; i < test_scale(1000); i++) {
		uintptr_t us = cancel ? 1000000 : (uintptr_t)i % 60 + 20;
		sley_task first = sley_spawn(wait_hastily, (void *)us);
		while (load(&record_of(first)->wait_kind, relaxed) != SLEY_WAIT_COND)
			sley_yield();
		sley_task second = start(patient, 0, SLEY_WAIT_COND);
		sley_sleep(sley_in(SLEY_US(i % 20)));
		if (cancel)
			REQUIRE(sley_cancel(first) == 0);
		REQUIRE(sley_cond_signal(&cond) == 0);
		join(first);
		if (hasty_answer == 0) {
			signalled++;
			REQUIRE(sley_cond_signal(&cond) == 0);
		} else {
			timed_out++;
		}
		join(second); /* else the signal is lost with the one that gave up */
	}
	return 0;
}

/*
 * A signal against the deadline, and the cancellation, of the first waiter: one of the two waiters has it.
 *
 *   first's timer             signal                        second
 *   claims: deadline
 *                             pops first: cannot claim it
 *                             pops second, claims it        returns 0
 */
TEST(races)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	timed_out = signalled = 0;
	run(main_race, 1);
	run(main_race, 2);
	run(main_race, 4);
	print_message("signalled %u, timed out %u\n", signalled, timed_out);
	run_with(main_race, (void *)1, &options);
}

/* ---- plain threads ---- */

static struct sley_cond lonely; /* nobody signals it */
static unsigned turn;           /* protected by the mutex: whose it is */

static void play(unsigned me)
{
	for (long i = 0; i < test_scale(2000); i++) {
		lock();
		while (turn % 2 != me)
			REQUIRE(sley_cond_wait(&cond, &mutex, SOON) == 0);
		turn++;
		REQUIRE(sley_cond_signal(&cond) == 0);
		unlock();
	}
}

static void *play_in_thread(void *unused)
{
	lock();
	REQUIRE(sley_cond_wait(&lonely, &mutex, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_mutex_trylock(&mutex) == -EDEADLK);
	unlock();
	play(1);
	return NULL;
}

static int main_threads(void *arg)
{
	pthread_t thread;
	turn = 0;
	REQUIRE(pthread_create(&thread, NULL, play_in_thread, NULL) == 0);
	play(0);
	REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(turn == 2 * (unsigned)test_scale(2000));
	return 0;
}

static pthread_t stranded;
static unsigned stranding;

static void *strand(void *unused)
{
	lock();
	store(&stranding, 1, relaxed);
	REQUIRE(sley_cond_wait(&cond, &mutex, SOON) == -ENOTCONN);
	return NULL;
}

static int main_strand(void *held)
{
	stranding = 0;
	REQUIRE(pthread_create(&stranded, NULL, strand, NULL) == 0);
	while (!load(&stranding, relaxed))
		sley_yield();
	if (held)
		lock();
	return 0;
}

/* A task and a thread take turns; a thread that waits when the run ends is told so, also if it cannot have the mutex. */
TEST(threads)
{
	run(main_threads, 1);
	run(main_threads, 2);
	for (uintptr_t i = 0; i < 20; i++) {
		struct sley_options options = { .size = sizeof(options), .workers = 1 };
		run_with(main_strand, (void *)(i % 2), &options);
		assert_int_equal(pthread_join(stranded, NULL), 0);
		mutex = (struct sley_mutex)SLEY_MUTEX_INIT;
		cond = (struct sley_cond)SLEY_COND_INIT;
	}
}

/* ---- answers ---- */

static void on_copying_stack(void *arg)
{
	struct sley_cond here = SLEY_COND_INIT;
	struct sley_mutex its = SLEY_MUTEX_INIT;
	REQUIRE(sley_cond_wait(&here, &mutex, 0) == -EFAULT && sley_cond_wait(&cond, &its, 0) == -EFAULT);
	REQUIRE(sley_cond_signal(&here) == -EFAULT && sley_cond_broadcast(&here) == -EFAULT);
}

static int main_answers(void *arg)
{
	static char text[1024];
	REQUIRE(sley_cond_wait(&cond, &mutex, SOON) == -EPERM); /* nobody holds it */
	lock();
	REQUIRE(sley_cond_wait(&cond, &mutex, 0) == -ETIMEDOUT);
	REQUIRE(sley_mutex_trylock(&mutex) == -EDEADLK);
	unlock();
	capture_begin();
	join(sley_spawn(on_copying_stack, NULL));
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_cond_wait() fails with -EFAULT: the condition") == 1);
	return 0;
}

TEST_FIRST(answers)
{
	run(main_answers, 1);
	assert_int_equal(sley_cond_wait(&cond, &mutex, 0), -ENOTCONN);
	assert_int_equal(sley_cond_signal(&cond), -ENOTCONN);
	assert_int_equal(sley_cond_broadcast(&cond), -ENOTCONN);
}
