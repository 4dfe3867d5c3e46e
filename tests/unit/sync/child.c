/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A scope's children: how they are spawned, what they get, and what comes back of them. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <string.h>

#include "base/atomic.h"
#include "base/block.h"

static struct sley_group gate;
static unsigned ran; /* atomic */

static struct sley_scope *open_scope(void)
{
	struct sley_scope *scope;
	REQUIRE(sley_scope_open(&scope, NULL) == 0);
	return scope;
}

/* ---- the argument ---- */

static int is_number(void *arg)
{
	fetch_add(&ran, 1, relaxed);
	return (int)(intptr_t)arg;
}

static int gets_bytes(void *block)
{
	fetch_add(&ran, 1, relaxed);
	return 0;
}

struct block {
	long double first; /* the type with the largest alignment */
	char rest[300];
};

static int gets_block(void *arg)
{
	struct block *block = arg;
	REQUIRE((uintptr_t)block % _Alignof(max_align_t) == 0);
	for (int i = 0; i < 5; i++) {
		REQUIRE(block->first == 2.5L && block->rest[0] == 'a' && block->rest[299] == 'z');
		sley_yield();
	}
	fetch_add(&ran, 1, relaxed);
	return 0;
}

static void spawner(void *arg)
{
	struct block block = { .first = 2.5L };
	struct sley_scope *scope = open_scope();
	block.rest[0] = 'a';
	block.rest[299] = 'z';
	for (int i = 0; i < 20; i++)
		REQUIRE(sley_scope_spawn_copy(scope, gets_block, &block, sizeof(block)) > 0);
	memset(&block, 0, sizeof(block));
	REQUIRE(sley_scope_close(scope, SOON) == 0);
}

/* A pointer as it is, a block by value, also from a copying stack. */
TASK_TEST(argument, 1, 2)
{
	ran = 0;
	REQUIRE(sley_join(sley_spawn(spawner, NULL), SOON) == 0);
	REQUIRE(load(&ran, relaxed) == 20);
	struct sley_scope *scope = open_scope();
	REQUIRE(sley_scope_spawn(scope, is_number, (void *)7) > 0);
	REQUIRE(sley_scope_spawn_copy(scope, gets_bytes, NULL, 0) > 0);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	REQUIRE(load(&ran, relaxed) == 22);
}

/* ---- results ---- */

static int sums(void *arg)
{
	uint64_t *block = arg; /* two summands in, the sum out */
	sley_yield();
	block[2] = block[0] + block[1];
	return (int)block[0];
}

static void collects(void *arg)
{
	enum { CHILDREN = 50 };
	struct sley_child *children[CHILDREN];
	struct sley_scope *scope = open_scope();
	int result;
	for (uint64_t i = 0; i < CHILDREN; i++) {
		struct sley_child_options options = { .size = sizeof(options), .child = &children[i], .copy_back = 1 };
		uint64_t block[3] = { i, 1000 };
		REQUIRE(sley_scope_spawn_with(scope, &options, sums, block, sizeof(block)) > 0);
	}
	REQUIRE(sley_scope_wait(scope, SOON) == 0);
	for (uint64_t i = 0; i < CHILDREN; i++) {
		uint64_t block[3] = { 0 };
		REQUIRE(sley_child_result(children[i], &result, NULL, 0) == 0 && result == (int)i);
		REQUIRE(sley_child_result(children[i], &result, block, sizeof(block)) == 0);
		REQUIRE(result == (int)i && block[0] == i && block[2] == i + 1000);
		REQUIRE(sley_child_task(children[i]) == -ESRCH);
	}
	REQUIRE(sley_child_result(children[0], &result, children, 8) == -EINVAL); /* not its size */
	REQUIRE(sley_child_result(children[0], NULL, NULL, 0) == -EINVAL);
	REQUIRE(sley_child_result(NULL, &result, NULL, 0) == -EINVAL);
	REQUIRE(sley_child_task(NULL) == -EINVAL);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
}

/* Numbers and blocks come back by value, into the owner's copying stack, as long as the scope is open. */
TASK_TEST(results, 1, 2)
{
	REQUIRE(sley_join(sley_spawn(collects, NULL), SOON) == 0);
}

static int at_gate(void *arg)
{
	REQUIRE(sley_group_wait(&gate, SLEY_NEVER) == 0);
	return 5;
}

static int fails(void *arg)
{
	return -EPROTO;
}

/* Handles before the end and after it; a child by id. */
TASK_TEST(running, 1, 2)
{
	struct sley_child *child, *failing;
	struct sley_child_options options = { .size = sizeof(options), .child = &child };
	struct sley_scope *scope = open_scope();
	int result = 1;
	REQUIRE(sley_group_add(&gate, 1) == 0);
	sley_task id = sley_scope_spawn_with(scope, &options, at_gate, NULL, SLEY_BY_POINTER);
	REQUIRE(id > 0 && sley_child_task(child) == id);
	REQUIRE(sley_child_result(child, &result, NULL, 0) == -EAGAIN && result == 1);
	REQUIRE(sley_join(id, SOON) == -EINVAL); /* it is the scope's */
	REQUIRE(sley_group_done(&gate) == 0);
	REQUIRE(sley_scope_wait(scope, SOON) == 0);
	REQUIRE(sley_child_result(child, &result, &result, sizeof(result)) == -EINVAL); /* it has no block */
	REQUIRE(sley_child_result(child, &result, NULL, 0) == 0 && result == 5);
	options.child = &failing;
	REQUIRE(sley_scope_spawn_with(scope, &options, fails, NULL, SLEY_BY_POINTER) > 0);
	REQUIRE(sley_scope_wait(scope, SOON) == -EPROTO);
	REQUIRE(sley_child_result(failing, &result, NULL, 0) == 0 && result == -EPROTO);
	REQUIRE(sley_child_result(child, &result, NULL, 0) == 0 && result == 5);
	REQUIRE(sley_scope_close(scope, SOON) == -EPROTO);
}

static int waits(void *arg)
{
	return sley_sleep(SLEY_NEVER);
}

/* One child may be cancelled by its id: its result is then one like any other. */
TASK_TEST(cancel_one, 1, 2)
{
	struct sley_scope_options options = { .size = sizeof(options), .keep_going = 1 };
	struct sley_scope *scope;
	REQUIRE(sley_scope_open(&scope, &options) == 0);
	REQUIRE(sley_group_add(&gate, 1) == 0);
	sley_task one = sley_scope_spawn(scope, waits, NULL);
	REQUIRE(sley_scope_spawn(scope, at_gate, NULL) > 0);
	REQUIRE(sley_cancel(one) == 0);
	while (sley_cancel(one) != -ESRCH)
		sley_yield(); /* it has ended, and the other has not */
	REQUIRE(sley_group_done(&gate) == 0);
	REQUIRE(sley_scope_close(scope, SOON) == -ECANCELED);
}

/* ---- options ---- */

static int has_options(void *arg)
{
	char here = 0;
	REQUIRE(strncmp(record_of(sley_self())->name, "sixteen bytes do", 16) == 0);
	REQUIRE(sley_scope_spawn(arg, gets_bytes, &here) > 0); /* an address here is good: the stack is its own */
	return 0;
}

/* The options of tasks are those of children. */
TASK_TEST(options, 1, 2)
{
	struct sley_task_options task = {
		.size = sizeof(task), .name = "sixteen bytes do fit", .private_stack = 1, .detached = 1
	};
	struct sley_child_options options = { .size = sizeof(options), .task = &task };
	struct sley_scope *scope = open_scope();
	REQUIRE(sley_scope_spawn_with(scope, &options, has_options, scope, SLEY_BY_POINTER) > 0);
	REQUIRE(sley_scope_wait(scope, SOON) == 0);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
}

/* ---- plain threads ---- */

static void *spawns_from_thread(void *scope)
{
	for (int i = 0; i < 100; i++)
		REQUIRE(sley_scope_spawn(scope, is_number, NULL) > 0);
	REQUIRE(sley_group_done(&gate) == 0);
	return NULL;
}

/* A thread that knows that the scope is open spawns into it, too. */
TASK_TEST(thread, 2)
{
	struct sley_scope *scope = open_scope();
	pthread_t thread;
	ran = 0;
	REQUIRE(sley_group_add(&gate, 1) == 0);
	REQUIRE(sley_scope_spawn(scope, at_gate, NULL) > 0); /* keeps the scope open */
	REQUIRE(pthread_create(&thread, NULL, spawns_from_thread, scope) == 0);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(load(&ran, relaxed) == 100);
}

/* ---- refused ---- */

static void refuses_stack(void *scope)
{
	int here = 0;
	REQUIRE(sley_scope_spawn(scope, is_number, &here) == -EFAULT);
}

static int refuses(struct sley_scope *scope, struct sley_child_options options, size_t n)
{
	static char block[256 << 10];
	return (int)sley_scope_spawn_with(scope, &options, gets_bytes, block, n);
}

#define OPTIONS(...) \
	(struct sley_child_options) \
	{ \
		.size = sizeof(struct sley_child_options), ##__VA_ARGS__ \
	}

static int main_refused(void *arg)
{
	struct sley_scope_options restarting = { .size = sizeof(restarting), .restart = SLEY_RESTART_ONE };
	struct sley_task_options bad = { .size = 1 };
	struct sley_scope *scope = open_scope(), *supervisor;
	struct sley_child *child = NULL;
	char text[4096];
	REQUIRE(sley_scope_open(&supervisor, &restarting) == 0);
	REQUIRE(sley_scope_spawn(NULL, is_number, NULL) == -EINVAL);
	REQUIRE(sley_scope_spawn(scope, NULL, NULL) == -EINVAL);
	REQUIRE(refuses(scope, (struct sley_child_options){ .size = 3 }, 8) == -EINVAL);
	REQUIRE(refuses(scope, OPTIONS(.task = &bad), 8) == -EINVAL);
	REQUIRE(refuses(scope, OPTIONS(.copy_back = 1), 8) == -EINVAL);
	REQUIRE(refuses(scope, OPTIONS(.copy_back = 1, .child = &child), SLEY_BY_POINTER) == -EINVAL);
	REQUIRE(refuses(supervisor, OPTIONS(.copy_back = 1, .child = &child), 8) == -EINVAL);
	REQUIRE(refuses(scope, OPTIONS(.copy_back = 1, .child = &child), (16 << 10) + 1) == -E2BIG);
	REQUIRE(refuses(supervisor, OPTIONS(), (16 << 10) + 1) == -E2BIG);
	REQUIRE(refuses(scope, OPTIONS(), (64 << 10) + 1) == -E2BIG);
	REQUIRE(child == NULL);
	capture_begin();
	REQUIRE(sley_join(sley_spawn(refuses_stack, scope), SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_spawn() fails with -EFAULT: the argument") == 1);
	REQUIRE(refuses(scope, OPTIONS(.copy_back = 1, .child = &child), 16 << 10) > 0 && child != NULL);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	REQUIRE(sley_scope_close(supervisor, SOON) == 0);
	return 0;
}

/* Nulls, options that do not go together, blocks too large, an argument on a copying stack: no child, no trace. */
TEST(refused)
{
	int result;
	run(main_refused, 1);
	assert_int_equal(sley_scope_spawn(NULL, is_number, NULL), -ENOTCONN);
	assert_int_equal(sley_child_result(NULL, &result, NULL, 0), -ENOTCONN);
	assert_int_equal(sley_child_task(NULL), -ENOTCONN);
}

/* Spawns with `good` allocations that succeed: the answer. */
static sley_task spawn_with_memory_for(unsigned good, struct sley_scope *scope, bool own_stack)
{
	struct sley_task_options task = { .size = sizeof(task), .private_stack = own_stack };
	char block[100] = { 0 };
	store(&block_test_fail, good + 1, relaxed);
	sley_task id = sley_scope_spawn_with(scope, &OPTIONS(.task = &task), gets_bytes, block, sizeof(block));
	store(&block_test_fail, 0, relaxed);
	return id;
}

/* With each of a spawn's allocations failing in turn there is no child, and nothing is left of it. */
TASK_TEST(no_memory, 1)
{
	struct sley_scope_options restarting = { .size = sizeof(restarting), .restart = SLEY_RESTART_ONE };
	struct sley_scope *scopes[2] = { open_scope() };
	unsigned before = live_tasks(), spawned = 0;
	ran = 0;
	REQUIRE(sley_scope_open(&scopes[1], &restarting) == 0);
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned good = 0; good < 6; good++) {
			sley_task id = spawn_with_memory_for(good, scopes[i % 2], i / 2);
			/* child, block, extra; to start again also the specification and another copy of the block */
			REQUIRE(id == -ENOMEM ? good < (i % 2 ? 5 : 3) : id > 0);
			spawned += id > 0;
			REQUIRE(live_tasks() == before + (id > 0));
			REQUIRE(sley_scope_wait(scopes[i % 2], SOON) == 0);
			sley_time deadline = SOON;
			while (live_tasks() != before && sley_now() < deadline)
				sley_yield();
		}
	}
	REQUIRE(load(&ran, relaxed) == spawned && spawned == 2 * 3 + 2 * 1);
	REQUIRE(sley_scope_close(scopes[0], SOON) == 0);
	REQUIRE(sley_scope_close(scopes[1], SOON) == 0);
}

static int main_no_entry(void *arg)
{
	struct sley_scope *scope = open_scope();
	unsigned spawned = 0;
	sley_task id;
	REQUIRE(sley_group_add(&gate, 1) == 0);
	while ((id = sley_scope_spawn(scope, at_gate, NULL)) > 0)
		spawned++;
	REQUIRE(id == -EAGAIN && spawned > 0);
	REQUIRE(sley_group_done(&gate) == 0);
	REQUIRE(sley_scope_wait(scope, SOON) == 0);
	REQUIRE(sley_scope_spawn(scope, is_number, NULL) > 0);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	return 0;
}

/*
 * The table is full: the answer is that of a spawn, and the scope is as good as before. The test runs first: it sets the
 * size of the table.
 */
TEST_FIRST(no_entry)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .max_tasks = 1000 };
	run_with(main_no_entry, NULL, &options);
}
