/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Null where an object, a function, or a place for a result has to be: a code, from tasks and from plain threads. */
#include "tests/unit/run.h"

#include <errno.h>
#include <pthread.h>

static int nothing(void *arg)
{
	return 0;
}

static void objects(void)
{
	static struct sley_cond cond;
	REQUIRE(sley_mutex_lock(NULL, SOON) == -EINVAL && sley_mutex_trylock(NULL) == -EINVAL);
	REQUIRE(sley_mutex_unlock(NULL) == -EINVAL);
	REQUIRE(sley_cond_wait(&cond, NULL, SOON) == -EINVAL && sley_cond_wait(NULL, NULL, SOON) == -EINVAL);
	REQUIRE(sley_cond_signal(NULL) == -EINVAL && sley_cond_broadcast(NULL) == -EINVAL);
	REQUIRE(sley_rwlock_rdlock(NULL, SOON) == -EINVAL && sley_rwlock_wrlock(NULL, SOON) == -EINVAL);
	REQUIRE(sley_rwlock_tryrdlock(NULL) == -EINVAL && sley_rwlock_trywrlock(NULL) == -EINVAL);
	REQUIRE(sley_rwlock_unlock(NULL) == -EINVAL);
	REQUIRE(sley_sem_acquire(NULL, 1, SOON) == -EINVAL && sley_sem_try_acquire(NULL, 1) == -EINVAL);
	REQUIRE(sley_sem_release(NULL, 1) == -EINVAL && sley_sem_value(NULL) == -EINVAL);
	REQUIRE(sley_once(NULL, nothing, NULL, SOON) == -EINVAL);
	REQUIRE(sley_group_add(NULL, 1) == -EINVAL && sley_group_done(NULL) == -EINVAL);
	REQUIRE(sley_group_wait(NULL, SOON) == -EINVAL && sley_barrier_wait(NULL, SOON) == -EINVAL);
	REQUIRE(sley_chan_close(NULL) == -EINVAL);
}

static void takes_block(void *arg)
{
}

static void places_and_functions(void)
{
	void (*none)(void *) = NULL;
	unsigned before = live_tasks();
	REQUIRE(sley_spawn(none, NULL) == -EINVAL && sley_go(none, NULL) == -EINVAL);
	REQUIRE(sley_spawn_copy(takes_block, NULL, 8) == -EINVAL && sley_go_copy(takes_block, NULL, 8) == -EINVAL);
	REQUIRE(live_tasks() == before);
	REQUIRE(sley_chan_new(NULL, 8, 1) == -EINVAL && sley_monitor_new(NULL) == -EINVAL);
}

/* An item of no bytes may be null, any other not. */
static void items(void)
{
	struct sley_chan *chan, *empty;
	REQUIRE(sley_chan_new(&chan, 8, 1) == 0 && sley_chan_new(&empty, 0, 1) == 0);
	struct sley_case cases[2] = { { .chan = empty, .op = SLEY_RECV }, { .chan = chan, .op = SLEY_SEND } };
	REQUIRE(sley_chan_send(chan, NULL, SOON) == -EFAULT && sley_chan_try_send(chan, NULL) == -EFAULT);
	REQUIRE(sley_chan_recv(chan, NULL, SOON) == -EFAULT && sley_chan_try_recv(chan, NULL) == -EFAULT);
	REQUIRE(sley_select(cases, 2, SOON) == -EFAULT && sley_try_select(cases, 2) == -EFAULT);
	cases[1].op = SLEY_RECV;
	REQUIRE(sley_select(cases, 2, SOON) == -EFAULT);
	REQUIRE(sley_chan_length(chan) == 0);
	REQUIRE(sley_chan_send(empty, NULL, SOON) == 0 && sley_select(cases, 1, SOON) == 0);
	REQUIRE(sley_chan_try_send(empty, NULL) == 0 && sley_chan_try_recv(empty, NULL) == 0);
	REQUIRE(sley_chan_send(empty, NULL, SOON) == 0 && sley_chan_recv(empty, NULL, SOON) == 0);
	REQUIRE(sley_chan_free(chan) == 0 && sley_chan_free(empty) == 0);
}

static int yield_null(void *arg)
{
	int value = 5;
	REQUIRE(sley_gen_yield(NULL) == -EFAULT);
	return sley_gen_yield(&value);
}

static void generator(void)
{
	struct sley_gen *gen;
	int value = 0;
	REQUIRE(sley_gen_new(&gen, yield_null, NULL, 0, sizeof(int)) == 0);
	REQUIRE(sley_gen_next(gen, &value, SOON) == 0 && value == 5);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
}

static void *in_thread(void *unused)
{
	objects();
	places_and_functions();
	items();
	return unused;
}

static int main_null(void *arg)
{
	pthread_t thread;
	objects();
	places_and_functions();
	items();
	generator();
	REQUIRE(sley_scope_open(NULL, NULL) == -EINVAL);
	REQUIRE(pthread_create(&thread, NULL, in_thread, NULL) == 0);
	pthread_join(thread, NULL);
	return 0;
}

/* Each has its code, nothing is begun, and the run goes on. */
TEST(null)
{
	int (*none)(void *) = NULL;
	int result = 7;
	assert_int_equal(sley_run(none, NULL, NULL, &result), -EINVAL);
	assert_int_equal(result, 7);
	run(main_null, 1);
}
