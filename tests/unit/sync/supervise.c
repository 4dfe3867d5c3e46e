/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Supervision: who is started again after which end, in which order, and when it is too much. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/atomic.h"
#include "base/block.h"
#include "base/lock.h"
#include "tests/race.h"

#define CHILDREN 4u

/* What each child is to do, and what it did. Atomic. */
static struct {
	unsigned starts, ends;
	unsigned failing; /* 1: it is to fail now */
	unsigned done;    /* 1: it is to return 0 now */
} children[CHILDREN];

static struct lock log_lock;
static char log_text[256]; /* "+1" for a start, "-1" for an end */

static void note(char what, unsigned number)
{
	lock_take(&log_lock);
	size_t n = strlen(log_text);
	REQUIRE(n + 3 < sizeof(log_text));
	snprintf(log_text + n, sizeof(log_text) - n, "%c%u", what, number);
	lock_drop(&log_lock);
}

static void forget(void)
{
	lock_take(&log_lock);
	log_text[0] = '\0';
	lock_drop(&log_lock);
}

/* A service: runs until it is told to fail or to stop, or is cancelled. */
static int serves(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg;
	int error = 0;
	note('+', number);
	fetch_add(&children[number].starts, 1, release);
	while (error == 0 && !load(&children[number].done, relaxed)) {
		if (exchange(&children[number].failing, 0, relaxed))
			error = -EIO;
		else if (sley_cancelled())
			error = -ECANCELED;
		else
			sley_yield();
	}
	note('-', number);
	fetch_add(&children[number].ends, 1, release);
	return error;
}

static void await(const unsigned *word, unsigned value)
{
	sley_time deadline = SOON;
	while (load(word, acquire) != value) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

static void await_starts(unsigned a, unsigned b, unsigned c, unsigned d)
{
	await(&children[0].starts, a);
	await(&children[1].starts, b);
	await(&children[2].starts, c);
	await(&children[3].starts, d);
}

#define OPTIONS(...) \
	(struct sley_scope_options) \
	{ \
		.size = sizeof(struct sley_scope_options), ##__VA_ARGS__ \
	}

static struct sley_child *handles[CHILDREN];

static struct sley_scope *open_with(struct sley_scope_options options)
{
	struct sley_scope *scope;
	memset(children, 0, sizeof(children));
	forget();
	REQUIRE(sley_scope_open(&scope, &options) == 0);
	return scope;
}

static void spawn_services(struct sley_scope *scope)
{
	for (uintptr_t i = 0; i < CHILDREN; i++) {
		struct sley_child_options options = { .size = sizeof(options), .child = &handles[i] };
		REQUIRE(sley_scope_spawn_with(scope, &options, serves, (void *)i, SLEY_BY_POINTER) > 0);
	}
}

/*
 * The owner is a task of its own, so that the test can act while it waits. `act` runs when all four services have
 * started once; the owner's answer is returned.
 */
static struct sley_scope *supervised;
static int answer;
static unsigned spawned; /* atomic */

static void owner(void *options)
{
	supervised = open_with(*(struct sley_scope_options *)options);
	spawn_services(supervised);
	store(&spawned, 1, release);
	answer = sley_scope_close(supervised, SLEY_NEVER);
}

static int supervise_with(struct sley_scope_options options, void (*act)(sley_task owner))
{
	spawned = 0;
	sley_task task = sley_spawn_copy(owner, &options, sizeof(options));
	await(&spawned, 1);
	await_starts(1, 1, 1, 1);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SCOPE);
	act(task);
	REQUIRE(sley_join(task, SOON) == 0);
	for (unsigned i = 0; i < CHILDREN; i++)
		REQUIRE(children[i].starts == children[i].ends);
	return answer;
}

static void crash(unsigned number)
{
	store(&children[number].failing, 1, relaxed);
}

static void finish(unsigned number)
{
	store(&children[number].done, 1, relaxed);
	await(&children[number].ends, load(&children[number].starts, relaxed));
}

static void finish_all(void)
{
	for (unsigned i = 0; i < CHILDREN; i++)
		finish(i);
}

/* ---- policies ---- */

static void act_one(sley_task task)
{
	sley_task other = sley_child_task(handles[0]), failing = sley_child_task(handles[1]);
	for (unsigned i = 2; i <= 4; i++) {
		crash(1);
		await_starts(1, i, 1, 1);
	}
	REQUIRE(sley_child_task(handles[0]) == other);
	REQUIRE(sley_child_task(handles[1]) != failing);
	finish_all();
}

/* The failed one is another task now; the others are not touched. What has done its work stays ended. */
TASK_TEST(one, 1, 2, 4)
{
	REQUIRE(supervise_with(OPTIONS(.restart = SLEY_RESTART_ONE), act_one) == 0);
}

/* Three services in some order, then in start order. */
static void expect_order(const char *stopped, const char *starts)
{
	lock_take(&log_lock);
	size_t ends = strlen(log_text) - strlen(starts);
	REQUIRE(strcmp(log_text + ends, starts) == 0); /* all ends come before all starts */
	for (const char *p = stopped; *p; p++) {
		char end[3] = { '-', *p };
		REQUIRE(occurrences(log_text, end) == 1);
	}
	REQUIRE(ends == 2 * strlen(stopped));
	lock_drop(&log_lock);
}

static void act_all(sley_task task)
{
	finish(0);
	forget();
	crash(2);
	await_starts(1, 2, 2, 2);
	expect_order("123", "+1+2+3");
	forget();
	crash(1);
	await_starts(1, 3, 3, 3);
	expect_order("123", "+1+2+3");
	finish_all();
}

static int main_all(void *arg)
{
	struct sley_scope_options options = OPTIONS(.restart = SLEY_RESTART_ALL);
	REQUIRE(supervise_with(options, act_all) == 0);
	return 0;
}

/* The others are cancelled, waited for, and all started in order; the one that had done its work is not. */
TEST(all)
{
	run(main_all, 1); /* where they run in the order in which they are started */
}

static void act_all_loosely(sley_task task)
{
	finish(3);
	for (unsigned i = 2; i <= 4; i++) {
		crash(i % 3);
		await_starts(i, i, i, 1);
	}
	finish_all();
}

/* The same on several workers. */
TASK_TEST(all_loosely, 1, 2, 4)
{
	REQUIRE(supervise_with(OPTIONS(.restart = SLEY_RESTART_ALL), act_all_loosely) == 0);
}

static void act_rest(sley_task task)
{
	sley_task before = sley_child_task(handles[1]);
	crash(2);
	await_starts(1, 1, 2, 2);
	REQUIRE(sley_child_task(handles[1]) == before);
	crash(3);
	await_starts(1, 1, 2, 3);
	crash(0);
	await_starts(2, 2, 3, 4);
	finish_all();
}

/* The failed one and those behind it. */
TASK_TEST(rest, 1, 2, 4)
{
	REQUIRE(supervise_with(OPTIONS(.restart = SLEY_RESTART_REST), act_rest) == 0);
}

/* ---- what is a failure ---- */

static unsigned left; /* atomic: successes that are still to be started again */

static int succeeds(void *scope)
{
	fetch_add(&children[0].starts, 1, relaxed);
	if (fetch_sub(&left, 1, relaxed) == 1)
		REQUIRE(sley_scope_cancel(scope) == 0);
	return 7;
}

/* With `always` success is started again, too; until the scope is cancelled. */
TASK_TEST(always, 1, 2, 4)
{
	struct sley_scope *scope = open_with(OPTIONS(.restart = SLEY_RESTART_ONE, .restarts = 100));
	struct sley_child *child;
	struct sley_child_options options = { .size = sizeof(options), .always = 1, .child = &child };
	int result;
	store(&left, 50, relaxed);
	REQUIRE(sley_scope_spawn_with(scope, &options, succeeds, scope, SLEY_BY_POINTER) > 0);
	REQUIRE(sley_scope_wait(scope, SOON) == -ECANCELED);
	REQUIRE(children[0].starts == 50);
	REQUIRE(sley_child_result(child, &result, NULL, 0) == 0 && result == 7);
	REQUIRE(sley_scope_close(scope, SOON) == -ECANCELED);
}

static int is_cancelled_by_id(void *arg)
{
	unsigned start = fetch_add(&children[0].starts, 1, release);
	return start == 0 ? sley_sleep(SLEY_NEVER) : 0;
}

/* A child that somebody cancels has failed like any other, and its successor is not cancelled. */
TASK_TEST(by_id, 1, 2, 4)
{
	struct sley_scope *scope = open_with(OPTIONS(.restart = SLEY_RESTART_ONE));
	sley_task id = sley_scope_spawn(scope, is_cancelled_by_id, NULL);
	await_state(id, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(sley_cancel(id) == 0);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	REQUIRE(children[0].starts == 2);
}

/* ---- limits ---- */

static int fails(void *number)
{
	fetch_add(&children[(uintptr_t)number].starts, 1, relaxed);
	return -EIO;
}

/* The limit is exact: so many restarts, then -ELOOP, and the others are cancelled. */
TASK_TEST(limit, 1, 2, 4)
{
	for (unsigned restart = SLEY_RESTART_ONE; restart <= SLEY_RESTART_REST; restart++) {
		struct sley_scope *scope = open_with(OPTIONS(.restart = restart, .restarts = 5, .within = SLEY_NEVER));
		REQUIRE(sley_scope_spawn(scope, serves, (void *)1) > 0);
		REQUIRE(sley_scope_spawn(scope, fails, (void *)0) > 0);
		REQUIRE(sley_scope_wait(scope, SOON) == -ELOOP);
		REQUIRE(children[0].starts == 6);
		REQUIRE(children[1].starts == children[1].ends);
		REQUIRE(children[1].starts == (restart == SLEY_RESTART_ALL ? 6 : 1));
		REQUIRE(sley_scope_spawn(scope, fails, NULL) == -ECANCELED);
		REQUIRE(sley_scope_close(scope, SOON) == -ELOOP);
	}
	struct sley_scope *scope = open_with(OPTIONS(.restart = SLEY_RESTART_ONE));
	REQUIRE(sley_scope_spawn(scope, fails, (void *)0) > 0);
	REQUIRE(sley_scope_close(scope, SOON) == -ELOOP);
	REQUIRE(children[0].starts == 4); /* the default: three */
}

static int fails_for_a_while(void *arg)
{
	fetch_add(&children[0].starts, 1, relaxed);
	sley_sleep(sley_in(SLEY_US(100)));
	return fetch_sub(&left, 1, relaxed) == 1 ? 0 : -EIO;
}

/* Restarts that lie further apart than `within` do not count together. */
TASK_TEST(window, 1, 2, 4)
{
	struct sley_scope *scope =
		open_with(OPTIONS(.restart = SLEY_RESTART_ONE, .restarts = 2, .within = SLEY_US(100)));
	store(&left, 50, relaxed);
	REQUIRE(sley_scope_spawn(scope, fails_for_a_while, NULL) > 0);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	REQUIRE(children[0].starts == 50);
}

#if RACE_POINTS
/* While the owner stands between two children that it starts again, the first of them fails once more. */
static void *let_it_fail(void *unused)
{
	race_wait("supervise_has_started");
	while (live_tasks() > 1)
		cpu_relax();
	race_go("supervise_has_started");
	return unused;
}

/* A failure of a child that was just started again counts, however quick it is. */
TASK_TEST(fails_again, 2)
{
	struct sley_scope *scope = open_with(OPTIONS(.restart = SLEY_RESTART_ALL, .restarts = 1, .within = SLEY_NEVER));
	pthread_t thread;
	race_stop("supervise_has_started");
	REQUIRE(pthread_create(&thread, NULL, let_it_fail, NULL) == 0);
	REQUIRE(sley_scope_spawn(scope, fails, (void *)0) > 0);
	REQUIRE(sley_scope_wait(scope, SOON) == -ELOOP);
	REQUIRE(children[0].starts == 2);
	REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(sley_scope_close(scope, SOON) == -ELOOP);
}
#endif

static int both_fail(void *number)
{
	unsigned start = fetch_add(&children[(uintptr_t)number].starts, 1, relaxed);
	return start == 0 ? -EIO : 0;
}

/* Failures before the owner waits are kept for it; of all of them SLEY_RESTART_ALL makes one restart. */
TASK_TEST(at_once, 1, 2, 4)
{
	struct sley_scope *scope = open_with(OPTIONS(.restart = SLEY_RESTART_ALL, .restarts = 1));
	for (uintptr_t i = 0; i < CHILDREN; i++)
		REQUIRE(sley_scope_spawn(scope, both_fail, (void *)i) > 0);
	for (unsigned i = 0; i < CHILDREN; i++)
		await(&children[i].starts, 1);
	while (live_tasks() > 1)
		sley_yield(); /* all have failed before the owner looks */
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	for (unsigned i = 0; i < CHILDREN; i++)
		REQUIRE(children[i].starts == 2);
}

/* ---- the end of the scope meanwhile ---- */

static void act_cancel(sley_task task)
{
	crash(1);
	await_starts(1, 2, 1, 1);
	REQUIRE(sley_scope_cancel(supervised) == 0);
}

static void act_cancel_owner(sley_task task)
{
	crash(1);
	await_starts(1, 2, 1, 1);
	REQUIRE(sley_cancel(task) == 0);
}

/* Cancelled, its owner cancelled, and out of time: nothing is started again, and all end. */
TASK_TEST(ends, 1, 2, 4)
{
	struct sley_scope_options options = OPTIONS(.restart = SLEY_RESTART_ONE);
	REQUIRE(supervise_with(options, act_cancel) == -ECANCELED);
	REQUIRE(supervise_with(options, act_cancel_owner) == -ECANCELED);
	options.deadline = sley_in(SLEY_MS(2));
	struct sley_scope *scope = open_with(options);
	spawn_services(scope);
	REQUIRE(sley_scope_close(scope, SLEY_NEVER) == -ETIMEDOUT);
	for (unsigned i = 0; i < CHILDREN; i++)
		REQUIRE(children[i].starts == 1 && children[i].ends == 1);
}

static struct sley_group gate;

/* Its cleanup keeps a restart of the others waiting. */
static int stops_slowly(void *arg)
{
	fetch_add(&children[3].starts, 1, release);
	REQUIRE(sley_sleep(SLEY_NEVER) == -ECANCELED);
	int masked = sley_cancel_mask(1);
	REQUIRE(sley_group_wait(&gate, SOON) == 0);
	sley_cancel_mask(masked);
	fetch_add(&children[3].ends, 1, release);
	return -ECANCELED;
}

static void slow_owner(void *options)
{
	supervised = open_with(*(struct sley_scope_options *)options);
	REQUIRE(sley_scope_spawn(supervised, serves, (void *)0) > 0);
	REQUIRE(sley_scope_spawn(supervised, stops_slowly, NULL) > 0);
	store(&spawned, 1, release);
	answer = sley_scope_close(supervised, SLEY_NEVER);
}

/* The scope ends, or gets another child, while those that are to be started again are waited for. */
TASK_TEST(while_stopping, 1, 2, 4)
{
	for (int how = 0; how < 4; how++) {
		struct sley_scope_options options = OPTIONS(.restart = SLEY_RESTART_ALL);
		REQUIRE(sley_group_add(&gate, 1) == 0);
		spawned = 0;
		sley_task task = sley_spawn_copy(slow_owner, &options, sizeof(options));
		await(&spawned, 1);
		await(&children[0].starts, 1);
		await(&children[3].starts, 1);
		crash(0);
		await(&children[0].ends, 1);
		for (int i = 0; i < 20; i++)
			sley_yield();
		REQUIRE(children[0].starts == 1); /* it waits for the other's end */
		if (how == 1)
			REQUIRE(sley_cancel(task) == 0);
		if (how == 2)
			REQUIRE(sley_scope_cancel(supervised) == 0);
		if (how == 3) { /* a newcomer meanwhile is not in the way */
			REQUIRE(sley_scope_spawn(supervised, serves, (void *)1) > 0);
			await(&children[1].starts, 1);
		}
		REQUIRE(sley_group_done(&gate) == 0);
		if (how == 0 || how == 3) {
			await(&children[3].starts, 2);
			await(&children[0].starts, 2);
			REQUIRE(sley_scope_cancel(supervised) == 0);
		}
		REQUIRE(sley_join(task, SOON) == 0);
		REQUIRE(answer == -ECANCELED);
		REQUIRE(children[0].starts == (how == 0 || how == 3 ? 2 : 1));
		REQUIRE(children[0].starts == children[0].ends && children[3].starts == children[3].ends);
		REQUIRE(children[1].starts == children[1].ends);
	}
}

/* ---- what a new start gets ---- */

static int spoils_block(void *arg)
{
	char *block = arg;
	unsigned start = fetch_add(&children[0].starts, 1, relaxed);
	REQUIRE(strncmp(record_of(sley_self())->name, "the service", 16) == 0);
	for (int i = 0; i < 1000; i++)
		REQUIRE(block[i] == 'b');
	memset(block, 'x', 1000);
	return start < 3 ? -EIO : 0;
}

/* Each start gets the block and the options of the first, whatever became of them. */
TASK_TEST(block, 1, 2, 4)
{
	struct sley_scope *scope = open_with(OPTIONS(.restart = SLEY_RESTART_ONE));
	static char large[(16 << 10) + 1];
	char block[1000], name[16] = "the service";
	struct sley_task_options task = { .size = sizeof(task), .name = name };
	struct sley_child_options options = { .size = sizeof(options), .task = &task };
	/* what is kept is bounded; what cannot be kept is not begun */
	REQUIRE(sley_scope_spawn_copy(scope, spoils_block, large, sizeof(large)) == -E2BIG);
	REQUIRE(sley_scope_spawn_copy(NULL, spoils_block, block, 1) == -EINVAL);
	REQUIRE(sley_scope_spawn_copy(scope, (int (*)(void *))NULL, block, 1) == -EINVAL);
	REQUIRE(children[0].starts == 0);
	memset(block, 'b', sizeof(block));
	REQUIRE(sley_scope_spawn_with(scope, &options, spoils_block, block, sizeof(block)) > 0);
	memset(block, 'o', sizeof(block));
	memset(name, 'n', sizeof(name));
	memset(&task, 0, sizeof(task));
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	REQUIRE(children[0].starts == 4);
}

static int fails_without_memory(void *arg)
{
	if (fetch_add(&children[0].starts, 1, relaxed) == 2)
		store(&block_test_fail, 1, relaxed);
	return -EIO;
}

static int main_no_memory(void *arg)
{
	struct sley_scope *scope = open_with(OPTIONS(.restart = SLEY_RESTART_ONE));
	char block[100] = { 0 };
	REQUIRE(sley_scope_spawn(scope, serves, (void *)1) > 0);
	REQUIRE(sley_scope_spawn_copy(scope, fails_without_memory, block, sizeof(block)) > 0);
	REQUIRE(sley_scope_wait(scope, SOON) == -ENOMEM);
	store(&block_test_fail, 0, relaxed);
	REQUIRE(children[0].starts == 3 && children[1].starts == children[1].ends);
	REQUIRE(sley_scope_close(scope, SOON) == -ENOMEM);
	return 0;
}

/* A restart that fails ends the scope with that error. */
TEST(no_memory)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1 };
	run_with(main_no_memory, NULL, &options);
}

/* ---- raced ---- */

static int fails_soon(void *number)
{
	fetch_add(&children[(uintptr_t)number].starts, 1, relaxed);
	if ((uintptr_t)number % 2)
		sley_yield();
	fetch_add(&children[(uintptr_t)number].ends, 1, relaxed);
	return -EIO;
}

static void cancels(void *scope)
{
	REQUIRE(sley_scope_cancel(scope) == 0);
}

/*
 * A restart against a cancellation: either the child that is started again is never made, or it is, and is cancelled
 * like the others; the scope never waits for one that is not there.
 *
 *   owner                                 canceller
 *   FAILED: reserve: count++
 *                                         cancelled; tells those that are linked
 *   make the task; link; tell it; start
 */
TASK_TEST(race, 1, 2, 4)
{
	long rounds = test_scale(3000);
	unsigned stopped_early = 0;
	for (long i = 0; i < rounds; i++) {
		struct sley_scope *scope = open_with(OPTIONS(.restart = (unsigned)i % 3 + 1, .restarts = 20));
		for (uintptr_t k = 0; k < CHILDREN; k++)
			REQUIRE(sley_scope_spawn(scope, fails_soon, (void *)k) > 0);
		sley_task task = sley_spawn(cancels, scope);
		for (long spin = i % 7; spin > 0; spin--)
			sley_yield();
		int error = sley_scope_wait(scope, SOON);
		REQUIRE(error == -ECANCELED || error == -ELOOP);
		stopped_early += error == -ECANCELED;
		REQUIRE(sley_join(task, SOON) == 0); /* it uses the scope */
		REQUIRE(sley_scope_close(scope, SOON) == error);
		for (unsigned k = 0; k < CHILDREN; k++)
			REQUIRE(children[k].starts == children[k].ends);
	}
	REQUIRE(stopped_early > 0);
}
