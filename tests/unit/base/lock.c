/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The runtime's lock: exclusion, waking those that sleep on it, and the order of locks. What breaks the order is a scenario:
 * a process of its own, which debug builds end.
 */
#include "tests/unit/run.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/lock.h"
#include "run/park.h"

static struct object_lock lock;
static uint64_t plain; /* protected by lock */
static unsigned inside;

static void *contend(void *arg)
{
	long rounds = test_scale(200000);
	for (long i = 0; i < rounds; i++) {
		lock_take(&lock);
		REQUIRE(fetch_add(&inside, 1, relaxed) == 0);
		plain++;
		if (i % 1000 == 0)
			sched_yield(); /* long enough for the others to fall asleep */
		fetch_sub(&inside, 1, relaxed);
		lock_drop(&lock);
	}
	return NULL;
}

/* One thread at a time is inside, what it did is seen by the next, and nobody sleeps for ever. */
TEST(exclusion)
{
	pthread_t threads[4];
	plain = 0;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, contend, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(plain, 4 * (uint64_t)test_scale(200000));
	assert_int_equal(lock.word, 0);
}

static void *take_once(void *arg)
{
	lock_take(&lock);
	plain++;
	lock_drop(&lock);
	return NULL;
}

/* Threads that sleep on a held lock are woken one after the other once it is dropped. */
TEST(sleepers)
{
	pthread_t threads[8];
	plain = 0;
	lock_take(&lock);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_once, NULL), 0);
	while ((load(&rare, relaxed) & ~RARE_FENCED) != 8 * RARE_ONE) /* all say that they sleep */
		sched_yield();
	assert_int_equal(plain, 0);
	lock_drop(&lock);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(plain, 8);
}

/* Trying takes a free one only, and only then the thread holds it. */
TEST(try)
{
	assert_true(lock_try(&lock));
	assert_false(lock_try(&lock));
	lock_drop(&lock);
	lock_check_none("the first lock was dropped");
	assert_true(lock_try(&lock));
	lock_drop(&lock);
}

/* ---- the order ---- */

static struct channel_lock channels[2];
static struct task_lock task_lock;
static struct growth_lock growth_lock;
static struct list_lock list_lock;
static struct memory_lock memory_lock;
static struct free_task_lock free_task_lock;

/* A lock of each rank may be taken in the order of the ranks, and dropped in any; then the thread holds none. */
TEST(order)
{
	for (int i = 0; i < 2; i++) {
		lock_take(&lock);
		lock_take(&channels[0]);
		lock_take(&channels[1]);
		lock_take(&task_lock);
		lock_take(&growth_lock);
		lock_take(&list_lock);
		lock_take(&memory_lock);
		lock_take(&free_task_lock);
		lock_drop(&channels[0]);
		lock_drop(&lock);
		lock_drop(&free_task_lock);
		lock_drop(&list_lock);
		lock_drop(&memory_lock);
		lock_drop(&growth_lock);
		lock_drop(&task_lock);
		lock_drop(&channels[1]);
		lock_check_none("all were dropped");
	}
}

/* Trying is in no order: a thread that does not wait can have any free lock, also a second one of a rank. */
TEST(try_against_the_order)
{
	static struct list_lock another;
	lock_take(&list_lock);
	assert_true(lock_try(&task_lock));
	assert_true(lock_try(&another));
	lock_drop(&list_lock);
	lock_drop(&another);
	lock_drop(&task_lock);
	lock_check_none("all were dropped");
}

#ifdef SLEY_DEBUG

static int scenario_lower(void)
{
	lock_take(&list_lock);
	lock_take(&task_lock);
	return 0;
}

static int scenario_second(void)
{
	static struct object_lock another;
	lock_take(&lock);
	lock_take(&another);
	return 0;
}

static int scenario_channels(void)
{
	lock_take(&channels[1]);
	lock_take(&channels[0]);
	return 0;
}

static int scenario_after_try(void)
{
	if (lock_try(&memory_lock))
		lock_take(&growth_lock);
	return 0;
}

static int scenario_not_held(void)
{
	lock_drop(&lock);
	return 0;
}

static int main_sleep(void *unused)
{
	lock_take(&lock);
	sley_sleep(sley_in(SLEY_MS(1)));
	return 0;
}

static int scenario_park(void)
{
	return sley_run(main_sleep, NULL, NULL, NULL);
}

static int main_yield(void *unused)
{
	lock_take(&lock);
	sley_yield();
	return 0;
}

static int scenario_yield(void)
{
	return sley_run(main_yield, NULL, NULL, NULL);
}

static void *wait_in_thread(void *unused)
{
	struct thread thread;
	REQUIRE(thread_enter(&thread) == 0);
	lock_take(&lock);
	wait_begin(&thread.task, SLEY_WAIT_NONE, 0, NULL);
	wait_park(&thread.task, sley_in(SLEY_MS(1)));
	thread_leave();
	return NULL;
}

static int main_thread(void *unused)
{
	pthread_t thread;
	REQUIRE(pthread_create(&thread, NULL, wait_in_thread, NULL) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
	return 0;
}

static int scenario_thread(void)
{
	return sley_run(main_thread, NULL, NULL, NULL);
}

static void (*task_end_before)(struct worker *, struct task *);

static void task_end_with_lock(struct worker *worker, struct task *task)
{
	task_end_before(worker, task);
	lock_take(&lock);
}

static void nothing(void *unused)
{
}

static int main_switch(void *unused)
{
	task_end_before = sched_hooks.task_end;
	sched_hooks.task_end = task_end_with_lock;
	return sley_join(sley_spawn(nothing, NULL), SLEY_NEVER);
}

static int scenario_switch(void)
{
	const struct sley_options options = { .size = sizeof(options), .workers = 1 };
	return sley_run(main_switch, NULL, &options, NULL);
}

static const struct scenario scenarios[] = {
	{ "lower", scenario_lower },       { "second", scenario_second },
	{ "channels", scenario_channels }, { "after_try", scenario_after_try },
	{ "not_held", scenario_not_held }, { "park", scenario_park },
	{ "yield", scenario_yield },       { "thread", scenario_thread },
	{ "switch", scenario_switch },     { NULL, NULL },
};

static void assert_aborts(const char *scenario, const char *words)
{
	char text[8192];
	int status = scenario_run(scenario, text, sizeof(text));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_msg("%s: status %x: %s", scenario, status, text);
	assert_said(text, words, 1);
}

/* Taking a lock of a rank that is not higher than that of one that is held ends the process, and names both. */
TEST(wrong_order)
{
	assert_aborts("lower", "sley: lock order: the lock of a task is taken while the lock of a list is held\n");
	assert_aborts("second",
		      "sley: lock order: the lock of an object is taken while the lock of an object is held\n");
}

/* Channels are taken in the order of their addresses. */
TEST(wrong_order_of_channels)
{
	assert_aborts("channels",
		      "sley: lock order: the lock of a channel is taken while the lock of a channel is held\n");
}

/* A lock that was tried for is held, and counts for the next one. */
TEST(wrong_order_after_try)
{
	assert_aborts("after_try",
		      "sley: lock order: the growth lock of a table is taken while the lock of free memory is held\n");
}

/* Only what is held can be dropped. */
TEST(drop_without_take)
{
	assert_aborts("not_held", "sley: broken invariant at runtime/base/lock.c:");
}

/* No lock is held while a task, or a thread, waits, nor over a yield. */
TEST(wait_with_lock)
{
	assert_aborts("park", "sley: lock order: a task leaves its stack while the lock of an object is held\n");
	assert_aborts("yield", "sley: lock order: a task leaves its stack while the lock of an object is held\n");
	assert_aborts("thread",
		      "sley: lock order: a thread waits as a task does while the lock of an object is held\n");
}

/* A worker that holds a lock switches to no task. */
TEST(switch_with_lock)
{
	assert_aborts("switch", "sley: lock order: a task is switched to while the lock of an object is held\n");
}

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}

#endif
