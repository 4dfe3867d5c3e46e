/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Cancelling scopes: from anywhere, by their owners, down the tree; and while children are made or the scope is closed. */
#include "tests/unit/sync/scope_children.h"

#include <pthread.h>

#include "base/atomic.h"
#include "tests/race.h"

/* ---- cancelling a scope ---- */

static void *cancel_from_thread(void *scope)
{
	REQUIRE(sley_scope_cancel(scope) == 0);
	return NULL;
}

static void cancel_from_task(void *scope)
{
	REQUIRE(sley_scope_cancel(scope) == 0);
}

static int cancel_from_child(void *scope)
{
	REQUIRE(sley_scope_cancel(scope) == 0);
	REQUIRE(sley_cancelled() == 1);
	fetch_add(&children.ended, 1, relaxed);
	return 0;
}

static int main_cancel(void *arg)
{
	for (int from = 0; from < 4; from++) {
		struct sley_scope *scope = open_scope(NULL);
		pthread_t thread;
		children.ended = children.started = 0;
		spawn_some(scope, waits, 200);
		await_started(from == 3 ? 0 : 200); /* or some before they have run at all */
		if (from == 0)
			REQUIRE(pthread_create(&thread, NULL, cancel_from_thread, scope) == 0);
		else if (from == 1)
			REQUIRE(sley_go(cancel_from_task, scope) == 0);
		else if (from == 2)
			REQUIRE(sley_scope_spawn(scope, cancel_from_child, scope) > 0);
		else
			REQUIRE(sley_scope_cancel(scope) == 0 && sley_scope_cancel(scope) == 0);
		REQUIRE(sley_scope_wait(scope, SOON) == -ECANCELED);
		REQUIRE(load(&children.ended, relaxed) == 200 + (from == 2));
		if (from == 0)
			REQUIRE(pthread_join(thread, NULL) == 0);
		REQUIRE(sley_scope_spawn(scope, works, NULL) == -ECANCELED);
		REQUIRE(sley_cancelled() == 0); /* the owner is not */
		REQUIRE(sley_scope_close(scope, SOON) == -ECANCELED);
	}
	return 0;
}

/* From a thread, a task, a child and the owner: every child ends, and the scope takes no more. */
TEST(cancel)
{
	run_fresh(main_cancel);
}

/* ---- the owner is cancelled ---- */

static void owner_waits(void *close)
{
	struct sley_scope *scope = open_scope(NULL);
	spawn_some(scope, waits, 10);
	if (close) {
		REQUIRE(sley_scope_close(scope, SLEY_NEVER) == -ECANCELED);
	} else {
		REQUIRE(sley_scope_wait(scope, SLEY_NEVER) == -ECANCELED);
		REQUIRE(sley_scope_close(scope, SLEY_NEVER) == -ECANCELED);
	}
	REQUIRE(load(&children.ended, relaxed) == 10);
	REQUIRE(sley_cancelled() == 1 && sley_cancel_mask(0) == 0);
}

static int main_owner_cancelled(void *arg)
{
	for (uintptr_t close = 0; close < 2; close++) {
		children.ended = children.started = 0;
		sley_task owner = sley_spawn(owner_waits, (void *)close);
		await_started(10);
		await_state(owner, SLEY_TASK_WAITING, SLEY_WAIT_SCOPE);
		REQUIRE(sley_cancel(owner) == 0);
		REQUIRE(sley_join(owner, SOON) == 0);
	}
	return 0;
}

/* The wait of a cancelled owner cancels the children, and is still for all of them. */
TEST(owner_cancelled)
{
	run_fresh(main_owner_cancelled);
}

static void owner_spawns(void *arg)
{
	struct sley_scope *scope = open_scope(NULL);
	spawn_some(scope, waits, 3);
	await_started(3);
	while (!sley_cancelled())
		sley_yield();
	REQUIRE(sley_scope_spawn(scope, works, NULL) == -ECANCELED);
	while (load(&children.ended, acquire) < 3)
		sley_yield(); /* they were cancelled by that */
	REQUIRE(sley_cancel_mask(1) == 0);
	struct sley_scope *cleanup = open_scope(NULL);
	spawn_some(cleanup, works, 3);
	REQUIRE(sley_scope_close(cleanup, SOON) == 0);
	REQUIRE(sley_scope_close(scope, SOON) == -ECANCELED);
	REQUIRE(load(&children.ended, relaxed) == 6);
}

static int main_owner_spawns(void *arg)
{
	sley_task owner = sley_spawn(owner_spawns, NULL);
	await_started(3);
	REQUIRE(sley_cancel(owner) == 0);
	REQUIRE(sley_join(owner, SOON) == 0);
	return 0;
}

/* Spawning by a cancelled owner is refused and cancels the scope; in a masked section scopes work as ever. */
TEST(owner_spawns)
{
	run_fresh(main_owner_spawns);
}

static void owner_is_masked(void *arg)
{
	struct sley_scope *scope = open_scope(NULL);
	REQUIRE(sley_cancel_mask(1) == 0);
	spawn_some(scope, waits_for_gate, 3);
	REQUIRE(sley_scope_close(scope, SLEY_NEVER) == 0);
	REQUIRE(sley_cancel_mask(1) == 1); /* as it was */
	REQUIRE(sley_cancelled() == 1);
}

static int main_owner_masked(void *arg)
{
	REQUIRE(sley_group_add(&children.gate, 1) == 0);
	sley_task owner = sley_spawn(owner_is_masked, NULL);
	await_started(3);
	await_state(owner, SLEY_TASK_WAITING, SLEY_WAIT_SCOPE);
	REQUIRE(sley_cancel(owner) == 0);
	for (int i = 0; i < 50; i++)
		sley_yield();
	REQUIRE(state_of(owner) == SLEY_TASK_WAITING && load(&children.ended, relaxed) == 0);
	REQUIRE(sley_group_done(&children.gate) == 0);
	REQUIRE(sley_join(owner, SOON) == 0);
	REQUIRE(load(&children.ended, relaxed) == 3);
	return 0;
}

/* A masked owner that is cancelled leaves its children alone. */
TEST(owner_masked)
{
	run_fresh(main_owner_masked);
}

/* ---- down the tree ---- */

static int tree(void *depth)
{
	struct sley_scope *scope;
	if (!depth)
		return waits(NULL);
	scope = open_scope(NULL);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_scope_spawn(scope, tree, (void *)((uintptr_t)depth - 1)) > 0);
	int error = sley_scope_close(scope, SLEY_NEVER);
	fetch_add(&children.ended, 1, relaxed);
	return error;
}

static int main_tree(void *arg)
{
	struct sley_scope *scope = open_scope(NULL);
	REQUIRE(sley_scope_spawn(scope, tree, (void *)4) > 0);
	await_started(81);
	REQUIRE(sley_scope_cancel(scope) == 0);
	REQUIRE(sley_scope_close(scope, SOON) == -ECANCELED);
	REQUIRE(load(&children.ended, relaxed) == 81 + 27 + 9 + 3 + 1);
	return 0;
}

/* Cancelling the root reaches every leaf, and the root's end is the last. */
TEST(tree)
{
	run_fresh(main_tree);
}

#if RACE_POINTS

/* ---- who cancels it from outside is done with it before it is closed ---- */

static struct sley_scope *_Atomic cancelled;
static unsigned closed; /* atomic */

static int ends(void *unused)
{
	return 0;
}

/* It sees that the scope is cancelled before it has been told. */
static int sees(void *scope)
{
	sley_time deadline = SOON;
	int64_t id;
	while ((id = sley_scope_spawn(scope, ends, NULL)) >= 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	return 0;
}

static void closes(void *unused)
{
	struct sley_scope *scope;
	REQUIRE(sley_scope_open(&scope, NULL) == 0);
	REQUIRE(sley_scope_spawn(scope, sees, scope) > 0);
	cancelled = scope; /* from here on it may be cancelled, and nothing can be spawned in it */
	REQUIRE(sley_scope_close(scope, SLEY_NEVER) == -ECANCELED);
	store(&closed, 1, relaxed);
}

static void *cancels(void *scope)
{
	REQUIRE(sley_scope_cancel(scope) == 0);
	return NULL;
}

/*
 *   a plain thread                       the scope
 *   cancelled = true
 *                                        its children see that, and end; its owner would close it
 *   looks for children to tell
 */
TASK_TEST(cancelled_outside, 2)
{
	pthread_t thread;
	cancelled = NULL;
	closed = 0;
	sley_task owner = sley_spawn(closes, NULL);
	while (!cancelled)
		sley_yield();
	race_stop("scope_is_cancelled");
	REQUIRE(pthread_create(&thread, NULL, cancels, cancelled) == 0);
	race_wait("scope_is_cancelled");
	for (int i = 0; i < 1000; i++)
		sley_yield();
	REQUIRE(!load(&closed, relaxed));
	race_go("scope_is_cancelled");
	REQUIRE(pthread_join(thread, NULL) == 0 && sley_join(owner, SOON) == 0);
}

/* ---- cancelled while a child is made ---- */

static unsigned told; /* atomic */

static int spawns_when_told(void *scope)
{
	fetch_add(&children.started, 1, release);
	await_at_least(&told, 1);
	REQUIRE(sley_scope_spawn(scope, waits, NULL) > 0);
	fetch_add(&children.ended, 1, relaxed);
	return 0;
}

/*
 *   spawns                               cancels
 *   the scope is not cancelled: count++
 *                                        cancelled = true; tells the children that are linked
 *   makes the task; links it: it is cancelled, tells it itself
 */
TASK_TEST(cancelled_while_spawning, 2)
{
	children.ended = children.started = told = 0;
	REQUIRE(sley_chan_new(&children.never, 1, 0) == 0);
	struct sley_scope *scope = open_scope(NULL);
	REQUIRE(sley_scope_spawn(scope, spawns_when_told, scope) > 0);
	await_started(1);
	race_stop("child_is_counted");
	store(&told, 1, release);
	race_wait("child_is_counted");
	REQUIRE(sley_scope_cancel(scope) == 0);
	race_go("child_is_counted");
	await_at_least(&children.ended, 2); /* also the one that was not linked yet */
	REQUIRE(sley_scope_close(scope, SOON) == -ECANCELED);
	REQUIRE(sley_chan_free(children.never) == 0);
}

#endif
