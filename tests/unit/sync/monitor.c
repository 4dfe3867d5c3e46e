/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Monitors: what is told of an end, once, to whom, and what is not told any more. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <sched.h>

#include "base/atomic.h"
#include "base/block.h"
#include "task/task.h"
#include "tests/race.h"

static struct sley_group gate;

static struct sley_monitor *new_monitor(void)
{
	struct sley_monitor *monitor;
	REQUIRE(sley_monitor_new(&monitor) == 0);
	return monitor;
}

static void nothing(void *arg)
{
}

static void waits(void *arg)
{
	sley_sleep(SLEY_NEVER);
}

static void at_gate(void *arg)
{
	REQUIRE(sley_group_wait(&gate, SLEY_NEVER) == 0);
}

static int child_waits(void *result)
{
	sley_sleep(SLEY_NEVER);
	return (int)(intptr_t)result;
}

/* The next message is of this task, and says this. */
static void expect(struct sley_monitor *monitor, sley_task task, enum sley_reason reason, int result)
{
	struct sley_end end;
	REQUIRE(sley_monitor_wait(monitor, &end, SOON) == 0);
	REQUIRE(end.task == task && end.reason == (int)reason && end.result == result);
}

/* ---- how it ended ---- */

/* Returned, or cancelled; a task that nobody cancelled and that is told of is none the worse for it. */
TASK_TEST(plain, 1, 2, 4)
{
	struct sley_monitor *monitor = new_monitor();
	struct sley_end end;
	REQUIRE(sley_group_add(&gate, 1) == 0);
	sley_task task = sley_spawn(at_gate, NULL);
	REQUIRE(sley_monitor_add(monitor, task) == 0);
	REQUIRE(sley_monitor_wait(monitor, &end, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_group_done(&gate) == 0);
	expect(monitor, task, SLEY_END_RETURNED, 0);
	REQUIRE(sley_join(task, SOON) == 0);
	task = sley_spawn(waits, NULL);
	REQUIRE(sley_monitor_add(monitor, task) == 0);
	REQUIRE(sley_cancel(task) == 0);
	expect(monitor, task, SLEY_END_CANCELLED, 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_monitor_free(monitor) == 0);
}

static void add_child(struct sley_monitor *monitor, struct sley_scope *scope, int (*fn)(void *), int result,
		      sley_task *task)
{
	*task = sley_scope_spawn(scope, fn, (void *)(intptr_t)result);
	REQUIRE(*task > 0 && sley_monitor_add(monitor, *task) == 0);
}

/* Children that were cancelled: their result says whether they failed. */
TASK_TEST(children, 1, 2, 4)
{
	struct sley_scope_options options = { .size = sizeof(options), .keep_going = 1 };
	struct sley_monitor *monitor = new_monitor();
	struct sley_scope *scope;
	sley_task task;
	REQUIRE(sley_scope_open(&scope, &options) == 0);
	add_child(monitor, scope, child_waits, 3, &task);
	REQUIRE(sley_cancel(task) == 0);
	expect(monitor, task, SLEY_END_RETURNED, 3); /* it did its work */
	add_child(monitor, scope, child_waits, -EINTR, &task);
	REQUIRE(sley_cancel(task) == 0);
	expect(monitor, task, SLEY_END_CANCELLED, -EINTR);
	REQUIRE(sley_scope_close(scope, SOON) == -EINTR);
	REQUIRE(sley_monitor_free(monitor) == 0);
}

static int at_gate_then(void *result)
{
	at_gate(NULL);
	return (int)(intptr_t)result;
}

/* A failure and what it does to the siblings are told apart. */
TASK_TEST(failed, 1, 2, 4)
{
	struct sley_monitor *monitor = new_monitor();
	struct sley_scope *scope;
	sley_task failing, sibling;
	struct sley_end ends[2];
	REQUIRE(sley_group_add(&gate, 1) == 0);
	REQUIRE(sley_scope_open(&scope, NULL) == 0);
	add_child(monitor, scope, child_waits, -ECANCELED, &sibling);
	add_child(monitor, scope, at_gate_then, -EIO, &failing);
	REQUIRE(sley_group_done(&gate) == 0);
	REQUIRE(sley_scope_close(scope, SOON) == -EIO);
	REQUIRE(sley_monitor_wait(monitor, &ends[0], SOON) == 0 && sley_monitor_wait(monitor, &ends[1], SOON) == 0);
	struct sley_end *first = &ends[ends[0].task != failing], *other = &ends[ends[0].task == failing];
	/* the one whose failure cancels the scope was not cancelled itself */
	REQUIRE(first->task == failing && first->reason == SLEY_END_FAILED && first->result == -EIO);
	REQUIRE(other->task == sibling && other->reason == SLEY_END_CANCELLED && other->result == -ECANCELED);
	REQUIRE(sley_monitor_free(monitor) == 0);
}

/* ---- late and often ---- */

/* A task that has ended is told of at once, as often as it is added, until it is joined. */
TASK_TEST(ended, 1, 2, 4)
{
	struct sley_monitor *monitor = new_monitor();
	struct sley_end end;
	sley_task task = sley_spawn(nothing, NULL), cancelled = sley_spawn(waits, NULL);
	REQUIRE(sley_cancel(cancelled) == 0);
	await_state(task, SLEY_TASK_ENDED, SLEY_WAIT_NONE);
	await_state(cancelled, SLEY_TASK_ENDED, SLEY_WAIT_NONE);
	REQUIRE(sley_monitor_add(monitor, task) == 0);
	REQUIRE(sley_monitor_add(monitor, cancelled) == 0);
	REQUIRE(sley_monitor_add(monitor, task) == 0);
	REQUIRE(sley_join(task, SOON) == 0 && sley_join(cancelled, SOON) == 0);
	REQUIRE(sley_monitor_add(monitor, task) == -ESRCH);
	expect(monitor, task, SLEY_END_RETURNED, 0);
	expect(monitor, cancelled, SLEY_END_CANCELLED, 0);
	expect(monitor, task, SLEY_END_RETURNED, 0);
	REQUIRE(sley_monitor_wait(monitor, &end, SLEY_NEVER) == -ENOENT);
	REQUIRE(sley_monitor_free(monitor) == 0);
}

/* What is removed is not told; other addings, and other monitors, are not touched. */
TASK_TEST(remove, 1, 2, 4)
{
	struct sley_monitor *monitor = new_monitor(), *other = new_monitor();
	struct sley_end end;
	REQUIRE(sley_group_add(&gate, 1) == 0);
	sley_task one = sley_spawn(at_gate, NULL), two = sley_spawn(at_gate, NULL);
	REQUIRE(sley_monitor_add(monitor, one) == 0 && sley_monitor_add(monitor, one) == 0);
	REQUIRE(sley_monitor_add(monitor, two) == 0 && sley_monitor_add(other, one) == 0);
	REQUIRE(sley_monitor_remove(monitor, one) == 0 && sley_monitor_remove(monitor, two) == 0);
	REQUIRE(sley_monitor_remove(monitor, two) == -ENOENT && sley_monitor_remove(other, two) == -ENOENT);
	REQUIRE(sley_group_done(&gate) == 0);
	expect(monitor, one, SLEY_END_RETURNED, 0);
	REQUIRE(sley_monitor_remove(monitor, one) == -ENOENT);
	REQUIRE(sley_monitor_wait(monitor, &end, SLEY_NEVER) == -ENOENT);
	expect(other, one, SLEY_END_RETURNED, 0);
	REQUIRE(sley_join(one, SOON) == 0 && sley_join(two, SOON) == 0);
	REQUIRE(sley_monitor_free(monitor) == 0 && sley_monitor_free(other) == 0);
}

/* ---- several that wait ---- */

static unsigned got, got_nothing; /* atomic */

static void receives(void *monitor)
{
	struct sley_end end;
	int error = sley_monitor_wait(monitor, &end, SOON);
	REQUIRE(error == 0 || error == -ENOENT);
	fetch_add(error == 0 ? &got : &got_nothing, 1, relaxed);
}

/* One message each, in turn; when none can come any more the rest are told so. */
TASK_TEST(several, 1, 2, 4)
{
	for (int how = 0; how < 2; how++) {
		struct sley_monitor *monitor = new_monitor();
		sley_task receivers[3];
		got = got_nothing = 0;
		sley_task one = sley_spawn(waits, NULL), two = sley_spawn(waits, NULL);
		REQUIRE(sley_monitor_add(monitor, one) == 0 && sley_monitor_add(monitor, two) == 0);
		for (int i = 0; i < 3; i++) {
			receivers[i] = sley_spawn(receives, monitor);
			await_state(receivers[i], SLEY_TASK_WAITING, SLEY_WAIT_MONITOR);
		}
		REQUIRE(sley_monitor_free(monitor) == -EBUSY);
		REQUIRE(sley_cancel(one) == 0);
		REQUIRE(sley_join(receivers[0], SOON) == 0); /* the first that came */
		REQUIRE(load(&got, relaxed) == 1);
		if (how == 0)
			REQUIRE(sley_cancel(two) == 0);
		else
			REQUIRE(sley_monitor_remove(monitor, two) == 0);
		REQUIRE(sley_join(receivers[1], SOON) == 0 && sley_join(receivers[2], SOON) == 0);
		REQUIRE(load(&got, relaxed) == (how == 0 ? 2 : 1));
		REQUIRE(load(&got_nothing, relaxed) == (how == 0 ? 1 : 2));
		REQUIRE(sley_cancel(two) == 0);
		REQUIRE(sley_join(one, SOON) == 0 && sley_join(two, SOON) == 0);
		REQUIRE(sley_monitor_free(monitor) == 0);
	}
}

static void is_cancelled(void *monitor)
{
	struct sley_end end;
	REQUIRE(sley_monitor_wait(monitor, &end, SLEY_NEVER) == -ECANCELED);
	REQUIRE(sley_monitor_wait(monitor, &end, SLEY_NEVER) == -ECANCELED);
}

/* A receiver that is cancelled takes no message with it. */
TASK_TEST(cancelled, 1, 2, 4)
{
	struct sley_monitor *monitor = new_monitor();
	sley_task task = sley_spawn(waits, NULL);
	REQUIRE(sley_monitor_add(monitor, task) == 0);
	sley_task receiver = sley_spawn(is_cancelled, monitor);
	await_state(receiver, SLEY_TASK_WAITING, SLEY_WAIT_MONITOR);
	REQUIRE(sley_cancel(receiver) == 0 && sley_join(receiver, SOON) == 0);
	REQUIRE(sley_cancel(task) == 0);
	expect(monitor, task, SLEY_END_CANCELLED, 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_monitor_free(monitor) == 0);
}

static void is_cancelled_once(void *monitor)
{
	struct sley_end end;
	REQUIRE(sley_monitor_wait(monitor, &end, SLEY_NEVER) == -ECANCELED);
}

/* One that has given up, and was taken off the list by somebody else, has to look at the monitor again. */
TASK_TEST(given_up, 1)
{
	struct sley_monitor *monitor = new_monitor();
	sley_task task = sley_spawn(waits, NULL);
	REQUIRE(sley_monitor_add(monitor, task) == 0);
	sley_task receiver = sley_spawn(is_cancelled_once, monitor);
	await_state(receiver, SLEY_TASK_WAITING, SLEY_WAIT_MONITOR);
	REQUIRE(sley_cancel(receiver) == 0);
	REQUIRE(sley_monitor_remove(monitor, task) == 0); /* takes it off the list of those who wait */
	REQUIRE(sley_monitor_free(monitor) == -EBUSY);    /* and it has not run since */
	REQUIRE(sley_join(receiver, SOON) == 0);
	REQUIRE(sley_monitor_free(monitor) == 0);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
}

/* ---- plain threads ---- */

static void *thread_monitors(void *task)
{
	struct sley_monitor *monitor;
	struct sley_end end;
	REQUIRE(sley_monitor_new(&monitor) == 0);
	REQUIRE(sley_monitor_add(monitor, *(sley_task *)task) == 0);
	REQUIRE(sley_monitor_wait(monitor, &end, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_cancel(*(sley_task *)task) == 0);
	REQUIRE(sley_monitor_wait(monitor, &end, SOON) == 0);
	REQUIRE(end.task == *(sley_task *)task && end.reason == SLEY_END_CANCELLED);
	REQUIRE(sley_monitor_wait(monitor, &end, SOON) == -ENOENT);
	REQUIRE(sley_monitor_free(monitor) == 0);
	return NULL;
}

/* A thread that runs no task makes all the calls, and blocks. */
TASK_TEST(thread, 2)
{
	static sley_task task;
	pthread_t thread;
	task = sley_spawn(waits, NULL);
	REQUIRE(pthread_create(&thread, NULL, thread_monitors, &task) == 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
}

/* ---- refused ---- */

static void on_stack(void *arg)
{
	char place[256] = { 0 };
	struct sley_end end;
	REQUIRE(sley_monitor_add((void *)place, sley_self()) == -EFAULT);
	REQUIRE(sley_monitor_remove((void *)place, sley_self()) == -EFAULT);
	REQUIRE(sley_monitor_wait((void *)place, &end, SOON) == -EFAULT);
	REQUIRE(sley_monitor_free((void *)place) == -EFAULT);
}

static int main_refused(void *arg)
{
	struct sley_monitor *monitor = new_monitor(), *none;
	struct sley_end end;
	char text[4096];
	REQUIRE(sley_monitor_free(NULL) == 0);
	REQUIRE(sley_monitor_add(NULL, sley_self()) == -EINVAL && sley_monitor_remove(NULL, 1) == -EINVAL);
	REQUIRE(sley_monitor_wait(NULL, &end, 0) == -EINVAL && sley_monitor_wait(monitor, NULL, 0) == -EINVAL);
	REQUIRE(sley_monitor_wait(monitor, &end, SLEY_NEVER) == -ENOENT);
	REQUIRE(sley_monitor_add(monitor, 0) == -ESRCH && sley_monitor_add(monitor, -1) == -ESRCH);
	REQUIRE(sley_monitor_add(monitor, INT64_MAX) == -ESRCH && sley_monitor_remove(monitor, 0) == -ENOENT);
	sley_task task = sley_spawn(waits, NULL);
	for (unsigned good = 0; good < 2; good++) { /* the message, then the task's extra */
		store(&block_test_fail, good + 1, relaxed);
		REQUIRE(sley_monitor_add(monitor, task) == -ENOMEM);
	}
	REQUIRE(sley_monitor_new(&none) == -ENOMEM);
	store(&block_test_fail, 0, relaxed);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
	capture_begin();
	REQUIRE(sley_join(sley_spawn(on_stack, NULL), SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_monitor_add() fails with -EFAULT: the monitor") == 1);
	REQUIRE(sley_monitor_free(monitor) == 0);
	return 0;
}

/* Nulls, stale ids, no memory, a copying stack; outside of a run. */
TEST(refused)
{
	struct sley_monitor *monitor;
	run(main_refused, 1);
	assert_int_equal(sley_monitor_new(&monitor), -ENOTCONN);
}

/* ---- raced ---- */

static unsigned stop; /* atomic */

static void ends_soon(void *spins)
{
	for (uintptr_t i = (uintptr_t)spins; i > 0; i--)
		sley_yield();
}

/*
 * Removing against the end: the message comes, or the removal has succeeded, never both or neither.
 *
 *   the task's worker                     remover
 *   takes the watch out of the list
 *                                         finds none: -ENOENT
 *   puts the message
 */
TASK_TEST(remove_race, 1, 2, 4)
{
	long rounds = test_scale(20000);
	unsigned told = 0, removed = 0;
	struct sley_monitor *monitor = new_monitor();
	struct sley_end end;
	for (long i = 0; i < rounds; i++) {
		sley_task task = sley_spawn(ends_soon, (void *)(i % 3));
		REQUIRE(sley_monitor_add(monitor, task) == 0);
		for (long k = i % 4; k > 0; k--)
			sley_yield();
		int error = sley_monitor_remove(monitor, task);
		REQUIRE(error == 0 || error == -ENOENT);
		if (error == 0) {
			removed++;
			REQUIRE(sley_monitor_wait(monitor, &end, SOON) == -ENOENT);
		} else {
			told++;
			expect(monitor, task, SLEY_END_RETURNED, 0);
		}
		REQUIRE(sley_join(task, SOON) == 0);
	}
	REQUIRE(told > 0 && removed > 0 && told + removed == (unsigned)rounds);
	REQUIRE(sley_monitor_free(monitor) == 0);
}

/* A monitor is freed while tasks that it watches end, and some of their messages are there. */
TASK_TEST(free_race, 1, 2, 4)
{
	enum { TASKS = 100 }; /* more than are taken back at once */
	sley_task tasks[TASKS];
	for (long i = test_scale(400); i > 0; i--) {
		struct sley_monitor *monitor = new_monitor();
		for (int k = 0; k < TASKS; k++) {
			tasks[k] = sley_spawn(ends_soon, (void *)(uintptr_t)(k % 7));
			REQUIRE(sley_monitor_add(monitor, tasks[k]) == 0);
		}
		for (long k = i % 10; k > 0; k--)
			sley_yield();
		REQUIRE(sley_monitor_free(monitor) == 0);
		for (int k = 0; k < TASKS; k++)
			REQUIRE(sley_join(tasks[k], SOON) == 0);
	}
}

static void collects(void *monitor)
{
	struct sley_end end;
	int error;
	while ((error = sley_monitor_wait(monitor, &end, SOON)) != -ENOENT || !load(&stop, acquire)) {
		REQUIRE(error == 0 || error == -ENOENT);
		if (error == 0)
			fetch_add(&got, 1, relaxed);
		else
			sley_yield();
	}
}

/* Adding against the end, and several receivers: each adding makes exactly one message, and one gets it. */
TASK_TEST(collect, 1, 2, 4)
{
	struct sley_monitor *monitor = new_monitor();
	long rounds = test_scale(20000);
	sley_task collectors[3];
	got = stop = 0;
	for (int i = 0; i < 3; i++)
		collectors[i] = sley_spawn(collects, monitor);
	for (long i = 0; i < rounds; i++) {
		sley_task task = sley_spawn(ends_soon, (void *)(i % 3));
		int error = sley_monitor_add(monitor, task);
		REQUIRE(error == 0);
		if (i % 2)
			sley_yield();
		REQUIRE(sley_join(task, SOON) == 0);
	}
	store(&stop, 1, release);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(collectors[i], SOON) == 0);
	REQUIRE(load(&got, relaxed) == (unsigned)rounds);
	REQUIRE(sley_monitor_free(monitor) == 0);
}

#if RACE_POINTS

static struct sley_monitor *asked;
static sley_task ending;

static void *removes(void *unused)
{
	REQUIRE(sley_monitor_remove(asked, ending) == -ENOENT);
	return NULL;
}

/*
 *   a task has ended                     sley_monitor_remove()
 *   its entry is to be freed
 *                                        lock; the id is the task's; it has an extra
 *   lock: waits; frees the extra         looks through its watches; unlock
 */
TASK_TEST(extra, 2)
{
	static const struct sley_task_options detached = { .size = sizeof(detached), .detached = 1 };
	struct sley_monitor *other = new_monitor();
	pthread_t thread;
	asked = new_monitor();
	gate = (struct sley_group)SLEY_GROUP_INIT;
	REQUIRE(sley_group_add(&gate, 1) == 0);
	ending = sley_spawn_with(&detached, at_gate, NULL, SLEY_BY_POINTER);
	REQUIRE(sley_monitor_add(other, ending) == 0 && sley_monitor_remove(other, ending) == 0);
	race_stop("task_is_freed");
	race_stop("monitor_takes_back_locked");
	REQUIRE(sley_group_done(&gate) == 0);
	race_wait("task_is_freed");
	REQUIRE(pthread_create(&thread, NULL, removes, NULL) == 0);
	race_wait("monitor_takes_back_locked");
	race_go("task_is_freed");
	for (int i = 0; i < 1000; i++)
		sched_yield();
	REQUIRE(task_extra(task_find(ending)) != NULL);
	race_go("monitor_takes_back_locked");
	REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(sley_monitor_free(other) == 0 && sley_monitor_free(asked) == 0);
}

#endif
