/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Deadlines of scopes: of the wait, of the scope, and those that come down the tree. */
#include "tests/unit/sync/scope_children.h"

#include "base/atomic.h"

static int main_wait_deadline(void *arg)
{
	struct sley_scope *scope = open_scope(NULL);
	spawn_some(scope, waits, 10);
	await_started(10);
	REQUIRE(sley_scope_wait(scope, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(load(&children.ended, relaxed) == 10);
	REQUIRE(sley_scope_spawn(scope, works, NULL) == -ECANCELED);
	REQUIRE(sley_scope_close(scope, 0) == -ETIMEDOUT);
	scope = open_scope(NULL);
	spawn_some(scope, waits, 10);
	REQUIRE(sley_scope_close(scope, 0) == -ETIMEDOUT); /* at once */
	REQUIRE(load(&children.ended, relaxed) == 20);
	return 0;
}

/* A wait whose time is over cancels the children, and is still for all of them. */
TEST(wait_deadline)
{
	run_fresh(main_wait_deadline);
}

static sley_time inner_deadline;

/* Once the time is over, the owner's wait is, too, and the children are cancelled. */
static bool is_over(int error)
{
	return error == -ETIMEDOUT || error == -ECANCELED;
}

static int inherits(void *arg)
{
	struct sley_scope_options later = { .size = sizeof(later), .deadline = sley_in(SLEY_SEC(3600)) };
	struct sley_scope *scope = open_scope(&later);
	char item;
	REQUIRE(sley_deadline() == inner_deadline);
	REQUIRE(is_over(sley_chan_recv(children.never, &item, SLEY_NEVER)));
	REQUIRE(sley_now() >= inner_deadline);
	REQUIRE(is_over(sley_sleep(SLEY_NEVER)));
	sley_scope_spawn(scope, waits, NULL); /* for this one, too, if it is started at all */
	REQUIRE(is_over(sley_scope_wait(scope, SLEY_NEVER)));
	REQUIRE(sley_cancel_mask(1) == 0);
	REQUIRE(sley_chan_recv(children.never, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0); /* masked: not the inherited one */
	REQUIRE(sley_cancel_mask(0) == 1);
	REQUIRE(is_over(sley_scope_close(scope, SLEY_NEVER)));
	return -ETIMEDOUT;
}

static int has_own(void *arg)
{
	struct sley_scope_options sooner = { .size = sizeof(sooner), .deadline = sley_in(SLEY_MS(2)) };
	struct sley_scope *scope = open_scope(&sooner);
	REQUIRE(sley_deadline() != sooner.deadline); /* it is the children's */
	inner_deadline = sooner.deadline;
	REQUIRE(sley_scope_spawn(scope, inherits, NULL) > 0);
	REQUIRE(sley_scope_close(scope, SLEY_NEVER) == -ETIMEDOUT);
	return 0;
}

static int main_inherited(void *arg)
{
	struct sley_scope_options options = { .size = sizeof(options), .deadline = SOON };
	struct sley_scope *scope = open_scope(&options);
	REQUIRE(sley_deadline() == SLEY_NEVER);
	REQUIRE(sley_scope_spawn(scope, has_own, NULL) > 0);
	REQUIRE(sley_scope_close(scope, SLEY_NEVER) == 0);
	return 0;
}

/* The earlier of the scope's deadline and the one above ends every wait of a child, and bounds the scopes below. */
TEST(inherited)
{
	run_fresh(main_inherited);
	assert_true(sley_deadline() == SLEY_NEVER);
}

static int sleep_error;

static int sleeps(void *arg)
{
	store(&sleep_error, sley_sleep(SLEY_NEVER), release);
	return 0;
}

/* A sleep that the inherited deadline cuts short says so. */
TASK_TEST(sleep, 1, 2, 4)
{
	struct sley_scope_options options = { .size = sizeof(options), .deadline = sley_in(SLEY_MS(2)) };
	struct sley_scope *scope = open_scope(&options);
	sleep_error = 1;
	REQUIRE(sley_scope_spawn(scope, sleeps, NULL) > 0);
	while (load(&sleep_error, acquire) == 1) /* nobody cancels it: its own deadline alone ends the sleep */
		sley_yield();
	REQUIRE(sleep_error == -ETIMEDOUT && sley_now() >= options.deadline);
	int error = sley_scope_close(scope, SLEY_NEVER);
	REQUIRE(error == 0 || is_over(error)); /* the child may be on its last steps, after the deadline */
}
