/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The runtime's lock: exclusion, and waking those that sleep on it. */
#include "base/lock.h"

#include "tests/test.h"

#include <pthread.h>
#include <sched.h>

static struct lock lock;
static uint64_t plain; /* protected by lock */
static unsigned inside;

static void *contend(void *arg)
{
	long rounds = test_scale(200000);
	for (long i = 0; i < rounds; i++) {
		lock_take(&lock);
		REQUIRE(fetch_add(&inside, 1, relaxed) == 0);
		plain++;
		if (i % 1000 == 0)
			sched_yield(); /* long enough for the others to fall asleep */
		fetch_sub(&inside, 1, relaxed);
		lock_drop(&lock);
	}
	return NULL;
}

/* One thread at a time is inside, what it did is seen by the next, and nobody sleeps for ever. */
TEST(exclusion)
{
	pthread_t threads[4];
	plain = 0;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, contend, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(plain, 4 * (uint64_t)test_scale(200000));
	assert_int_equal(lock.word, 0);
}

static void *take_once(void *arg)
{
	lock_take(&lock);
	plain++;
	lock_drop(&lock);
	return NULL;
}

/* Threads that sleep on a held lock are woken one after the other once it is dropped. */
TEST(sleepers)
{
	pthread_t threads[8];
	plain = 0;
	lock_take(&lock);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_once, NULL), 0);
	while (load(&lock.word, relaxed) != 2) /* somebody says that it sleeps */
		sched_yield();
	assert_int_equal(plain, 0);
	lock_drop(&lock);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(plain, 8);
}

/* Trying takes a free one only. */
TEST(try)
{
	assert_true(lock_try(&lock));
	assert_false(lock_try(&lock));
	lock_drop(&lock);
	assert_true(lock_try(&lock));
	lock_drop(&lock);
}
