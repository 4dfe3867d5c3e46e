/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The mutex: exclusion, order of service, and each answer that its calls document. */
#include "tests/unit/run.h"

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

static int main_exclusion(void *arg)
{
	enum { TASKS = 8 };
	sley_task tasks[TASKS];

	plain = 0;
	for (int i = 0; i < TASKS; i++)
		tasks[i] = sley_spawn(contend, NULL);
	for (int i = 0; i < TASKS; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(plain == TASKS * (uint64_t)test_scale(20000));
	return 0;
}

/* At most one task is inside, also when the holder gives its thread away. */
static void test_exclusion(void **state)
{
	run(main_exclusion, 1);
	run(main_exclusion, 2);
	run(main_exclusion, 4);
}

static unsigned order[50];

static void enter_once(void *arg)
{
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	order[entered++] = (unsigned)(uintptr_t)arg;
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
}

static int main_order(void *arg)
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
	return 0;
}

/* Waiters are served in the order in which they came. */
static void test_order(void **state)
{
	run(main_order, 1);
	run(main_order, 3);
}

static void other_task(void *arg)
{
	REQUIRE(sley_mutex_trylock(&mutex) == -EBUSY);
	REQUIRE(sley_mutex_unlock(&mutex) == -EPERM); /* another holds it */
	REQUIRE(sley_mutex_lock(&mutex, 0) == -ETIMEDOUT);
	REQUIRE(sley_mutex_lock(&mutex, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
}

static int main_answers(void *arg)
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
	return 0;
}

/* Busy, timed out, held by oneself, not one's own. A waiter that gave up leaves it usable. */
static void test_answers(void **state)
{
	run(main_answers, 1);
	run(main_answers, 2);
}

/* Outside of a task: -EDEADLK, and the mutex is as it was. */
static void test_outside(void **state)
{
	assert_int_equal(sley_mutex_lock(&mutex, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_mutex_trylock(&mutex), -EDEADLK);
	assert_int_equal(sley_mutex_unlock(&mutex), -EDEADLK);
	assert_int_equal(mutex.held, 0);
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

static int main_impatient(void *arg)
{
	sley_task tasks[5];

	got = gave_up = 0;
	for (uintptr_t i = 0; i < 5; i++)
		tasks[i] = sley_spawn(impatient, (void *)i);
	for (int i = 0; i < 5; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(got > 0 && gave_up > 0 && got + gave_up == 5 * (unsigned)test_scale(5000));
	REQUIRE(sley_mutex_lock(&mutex, 0) == 0 && sley_mutex_unlock(&mutex) == 0); /* nobody was handed it in vain */
	return 0;
}

/*
 * The hand-over against the deadline:
 *
 *   holder                        waiter's timer
 *   unlock: pops the waiter
 *                                 claims it
 *   claims: fails, pops the next  (and nobody owns it who has left)
 */
static void test_deadlines(void **state)
{
	run(main_impatient, 2);
	run(main_impatient, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_exclusion),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_deadlines),
	};

	return cmocka_run_group_tests_name("mutex", tests, NULL, NULL);
}
