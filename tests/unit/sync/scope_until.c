/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A wait for a scope until a time: what it leaves alone, and what ends it otherwise. */
#include "tests/unit/sync/scope_children.h"

#include "base/atomic.h"

static int main_left(void *arg)
{
	struct sley_scope *scope = open_scope(NULL);
	REQUIRE(sley_scope_wait_until(scope, 0) == 0); /* nothing to wait for */
	REQUIRE(sley_group_add(&children.gate, 1) == 0);
	spawn_some(scope, waits_for_gate, 10);
	await_started(10);
	REQUIRE(sley_scope_wait_until(scope, 0) == SLEY_CHILDREN_LEFT);
	REQUIRE(sley_scope_wait_until(scope, sley_in(SLEY_MS(1))) == SLEY_CHILDREN_LEFT);
	REQUIRE(load(&children.ended, relaxed) == 0);
	REQUIRE(sley_scope_spawn(scope, works, NULL) > 0); /* it is not cancelled */
	REQUIRE(sley_group_done(&children.gate) == 0);
	REQUIRE(sley_scope_wait_until(scope, SOON) == 0);
	REQUIRE(load(&children.ended, relaxed) == 11);
	REQUIRE(sley_scope_close(scope, 0) == 0);
	return 0;
}

/* When the time has come, children are left, none is cancelled, and the scope takes more. When all have ended it is over. */
TEST(left)
{
	run_fresh(main_left);
}

static int main_failure(void *arg)
{
	struct sley_scope *scope = open_scope(NULL);
	spawn_some(scope, waits, 5);
	REQUIRE(sley_scope_spawn(scope, works, (void *)(intptr_t)-EIO) > 0);
	REQUIRE(sley_scope_wait_until(scope, SLEY_NEVER) == -EIO);
	REQUIRE(load(&children.ended, relaxed) == 6);
	REQUIRE(sley_scope_wait_until(scope, 0) == -EIO && sley_scope_close(scope, 0) == -EIO);
	return 0;
}

/* A child's failure cancels the others during this wait, too, and is its answer. */
TEST(failure)
{
	run_fresh(main_failure);
}

static int main_deadline(void *arg)
{
	struct sley_scope_options options = { .size = sizeof(options), .deadline = sley_in(SLEY_MS(1)) };
	struct sley_scope *scope = open_scope(&options);
	spawn_some(scope, waits, 5);
	int error = sley_scope_wait_until(scope, SLEY_NEVER);
	REQUIRE(error == -ETIMEDOUT && sley_scope_close(scope, 0) == -ETIMEDOUT);
	return 0;
}

/* The scope's own deadline ends the scope. */
TEST(deadline)
{
	run_fresh(main_deadline);
}

static void owner_waits(void *arg)
{
	struct sley_scope *scope = open_scope(NULL);
	spawn_some(scope, waits, 5);
	REQUIRE(sley_scope_wait_until(scope, SLEY_NEVER) == -ECANCELED);
	REQUIRE(load(&children.ended, relaxed) == 5);
	REQUIRE(sley_scope_close(scope, 0) == -ECANCELED);
}

static int main_cancelled(void *arg)
{
	sley_task owner = sley_spawn(owner_waits, NULL);
	await_started(5);
	await_state(owner, SLEY_TASK_WAITING, SLEY_WAIT_SCOPE);
	REQUIRE(sley_cancel(owner) == 0 && sley_join(owner, SOON) == 0);
	return 0;
}

/* A cancellation of the owner cancels the children, and is for all of their ends. */
TEST(cancelled)
{
	run_fresh(main_cancelled);
}

/* Fails at first, then waits for the gate. */
static int fails_once(void *arg)
{
	if (fetch_add(&children.started, 1, release) == 0)
		return -EIO;
	int error = sley_group_wait(&children.gate, SLEY_NEVER);
	fetch_add(&children.ended, 1, relaxed);
	return error;
}

static int main_supervised(void *arg)
{
	struct sley_scope_options options = { .size = sizeof(options), .restart = SLEY_RESTART_ONE };
	struct sley_scope *scope = open_scope(&options);
	REQUIRE(sley_group_add(&children.gate, 1) == 0);
	REQUIRE(sley_scope_spawn(scope, fails_once, NULL) > 0);
	while (load(&children.started, acquire) < 2)
		REQUIRE(sley_scope_wait_until(scope, sley_in(SLEY_MS(1))) == SLEY_CHILDREN_LEFT);
	REQUIRE(sley_scope_wait_until(scope, 0) == SLEY_CHILDREN_LEFT && load(&children.ended, relaxed) == 0);
	REQUIRE(sley_group_done(&children.gate) == 0);
	REQUIRE(sley_scope_wait_until(scope, SOON) == 0 && load(&children.ended, relaxed) == 1);
	REQUIRE(sley_scope_close(scope, 0) == 0);
	return 0;
}

/* During the wait the owner restarts what has failed, and the time does not undo it. */
TEST(supervised)
{
	run_fresh(main_supervised);
}

static struct sley_scope *foreign;

static void not_the_owner(void *arg)
{
	REQUIRE(sley_scope_wait_until(foreign, SOON) == -EPERM);
}

static int main_refused(void *arg)
{
	foreign = open_scope(NULL);
	REQUIRE(sley_join(sley_spawn(not_the_owner, NULL), SOON) == 0);
	REQUIRE(sley_scope_wait_until(NULL, SOON) == -EINVAL && sley_scope_close(foreign, 0) == 0);
	return 0;
}

/* For the owner, of a scope, within a run. */
TEST(refused)
{
	run_fresh(main_refused);
	assert_int_equal(sley_scope_wait_until(foreign, 0), -EDEADLK);
}
