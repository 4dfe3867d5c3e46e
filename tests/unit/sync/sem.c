/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The semaphore: order, several permits at once, and that giving up neither takes nor blocks any. */
#include "tests/unit/run.h"

#include <pthread.h>

#include "base/atomic.h"

static struct sley_sem sem;
static unsigned order[20], entered; /* atomic */

static sley_task start(void (*fn)(void *), uintptr_t arg)
{
	sley_task task = sley_spawn_at(SLEY_SITE("waiter"), NULL, fn, (void *)arg, SLEY_BY_POINTER);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SEM);
	return task;
}

static void join(sley_task task)
{
	REQUIRE(sley_join(task, SOON) == 0);
}

/* Takes as many as the number says, and notes it. */
static void take(void *arg)
{
	unsigned n = (unsigned)(uintptr_t)arg;
	REQUIRE(sley_sem_acquire(&sem, n, SOON) == 0);
	store(&order[fetch_add(&entered, 1, relaxed)], n, relaxed);
}

/* Several at once, first come first served: who wants few does not pass who wants many. */
TASK_TEST(order, 1, 3)
{
	sley_task tasks[4];
	static const unsigned wants[4] = { 5, 1, 2, 3 };
	entered = 0;
	sem = (struct sley_sem)SLEY_SEM_INIT(2);
	for (int i = 0; i < 4; i++)
		tasks[i] = start(take, wants[i]);
	REQUIRE(sley_sem_try_acquire(&sem, 1) == -EAGAIN); /* there are two, but others came before */
	REQUIRE(sley_sem_try_acquire(&sem, 0) == 0 && sley_sem_acquire(&sem, 0, 0) == 0);
	REQUIRE(sley_sem_release(&sem, 2) == 0); /* four: not enough for the first, and nobody passes it */
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0 && load(&entered, relaxed) == 0);
	REQUIRE(sley_sem_release(&sem, 2) == 0); /* six: the first two have theirs */
	join(tasks[0]);
	join(tasks[1]);
	REQUIRE(load(&entered, relaxed) == 2);
	REQUIRE(sley_sem_release(&sem, 5) == 0);
	join(tasks[2]);
	join(tasks[3]);
	REQUIRE(sley_sem_try_acquire(&sem, 1) == -EAGAIN); /* all gone */
}

/* The value is what can be taken, also while a waiter wants more than that, and what a waiter gets is gone at once. */
TASK_TEST(value, 1, 3)
{
	struct sley_sem none = SLEY_SEM_INIT(1);
	entered = 0;
	sem = (struct sley_sem)SLEY_SEM_INIT(3);
	REQUIRE(sley_sem_value(&sem) == 3 && sley_sem_value(&none) == 1); /* this task has a stack of its own */
	REQUIRE(sley_sem_acquire(&sem, 2, SOON) == 0 && sley_sem_value(&sem) == 1);
	sley_task task = start(take, 4);
	REQUIRE(sley_sem_value(&sem) == 1);
	REQUIRE(sley_sem_release(&sem, 5) == 0 && sley_sem_value(&sem) == 2);
	join(task);
	REQUIRE(sley_sem_value(&sem) == 2);
}

/* ---- giving up ---- */

static int answer;

static void take_hastily(void *arg)
{
	uintptr_t n = (uintptr_t)arg;
	answer = sley_sem_acquire(&sem, (int64_t)n % 100, n >= 100 ? SOON : sley_in(SLEY_MS(5)));
}

/* Who gives up has taken nothing, and those who waited behind it for less get theirs. */
TASK_TEST(giving_up, 1, 3)
{
	for (uintptr_t cancel = 0; cancel < 2; cancel++) {
		entered = 0;
		sem = (struct sley_sem)SLEY_SEM_INIT(3);
		sley_task big = sley_spawn(take_hastily, (void *)(10 + 100 * cancel));
		while (load(&record_of(big)->wait_kind, relaxed) != SLEY_WAIT_SEM)
			sley_yield();
		sley_task small[3];
		for (uintptr_t i = 0; i < 3; i++) {
			small[i] = sley_spawn(take, (void *)(i + 1)); /* one and two fit, then three does not */
			while (state_of(small[i]) != SLEY_TASK_ENDED &&
			       load(&record_of(small[i])->wait_kind, relaxed) != SLEY_WAIT_SEM)
				sley_yield(); /* they come in this order; the big one may be gone already */
		}
		if (cancel)
			REQUIRE(sley_cancel(big) == 0);
		join(big);
		REQUIRE(answer == (cancel ? -ECANCELED : -ETIMEDOUT));
		join(small[0]);
		join(small[1]); /* that it gave up let them in */
		REQUIRE(sley_sem_release(&sem, 3) == 0);
		join(small[2]);
		REQUIRE(sley_sem_try_acquire(&sem, 1) == -EAGAIN);
	}
}

/* ---- races ---- */

static unsigned inside, got, gave_up; /* atomic */

static void come_and_go(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	for (long i = 0; i < test_scale(3000); i++) {
		unsigned n = (unsigned)((uintptr_t)i + me) % 3 + 1;
		int error = sley_sem_acquire(&sem, n, sley_in(SLEY_US(((uintptr_t)i * 7 + me) % 50)));
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		fetch_add(error ? &gave_up : &got, 1, relaxed);
		if (error)
			continue;
		REQUIRE(fetch_add(&inside, n, relaxed) + n <= 4);
		if (i % 8 == 0)
			sley_sleep(sley_in(SLEY_US(i % 30)));
		fetch_sub(&inside, n, relaxed);
		REQUIRE(sley_sem_release(&sem, n) == 0);
	}
}

static void *come_and_go_in_thread(void *arg)
{
	come_and_go(arg);
	return NULL;
}

static int main_race(void *threads)
{
	sley_task tasks[6];
	pthread_t thread;
	got = gave_up = 0;
	sem = (struct sley_sem)SLEY_SEM_INIT(4);
	if (threads)
		REQUIRE(pthread_create(&thread, NULL, come_and_go_in_thread, (void *)9) == 0);
	for (uintptr_t i = 0; i < 6; i++)
		tasks[i] = sley_spawn(come_and_go, (void *)i);
	for (int i = 0; i < 6; i++)
		join(tasks[i]);
	if (threads)
		REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(got > 0 && gave_up > 0);
	REQUIRE(sley_sem_try_acquire(&sem, 4) == 0 && sley_sem_try_acquire(&sem, 1) == -EAGAIN); /* none lost or made */
	return 0;
}

/*
 * Permits against deadlines, with a plain thread among the tasks: never more inside than there are, and in the end as many
 * as at first.
 *
 *   waiter's timer            release
 *   claims: deadline
 *                             unlinks it, cannot claim it: its permits are not taken
 *   (later) finds itself unlinked: grants what it held up
 */
TEST(races)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2) {
		for (uintptr_t threads = 0; threads < 2; threads++) {
			struct sley_options options = { .size = sizeof(options), .workers = workers };
			run_with(main_race, (void *)threads, &options);
		}
	}
}

/* ---- answers ---- */

static void on_copying_stack(void *arg)
{
	struct sley_sem here = SLEY_SEM_INIT(1);
	REQUIRE(sley_sem_acquire(&here, 1, 0) == -EFAULT && sley_sem_try_acquire(&here, 1) == -EFAULT);
	REQUIRE(sley_sem_release(&here, 1) == -EFAULT);
}

static int main_answers(void *arg)
{
	static char text[1024];
	sem = (struct sley_sem){ 0 };
	REQUIRE(sley_sem_try_acquire(&sem, 1) == -EAGAIN && sley_sem_acquire(&sem, 1, 0) == -ETIMEDOUT);
	REQUIRE(sley_sem_acquire(&sem, -1, SOON) == -EINVAL && sley_sem_try_acquire(&sem, -1) == -EINVAL);
	REQUIRE(sley_sem_release(&sem, -1) == -EINVAL && sley_sem_release(&sem, INT64_MIN) == -EINVAL);
	REQUIRE(sley_sem_release(&sem, INT64_MAX) == 0 && sley_sem_release(&sem, 1) == -EOVERFLOW);
	REQUIRE(sley_sem_acquire(&sem, INT64_MAX, 0) ==
		0); /* unchanged; and there are enough: the deadline does not matter */
	REQUIRE(sley_sem_release(&sem, 0) == 0 && sley_sem_try_acquire(&sem, 1) == -EAGAIN);
	capture_begin();
	join(sley_spawn(on_copying_stack, NULL));
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_sem_acquire() fails with -EFAULT: the semaphore") == 1);
	return 0;
}

TEST_FIRST(answers)
{
	run(main_answers, 1);
	assert_int_equal(sley_sem_acquire(&sem, 1, 0), -ENOTCONN);
	assert_int_equal(sley_sem_try_acquire(&sem, 1), -ENOTCONN);
	assert_int_equal(sley_sem_release(&sem, 1), -ENOTCONN);
	assert_int_equal(sley_sem_value(&sem), -ENOTCONN);
}
