/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Task-local values: whose they are, and when they are destroyed. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <string.h>

#include "base/atomic.h"
#include "base/block.h"

static char order[16];

static void note(void *letter)
{
	size_t n = strlen(order);
	REQUIRE(n + 1 < sizeof(order));
	order[n] = (char)(uintptr_t)letter;
	order[n + 1] = '\0';
}

#define VALUE(letter) ((void *)(uintptr_t)(letter))

static const struct sley_local plain = { NULL }, noted = { note }, noted_too = { note };

/* ---- whose ---- */

static void child(void *arg)
{
	REQUIRE(sley_local_get(&plain) == NULL);
	REQUIRE(sley_local_set(&plain, arg) == 0);
	for (int i = 0; i < 20; i++) {
		sley_yield();
		REQUIRE(sley_local_get(&plain) == arg);
	}
}

static int main_own(void *arg)
{
	sley_task tasks[20];
	REQUIRE(sley_local_set(&plain, arg) == 0);
	for (uintptr_t i = 0; i < 20; i++)
		tasks[i] = sley_spawn(child, (void *)(i + 1));
	for (unsigned i = 0; i < 20; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	REQUIRE(sley_local_get(&plain) == arg);
	return 0;
}

/* Each task has its own value, and begins with none; it goes with the task from worker to worker. */
TEST(own)
{
	run_with(main_own, &order, &(struct sley_options){ .size = sizeof(struct sley_options), .workers = 4 });
}

/* ---- destroyed ---- */

static void in_cleanup(void *arg)
{
	REQUIRE(sley_local_get(&noted) == VALUE('a'));
	REQUIRE(sley_local_set(&noted_too, VALUE('c')) == 0);
	note(VALUE('1'));
}

static void has_values(void *arg)
{
	REQUIRE(sley_local_set(&plain, VALUE('p')) == 0);
	REQUIRE(sley_local_set(&noted, VALUE('x')) == 0);
	REQUIRE(sley_local_set(&noted, VALUE('a')) == 0); /* x is ours again */
	REQUIRE(sley_local_set(&noted_too, VALUE('b')) == 0);
	REQUIRE(sley_cleanup_push(in_cleanup, NULL) == 0);
}

static void takes_back(void *arg)
{
	REQUIRE(sley_local_set(&noted, VALUE('a')) == 0);
	REQUIRE(sley_local_set(&noted_too, VALUE('b')) == 0);
	REQUIRE(sley_local_set(&noted, NULL) == 0);
	REQUIRE(sley_local_get(&noted) == NULL && sley_local_get(&noted_too) == VALUE('b'));
	REQUIRE(sley_local_set(&noted, NULL) == 0);
}

/* After the cleanups, the latest key first, the value that is there then, once; what was taken back is not. */
TASK_TEST(destroyed, 1, 2)
{
	order[0] = '\0';
	REQUIRE(sley_join(sley_spawn(has_values, NULL), SOON) == 0);
	REQUIRE(strcmp(order, "1ca") == 0);
	order[0] = '\0';
	REQUIRE(sley_join(sley_spawn(takes_back, NULL), SOON) == 0);
	REQUIRE(strcmp(order, "b") == 0);
}

/* ---- destructors ---- */

static struct sley_group gate;

static void late_cleanup(void *arg)
{
	note(VALUE('l'));
	REQUIRE(sley_local_set(&noted, VALUE('n')) == 0);
}

static void destroy_busily(void *value)
{
	static const struct sley_local other = { note };
	REQUIRE(sley_local_set(&other, value) == -EPERM);
	REQUIRE(sley_local_get(&plain) == VALUE('p')); /* set earlier, so it is destroyed later */
	REQUIRE(sley_cancelled() == 1);
	REQUIRE(sley_group_wait(&gate, SOON) == 0);
	REQUIRE(sley_cleanup_push(late_cleanup, NULL) == 0);
	note(value);
}

static void busy_end(void *arg)
{
	static const struct sley_local busy = { destroy_busily };
	REQUIRE(sley_local_set(&plain, VALUE('p')) == 0);
	REQUIRE(sley_local_set(&busy, VALUE('d')) == 0);
	REQUIRE(sley_sleep(SLEY_NEVER) == -ECANCELED);
}

/* A destructor may wait, masked, and push cleanups; it sets no values. */
TASK_TEST(destructor, 1, 2)
{
	order[0] = '\0';
	REQUIRE(sley_group_add(&gate, 1) == 0);
	sley_task task = sley_spawn(busy_end, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(sley_cancel(task) == 0);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_GROUP);
	REQUIRE(sley_group_done(&gate) == 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(strcmp(order, "dln") == 0);
}

/* ---- refused ---- */

static void key_on_stack(void *arg)
{
	struct sley_local key = { NULL };
	REQUIRE(sley_local_set(&key, VALUE('k')) == -EFAULT);
}

static int main_refused(void *arg)
{
	char text[1024];
	REQUIRE(sley_local_set(NULL, VALUE('a')) == -EINVAL);
	REQUIRE(sley_local_get(NULL) == NULL);
	store(&block_test_fail, 1, relaxed);
	REQUIRE(sley_local_set(&noted, VALUE('a')) == -ENOMEM);
	REQUIRE(sley_local_set(&noted, NULL) == 0);
	store(&block_test_fail, 0, relaxed);
	REQUIRE(sley_local_get(&noted) == NULL);
	capture_begin();
	REQUIRE(sley_join(sley_spawn(key_on_stack, NULL), SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_local_set() fails with -EFAULT: the key") == 1);
	return 0;
}

/* No key, no memory, a key on a copying stack; outside of a task. */
TEST(refused)
{
	run(main_refused, 1);
	assert_int_equal(sley_local_set(&plain, VALUE('a')), -EDEADLK);
	assert_null(sley_local_get(&plain));
}
