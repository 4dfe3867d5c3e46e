/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Scopes: children end before they do, whatever ends the wait; cancellation goes down the tree. */
#include "tests/unit/sync/scope_children.h"

#include <pthread.h>

#include "base/atomic.h"
#include "base/block.h"
#include "tests/race.h"

/* ---- waiting ---- */

static int main_wait(void *arg)
{
	struct sley_scope *scope = open_scope(NULL);
	REQUIRE(sley_scope_wait(scope, 0) == 0); /* nothing to wait for */
	for (unsigned round = 1; round <= 3; round++) {
		spawn_some(scope, works, 10);
		REQUIRE(sley_scope_wait(scope, SOON) == 0);
		REQUIRE(load(&children.ended, relaxed) == round * 10);
	}
	REQUIRE(sley_scope_close(scope, 0) == 0);

	scope = open_scope(NULL);
	spawn_some(scope, works, 10);
	REQUIRE(sley_scope_close(scope, SLEY_NEVER) == 0);
	REQUIRE(load(&children.ended, relaxed) == 40);
	return 0;
}

/* Waiting and closing are over when all children have ended; a scope that was waited for takes more. */
TEST(wait)
{
	run_fresh(main_wait);
}

static int spawns_sibling(void *scope)
{
	if (fetch_add(&children.started, 1, relaxed) < 50)
		REQUIRE(sley_scope_spawn(scope, spawns_sibling, scope) > 0);
	for (int i = 0; i < 3; i++)
		sley_yield();
	fetch_add(&children.ended, 1, relaxed);
	return 0;
}

static int main_siblings(void *arg)
{
	struct sley_scope *scope = open_scope(NULL);
	REQUIRE(sley_scope_spawn(scope, spawns_sibling, scope) > 0);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	REQUIRE(load(&children.ended, relaxed) == 51);
	return 0;
}

/* A child may spawn into the scope that it is in: the wait is for those, too. */
TEST(siblings)
{
	run_fresh(main_siblings);
}

/* ---- the first error ---- */

static int main_first_error(void *arg)
{
	struct sley_scope *scope = open_scope(NULL);
	spawn_some(scope, waits, 10);
	await_started(10);
	REQUIRE(sley_scope_spawn(scope, works, (void *)(intptr_t)-EIO) > 0);
	REQUIRE(sley_scope_wait(scope, SOON) == -EIO);
	REQUIRE(load(&children.ended, relaxed) == 11);
	REQUIRE(sley_scope_spawn(scope, works, NULL) == -ECANCELED);
	REQUIRE(sley_scope_wait(scope, SOON) == -EIO && sley_scope_close(scope, SOON) == -EIO);
	return 0;
}

/* A child's failure cancels the others, and is what the scope answers from then on. */
TEST(first_error)
{
	run_fresh(main_first_error);
}

static int main_keep_going(void *arg)
{
	struct sley_scope_options options = { .size = sizeof(options), .keep_going = 1 };
	struct sley_scope *scope = open_scope(&options);
	REQUIRE(sley_group_add(&children.gate, 1) == 0);
	spawn_some(scope, waits_for_gate, 10);
	REQUIRE(sley_scope_spawn(scope, works, (void *)(intptr_t)-EIO) > 0);
	while (load(&children.ended, acquire) < 1)
		sley_yield();
	REQUIRE(sley_scope_spawn(scope, works, (void *)(intptr_t)-ENOENT) > 0);
	while (load(&children.ended, acquire) < 2)
		sley_yield();
	REQUIRE(sley_group_done(&children.gate) == 0);
	REQUIRE(sley_scope_wait(scope, SOON) == -EIO);
	REQUIRE(load(&children.ended, relaxed) == 12);
	REQUIRE(sley_scope_spawn(scope, works, NULL) > 0);
	REQUIRE(sley_scope_close(scope, SOON) == -EIO);
	REQUIRE(load(&children.ended, relaxed) == 13);
	return 0;
}

/* With keep_going the others go on, and the first error is still answered. */
TEST(keep_going)
{
	run_fresh(main_keep_going);
}

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

/* ---- left open ---- */

static void note_cleanup(void *expected)
{
	REQUIRE(load(&children.ended, relaxed) == (uintptr_t)expected);
	fetch_add(&children.started, 1000, relaxed);
}

static void leaves_open(void *arg)
{
	REQUIRE(sley_cleanup_push(note_cleanup, (void *)6) == 0);
	spawn_some(open_scope(NULL), waits, 3);
	REQUIRE(sley_cleanup_push(note_cleanup, (void *)3) == 0);
	spawn_some(open_scope(NULL), waits, 3);
	REQUIRE(sley_cleanup_push(note_cleanup, (void *)0) == 0);
	await_started(6);
	REQUIRE(sley_cleanup_pop(1) == 0);
	REQUIRE(sley_cleanup_pop(1) == -EBUSY);
}

static int child_leaves_open(void *arg)
{
	leaves_open(arg);
	return 0;
}

static int main_left_open(void *arg)
{
	sley_task owner = sley_spawn(leaves_open, NULL);
	REQUIRE(sley_join(owner, SOON) == 0);
	REQUIRE(load(&children.ended, relaxed) == 6 && load(&children.started, relaxed) == 3006);
	children.ended = children.started = 0;
	struct sley_scope *scope = open_scope(NULL);
	REQUIRE(sley_scope_spawn(scope, child_leaves_open, NULL) > 0);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	REQUIRE(load(&children.ended, relaxed) == 6 && load(&children.started, relaxed) == 3006);
	children.ended = children.started = 0;
	leaves_open(NULL); /* and the main task's */
	return 0;
}

/* Scopes left open are closed before their owner's end is told, each in its turn among the cleanups. */
TEST(left_open)
{
	run_fresh(main_left_open);
	assert_int_equal(children.ended, 6);
	assert_int_equal(children.started, 3006);
}

static int main_order(void *arg)
{
	struct sley_scope *outer = open_scope(NULL), *inner = open_scope(NULL), *last = open_scope(NULL);
	spawn_some(outer, works, 2);
	spawn_some(inner, waits, 2);
	spawn_some(last, works, 2);
	REQUIRE(sley_scope_close(outer, SOON) == 0);
	REQUIRE(sley_scope_close(last, SOON) == 0);
	REQUIRE(sley_scope_cancel(inner) == 0);
	REQUIRE(sley_scope_close(inner, SOON) == -ECANCELED);
	REQUIRE(sley_cleanup_pop(0) == -ENOENT);
	return 0;
}

/* A task may have several open, and close them in any order. */
TEST(order)
{
	run_fresh(main_order);
}

/* ---- refused ---- */

static void not_owner(void *scope)
{
	REQUIRE(sley_scope_wait(scope, SOON) == -EPERM);
	REQUIRE(sley_scope_close(scope, SOON) == -EPERM);
}

static void on_stack(void *arg)
{
	char place[256] = { 0 };
	REQUIRE(sley_scope_wait((void *)place, SOON) == -EFAULT);
	REQUIRE(sley_scope_close((void *)place, SOON) == -EFAULT);
	REQUIRE(sley_scope_cancel((void *)place) == -EFAULT);
	REQUIRE(sley_scope_spawn((void *)place, works, NULL) == -EFAULT);
}

static void check_options(void)
{
	struct sley_scope_options options = { .size = sizeof(options) - 1 };
	struct sley_scope *scope;
	REQUIRE(sley_scope_open(&scope, &options) == -EINVAL);
	options = (struct sley_scope_options){ .size = sizeof(options), .restarts = 1025 };
	REQUIRE(sley_scope_open(&scope, &options) == -EINVAL);
	options = (struct sley_scope_options){ .size = sizeof(options), .within = -1 };
	REQUIRE(sley_scope_open(&scope, &options) == -EINVAL);
	options = (struct sley_scope_options){ .size = sizeof(options), .deadline = 1 }; /* long ago */
	REQUIRE(sley_scope_open(&scope, &options) == 0);
	REQUIRE(sley_scope_spawn(scope, waits, NULL) > 0);
	REQUIRE(sley_scope_close(scope, SOON) == -ETIMEDOUT);
}

static int main_refused(void *arg)
{
	struct sley_scope *scope;
	char text[4096];
	check_options();
	REQUIRE(sley_scope_wait(NULL, SOON) == -EINVAL && sley_scope_close(NULL, SOON) == -EINVAL);
	REQUIRE(sley_scope_cancel(NULL) == -EINVAL);
	store(&block_test_fail, 1, relaxed);
	REQUIRE(sley_scope_open(&scope, NULL) == -ENOMEM);
	store(&block_test_fail, 0, relaxed);
	scope = open_scope(NULL);
	REQUIRE(sley_join(sley_spawn(not_owner, scope), SOON) == 0);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	capture_begin();
	REQUIRE(sley_join(sley_spawn(on_stack, NULL), SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_scope_wait: the scope") == 1);
	return 0;
}

/* Null, another's, on a copying stack, options out of range, no memory; outside of a task and of a run. */
TEST(refused)
{
	struct sley_scope *scope;
	assert_int_equal(sley_chan_new(&children.never, 1, 0), 0);
	run(main_refused, 2);
	assert_int_equal(sley_chan_free(children.never), 0);
	assert_int_equal(sley_scope_open(&scope, NULL), -EDEADLK);
	assert_int_equal(sley_scope_wait(NULL, 0), -EDEADLK);
	assert_int_equal(sley_scope_close(NULL, 0), -EDEADLK);
	assert_int_equal(sley_scope_cancel(NULL), -ENOTCONN);
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
static int sees(void *unused)
{
	sley_time deadline = SOON;
	int64_t id;
	while ((id = sley_scope_spawn(cancelled, ends, NULL)) >= 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	return 0;
}

static void closes(void *unused)
{
	struct sley_scope *scope;
	REQUIRE(sley_scope_open(&scope, NULL) == 0);
	cancelled = scope;
	REQUIRE(sley_scope_spawn(scope, sees, NULL) > 0);
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
