/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Supervision that ends: scopes that are cancelled or out of time while children are started again; what a start gets. */
#include "tests/unit/sync/services.h"

#include <string.h>

#include "base/atomic.h"
#include "base/block.h"

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
	for (unsigned i = 0; i < SERVICES; i++)
		REQUIRE(services[i].starts == 1 && services[i].ends == 1);
}

static struct sley_group gate;

/* Its cleanup keeps a restart of the others waiting. */
static int stops_slowly(void *arg)
{
	fetch_add(&services[3].starts, 1, release);
	REQUIRE(sley_sleep(SLEY_NEVER) == -ECANCELED);
	int masked = sley_cancel_mask(1);
	REQUIRE(sley_group_wait(&gate, SOON) == 0);
	sley_cancel_mask(masked);
	fetch_add(&services[3].ends, 1, release);
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
		await(&services[0].starts, 1);
		await(&services[3].starts, 1);
		crash(0);
		await(&services[0].ends, 1);
		for (int i = 0; i < 20; i++)
			sley_yield();
		REQUIRE(services[0].starts == 1); /* it waits for the other's end */
		if (how == 1)
			REQUIRE(sley_cancel(task) == 0);
		if (how == 2)
			REQUIRE(sley_scope_cancel(supervised) == 0);
		if (how == 3) { /* a newcomer meanwhile is not in the way */
			REQUIRE(sley_scope_spawn(supervised, serves, (void *)1) > 0);
			await(&services[1].starts, 1);
		}
		REQUIRE(sley_group_done(&gate) == 0);
		if (how == 0 || how == 3) {
			await(&services[3].starts, 2);
			await(&services[0].starts, 2);
			REQUIRE(sley_scope_cancel(supervised) == 0);
		}
		REQUIRE(sley_join(task, SOON) == 0);
		REQUIRE(answer == -ECANCELED);
		REQUIRE(services[0].starts == (how == 0 || how == 3 ? 2 : 1));
		REQUIRE(services[0].starts == services[0].ends && services[3].starts == services[3].ends);
		REQUIRE(services[1].starts == services[1].ends);
	}
}

/* ---- what a new start gets ---- */

static int spoils_block(void *arg)
{
	char *block = arg;
	unsigned start = fetch_add(&services[0].starts, 1, relaxed);
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
	REQUIRE(services[0].starts == 0);
	memset(block, 'b', sizeof(block));
	REQUIRE(sley_scope_spawn_with(scope, &options, spoils_block, block, sizeof(block)) > 0);
	memset(block, 'o', sizeof(block));
	memset(name, 'n', sizeof(name));
	memset(&task, 0, sizeof(task));
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	REQUIRE(services[0].starts == 4);
}

static int fails_without_memory(void *arg)
{
	if (fetch_add(&services[0].starts, 1, relaxed) == 2)
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
	REQUIRE(services[0].starts == 3 && services[1].starts == services[1].ends);
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
	fetch_add(&services[(uintptr_t)number].starts, 1, relaxed);
	if ((uintptr_t)number % 2)
		sley_yield();
	fetch_add(&services[(uintptr_t)number].ends, 1, relaxed);
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
	long rounds = test_scale(1000);
	unsigned stopped_early = 0;
	for (long i = 0; i < rounds; i++) {
		struct sley_scope *scope = open_with(OPTIONS(.restart = (unsigned)i % 3 + 1, .restarts = 20));
		for (uintptr_t k = 0; k < SERVICES; k++)
			REQUIRE(sley_scope_spawn(scope, fails_soon, (void *)k) > 0);
		sley_task task = sley_spawn(cancels, scope);
		for (long spin = i % 7; spin > 0; spin--)
			sley_yield();
		int error = sley_scope_wait(scope, SOON);
		REQUIRE(error == -ECANCELED || error == -ELOOP);
		stopped_early += error == -ECANCELED;
		REQUIRE(sley_join(task, SOON) == 0); /* it uses the scope */
		REQUIRE(sley_scope_close(scope, SOON) == error);
		for (unsigned k = 0; k < SERVICES; k++)
			REQUIRE(services[k].starts == services[k].ends);
	}
	REQUIRE(stopped_early > 0);
}
