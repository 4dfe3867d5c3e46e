/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The mutex: exclusion, order of service, barging and its end, and each answer that its calls document. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/atomic.h"

static struct sley_mutex mutex;
static unsigned inside, entered;
static uint64_t plain; /* protected by the mutex */

static void contend(void *arg)
{
	long rounds = test_scale(20000);
	for (long i = 0; i < rounds; i++) {
		REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
		REQUIRE(fetch_add(&inside, 1, relaxed) == 0);
		plain++;
		if (i % 64 == 0)
			sley_yield(); /* with it held */
		REQUIRE(fetch_sub(&inside, 1, relaxed) == 1);
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
	}
}

static void *contend_thread(void *unused)
{
	contend(NULL);
	return NULL;
}

static int main_exclusion(void *threads)
{
	enum { TASKS = 8 };
	sley_task tasks[TASKS];
	pthread_t thread[2];
	uintptr_t n = (uintptr_t)threads;
	plain = 0;
	for (uintptr_t i = 0; i < n; i++)
		REQUIRE(pthread_create(&thread[i], NULL, contend_thread, NULL) == 0);
	for (int i = 0; i < TASKS; i++)
		tasks[i] = sley_spawn(contend, NULL);
	for (int i = 0; i < TASKS; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	for (uintptr_t i = 0; i < n; i++)
		REQUIRE(pthread_join(thread[i], NULL) == 0);
	REQUIRE(plain == (TASKS + n) * (uint64_t)test_scale(20000));
	return 0;
}

static void exclusion(unsigned workers, uintptr_t threads)
{
	struct sley_options options = { .size = sizeof(options), .workers = workers };
	run_with(main_exclusion, (void *)threads, &options);
}

/* At most one task is inside, also when the holder gives its thread away, and plain threads compete with tasks. */
TEST(exclusion)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2) {
		exclusion(workers, 0);
		exclusion(workers, 2);
	}
}

/* ---- order ---- */

static unsigned order[50];

static void enter_once(void *arg)
{
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	order[entered++] = (unsigned)(uintptr_t)arg;
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
}

/* Where nobody barges, waiters get it in the order in which they came. */
TASK_TEST(order, 1, 3)
{
	sley_task tasks[50];
	entered = 0;
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	for (uintptr_t i = 0; i < 50; i++) {
		tasks[i] = sley_spawn(enter_once, (void *)i);
		await_state(tasks[i], SLEY_TASK_WAITING, SLEY_WAIT_MUTEX);
	}
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
	for (int i = 0; i < 50; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	for (unsigned i = 0; i < 50; i++)
		REQUIRE(order[i] == i);
}

static sley_task start_waiter(uintptr_t number)
{
	sley_task task = sley_spawn(enter_once, (void *)number);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_MUTEX);
	return task;
}

/* Newcomers barge: after an unlock it is free, although somebody waits. Fails if unlock always handed it over. */
TASK_TEST(barging, 1)
{
	int barged = -EBUSY;
	/* on a loaded machine a waiter may have waited for more than 1 ms by then; not every time */
	for (int i = 0; i < 1000 && barged != 0; i++) {
		entered = 0;
		REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
		sley_task task = start_waiter(0);
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
		barged = sley_mutex_trylock(&mutex);
		REQUIRE(barged == 0 || barged == -EBUSY);
		if (barged == 0) {
			sley_yield(); /* the waiter finds it held, and waits on */
			REQUIRE(entered == 0);
			REQUIRE(sley_mutex_unlock(&mutex) == 0);
		}
		REQUIRE(sley_join(task, SLEY_NEVER) == 0 && entered == 1);
	}
	REQUIRE(barged == 0);
}

static int main_starvation(void *arg)
{
	sley_task tasks[3];
	entered = 0;
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	for (uintptr_t i = 0; i < 3; i++)
		tasks[i] = start_waiter(i);
	REQUIRE(sley_mutex_unlock(&mutex) == 0); /* may wake the first one: then it finds that we were faster */
	if (sley_mutex_trylock(&mutex) == 0) {
		sley_yield();
		await_state(tasks[0], SLEY_TASK_WAITING, SLEY_WAIT_MUTEX);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(2))) == 0);
		REQUIRE(entered == 0);
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
		REQUIRE(sley_mutex_trylock(&mutex) == -EBUSY); /* handed over, though the waiter has not run */
	}
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(order[0] == 0 && order[1] == 1 && order[2] == 2); /* who lost a race went back to the front */
	return 0;
}

static unsigned barges, stop_barging;

static void barge_for_ever(void *arg)
{
	while (!load(&stop_barging, relaxed)) {
		REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
		sley_yield(); /* with it held: whoever is woken finds it held */
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
		barges++;
	}
}

static int main_endurance(void *arg)
{
	stop_barging = barges = 0;
	sley_task task = sley_spawn(barge_for_ever, NULL);
	while (barges == 0)
		sley_yield();
	for (int i = 0; i < 20; i++) {
		REQUIRE(sley_mutex_lock(&mutex, SOON) == 0);
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
		sley_yield();
	}
	store(&stop_barging, 1, relaxed);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

/*
 * The end of barging: who has waited for 1 ms is handed the mutex, and gets it even if another takes it back at once
 * each time and holds it whenever the waiter runs. Fails without starvation mode (the second part then by its deadline).
 *
 *   hog                           waiter
 *   unlock: wakes it
 *   lock; yield
 *                                 finds it held: goes back to the front
 *   (1 ms later) unlock: hands over
 *   lock: waits                   has it
 */
TEST(starvation)
{
	run(main_starvation, 1);
	run(main_endurance, 1);
}

/* ---- a woken waiter that gives up ---- */

static int first_answer;

static void enter_hastily(void *patience)
{
	first_answer = sley_mutex_lock(&mutex, sley_in((sley_time)(intptr_t)patience));
	if (first_answer == 0)
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
}

/* False: by chance the waiter was starving already. */
static bool give_up(bool cancel)
{
	sley_time patience = cancel ? SLEY_SEC(30) : SLEY_MS(20);
	entered = 0;
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	sley_time now = sley_now();
	sley_task first = sley_spawn(enter_hastily, (void *)(intptr_t)patience);
	await_state(first, SLEY_TASK_WAITING, SLEY_WAIT_MUTEX);
	sley_task second = start_waiter(1);
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
	bool barged = sley_mutex_trylock(&mutex) == 0;
	if (barged) {
		if (cancel)
			REQUIRE(sley_cancel(first) == 0);
		while (!cancel && sley_now() < now + SLEY_MS(100))
			;
		REQUIRE(sley_join(first, SOON) == 0);
		REQUIRE(first_answer == (cancel ? -ECANCELED : -ETIMEDOUT));
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
	} else {
		REQUIRE(sley_join(first, SOON) == 0);
	}
	REQUIRE(sley_join(second, SOON) == 0 && entered == 1);
	return barged;
}

/* Who was woken, finds it held and cannot wait any more: the next unlock wakes the one behind it. */
TASK_TEST(giving_up, 1)
{
	for (int cancel = 0; cancel < 2; cancel++) {
		int tries = 0;
		while (!give_up(cancel))
			REQUIRE(++tries < 200);
	}
}

/* ---- answers ---- */

static void other_task(void *arg)
{
	REQUIRE(sley_mutex_trylock(&mutex) == -EBUSY);
	REQUIRE(sley_mutex_unlock(&mutex) == -EPERM); /* another holds it */
	REQUIRE(sley_mutex_lock(&mutex, 0) == -ETIMEDOUT);
	REQUIRE(sley_mutex_lock(&mutex, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
}

/* Busy, timed out, held by oneself, not one's own. A waiter that gave up leaves it usable. */
TASK_TEST(answers, 1, 2)
{
	REQUIRE(sley_mutex_unlock(&mutex) == -EPERM); /* nobody holds it */
	REQUIRE(sley_mutex_lock(&mutex, 0) == 0);     /* free: the deadline does not matter */
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == -EDEADLK);
	REQUIRE(sley_mutex_trylock(&mutex) == -EDEADLK);
	sley_task task = sley_spawn(other_task, NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
	REQUIRE(sley_mutex_trylock(&mutex) == 0);
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
	REQUIRE(sley_mutex_unlock(&mutex) == -EPERM);
}

/* Outside of a run: -ENOTCONN, and the mutex is as it was. */
TEST_FIRST(outside)
{
	assert_int_equal(sley_mutex_lock(&mutex, SLEY_NEVER), -ENOTCONN);
	assert_int_equal(sley_mutex_trylock(&mutex), -ENOTCONN);
	assert_int_equal(sley_mutex_unlock(&mutex), -ENOTCONN);
	assert_int_equal(mutex.word, 0);
}

static void *answers_in_thread(void *unused)
{
	REQUIRE(sley_mutex_trylock(&mutex) == -EBUSY);
	REQUIRE(sley_mutex_unlock(&mutex) == -EPERM);
	REQUIRE(sley_mutex_lock(&mutex, 0) == -ETIMEDOUT);
	REQUIRE(sley_mutex_lock(&mutex, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	fetch_add(&inside, 1, release);
	REQUIRE(sley_mutex_lock(&mutex, SOON) == 0);
	REQUIRE(sley_mutex_lock(&mutex, SOON) == -EDEADLK && sley_mutex_trylock(&mutex) == -EDEADLK);
	fetch_add(&inside, 1, release);
	while (load(&inside, acquire) == 2)
		;
	REQUIRE(sley_mutex_unlock(&mutex) == 0 && sley_mutex_unlock(&mutex) == -EPERM);
	REQUIRE(sley_mutex_trylock(&mutex) == 0); /* and ends with it held: nobody else can unlock it */
	fetch_add(&inside, 1, release);
	return NULL;
}

/* The same answers for plain threads, which own it as tasks do. */
TASK_TEST(thread_answers, 1, 2)
{
	pthread_t thread;
	inside = 0;
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	REQUIRE(pthread_create(&thread, NULL, answers_in_thread, NULL) == 0);
	while (load(&inside, acquire) == 0)
		sley_yield();
	REQUIRE(sley_sleep(sley_in(SLEY_MS(2))) == 0); /* likely it waits by now; both ways are right */
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
	while (load(&inside, acquire) == 1)
		sley_yield();
	REQUIRE(sley_mutex_trylock(&mutex) == -EBUSY && sley_mutex_unlock(&mutex) == -EPERM);
	fetch_add(&inside, 1, release);
	while (load(&inside, acquire) < 4)
		sley_yield();
	pthread_join(thread, NULL);
	REQUIRE(sley_mutex_lock(&mutex, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_mutex_unlock(&mutex) == -EPERM);
	mutex = (struct sley_mutex)SLEY_MUTEX_INIT;
	inside = 0;
}

static unsigned locking;

static void *strand(void *unused)
{
	store(&locking, 1, relaxed);
	REQUIRE(sley_mutex_lock(&mutex, SOON) == -ENOTCONN);
	return NULL;
}

static pthread_t stranded;

static int main_strand(void *arg)
{
	locking = 0;
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	REQUIRE(pthread_create(&stranded, NULL, strand, NULL) == 0);
	while (!load(&locking, relaxed))
		sley_yield();
	return 0;
}

/* A thread that waits when the run ends is told so. */
TEST(run_ends)
{
	for (long i = 0; i < test_scale(50); i++) {
		run(main_strand, 1);
		assert_int_equal(pthread_join(stranded, NULL), 0);
		mutex = (struct sley_mutex)SLEY_MUTEX_INIT;
	}
}

static unsigned got, gave_up;

static void impatient(void *arg)
{
	long rounds = test_scale(5000);
	for (long i = 0; i < rounds; i++) {
		int error = sley_mutex_lock(&mutex, sley_in(SLEY_US(((uintptr_t)arg * 7 + (uintptr_t)i) % 40)));
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		if (error) {
			fetch_add(&gave_up, 1, relaxed);
			continue;
		}
		REQUIRE(fetch_add(&inside, 1, relaxed) == 0);
		sley_sleep(sley_in(SLEY_US(i % 20)));
		fetch_sub(&inside, 1, relaxed);
		fetch_add(&got, 1, relaxed);
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
	}
}

/*
 * The hand-over against the deadline:
 *
 *   holder                        waiter's timer
 *   unlock: pops the waiter
 *                                 claims it
 *   claims: fails, pops the next  (and nobody is woken, or owns it, who has left)
 */
TASK_TEST(deadlines, 2, 4)
{
	sley_task tasks[5];
	got = gave_up = 0;
	for (uintptr_t i = 0; i < 5; i++)
		tasks[i] = sley_spawn(impatient, (void *)i);
	for (int i = 0; i < 5; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(got > 0 && gave_up > 0 && got + gave_up == 5 * (unsigned)test_scale(5000));
	REQUIRE(sley_mutex_lock(&mutex, 0) == 0 && sley_mutex_unlock(&mutex) == 0); /* nobody was handed it in vain */
}

#ifdef SLEY_DEBUG

static struct sley_mutex left_locked[2], unlocked;
static struct sley_rwlock left_rwlock;
static struct sley_cond never_signalled;

static void ends_locked(void *which)
{
	REQUIRE(sley_mutex_lock(which, SOON) == 0);
}

static void ends_reading(void *unused)
{
	REQUIRE(sley_rwlock_rdlock(&left_rwlock, SOON) == 0);
}

/* By all ways of locking, and by waiting for a condition. */
static void ends_unlocked(void *unused)
{
	REQUIRE(sley_mutex_trylock(&unlocked) == 0);
	REQUIRE(sley_cond_wait(&never_signalled, &unlocked, sley_now()) == -ETIMEDOUT);
	REQUIRE(sley_mutex_unlock(&unlocked) == 0);
	REQUIRE(sley_rwlock_trywrlock(&left_rwlock) == 0 && sley_rwlock_unlock(&left_rwlock) == 0);
}

/* A task that ends with one locked is named. */
TASK_TEST(ends_locked, 2)
{
	static char text[4096];
	capture_begin();
	REQUIRE(sley_join(sley_spawn(ends_unlocked, NULL), SOON) == 0);
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_join(sley_spawn(ends_locked, &left_locked[i]), SOON) == 0);
	REQUIRE(sley_join(sley_spawn(ends_reading, NULL), SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "ends with the") == 2); /* once for each place of a spawn */
	REQUIRE(occurrences(text, "ends with the mutex") == 1 && occurrences(text, "as ends_locked, ends") == 1);
	REQUIRE(occurrences(text, "ends with the rwlock") == 1 && occurrences(text, "which it locked at ") == 2);
}

#endif
