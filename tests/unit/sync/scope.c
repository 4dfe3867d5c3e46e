/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Scopes: children end before they do, whatever ends the wait; first errors, scopes left open, and what is refused. */
#include "tests/unit/sync/scope_children.h"

#include "base/atomic.h"
#include "base/block.h"

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
	REQUIRE(occurrences(text, "sley_scope_wait() fails with -EFAULT: the scope") == 1);
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
