/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Supervision: who is started again after which end, in which order, and when it is too much. */
#include "tests/unit/sync/services.h"

#include <pthread.h>
#include <string.h>

#include "base/atomic.h"
#include "tests/race.h"

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
	lock_take(&services_log.lock);
	size_t ends = strlen(services_log.text) - strlen(starts);
	REQUIRE(strcmp(services_log.text + ends, starts) == 0); /* all ends come before all starts */
	for (const char *p = stopped; *p; p++) {
		char end[3] = { '-', *p };
		REQUIRE(occurrences(services_log.text, end) == 1);
	}
	REQUIRE(ends == 2 * strlen(stopped));
	lock_drop(&services_log.lock);
}

/* The scope must have seen its end: a child that is told to end, and has done so, is started again. */
static void await_result(unsigned number)
{
	sley_time deadline = SOON;
	int result;
	while (sley_child_result(handles[number], &result, NULL, 0) == -EAGAIN) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

static void act_all(sley_task task)
{
	finish(0);
	await_result(0);
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
	await_result(3);
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
	fetch_add(&services[0].starts, 1, relaxed);
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
	REQUIRE(services[0].starts == 50);
	REQUIRE(sley_child_result(child, &result, NULL, 0) == 0 && result == 7);
	REQUIRE(sley_scope_close(scope, SOON) == -ECANCELED);
}

static int is_cancelled_by_id(void *arg)
{
	unsigned start = fetch_add(&services[0].starts, 1, release);
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
	REQUIRE(services[0].starts == 2);
}

/* ---- limits ---- */

static int fails(void *number)
{
	fetch_add(&services[(uintptr_t)number].starts, 1, relaxed);
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
		REQUIRE(services[0].starts == 6);
		REQUIRE(services[1].starts == services[1].ends);
		REQUIRE(services[1].starts == (restart == SLEY_RESTART_ALL ? 6 : 1));
		REQUIRE(sley_scope_spawn(scope, fails, NULL) == -ECANCELED);
		REQUIRE(sley_scope_close(scope, SOON) == -ELOOP);
	}
	struct sley_scope *scope = open_with(OPTIONS(.restart = SLEY_RESTART_ONE));
	REQUIRE(sley_scope_spawn(scope, fails, (void *)0) > 0);
	REQUIRE(sley_scope_close(scope, SOON) == -ELOOP);
	REQUIRE(services[0].starts == 4); /* the default: three */
}

static int fails_for_a_while(void *arg)
{
	fetch_add(&services[0].starts, 1, relaxed);
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
	REQUIRE(services[0].starts == 50);
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
	REQUIRE(services[0].starts == 2);
	REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(sley_scope_close(scope, SOON) == -ELOOP);
}
#endif

static int both_fail(void *number)
{
	unsigned start = fetch_add(&services[(uintptr_t)number].starts, 1, relaxed);
	return start == 0 ? -EIO : 0;
}

/* Failures before the owner waits are kept for it; of all of them SLEY_RESTART_ALL makes one restart. */
TASK_TEST(at_once, 1, 2, 4)
{
	struct sley_scope *scope = open_with(OPTIONS(.restart = SLEY_RESTART_ALL, .restarts = 1));
	for (uintptr_t i = 0; i < SERVICES; i++)
		REQUIRE(sley_scope_spawn(scope, both_fail, (void *)i) > 0);
	for (unsigned i = 0; i < SERVICES; i++)
		await(&services[i].starts, 1);
	while (live_tasks() > 1)
		sley_yield(); /* all have failed before the owner looks */
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	for (unsigned i = 0; i < SERVICES; i++)
		REQUIRE(services[i].starts == 2);
}
