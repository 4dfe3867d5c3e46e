/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The deque against a model, and with its owner and thieves at once. Its items are numbers, never followed. */
#include "run/deque.h"

#include "tests/race.h"
#include "tests/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct task *item(uintptr_t number)
{
	return (struct task *)(number + 1);
}

static uintptr_t number_of(struct task *task)
{
	return (uintptr_t)task - 1;
}

/* FIFO for the owner; a full one refuses, an empty one has nothing. */
TEST(owner)
{
	static struct deque deque;
	assert_null(deque_pop(&deque));
	for (int lap = 0; lap < 5; lap++) {
		for (uintptr_t i = 0; i < DEQUE_SIZE; i++) {
			assert_int_equal(deque_length(&deque), i);
			assert_true(deque_push(&deque, item(i)));
		}
		assert_false(deque_push(&deque, item(999)));
		assert_int_equal(deque_length(&deque), DEQUE_SIZE);
		for (uintptr_t i = 0; i < DEQUE_SIZE; i++)
			assert_ptr_equal(deque_pop(&deque), item(i));
		assert_null(deque_pop(&deque));
		assert_true(deque_push(&deque, item(0))); /* so that the next lap starts elsewhere in the ring */
		assert_ptr_equal(deque_pop(&deque), item(0));
	}
}

/* A thief gets half, rounded up, the oldest first. */
TEST(steal_half)
{
	static struct deque deque;
	struct task *loot[DEQUE_SIZE / 2];
	assert_int_equal(deque_steal(&deque, loot), 0);
	for (unsigned n = 1; n <= DEQUE_SIZE; n++) {
		for (uintptr_t i = 0; i < n; i++)
			assert_true(deque_push(&deque, item(i)));
		unsigned stolen = deque_steal(&deque, loot);
		assert_int_equal(stolen, (n + 1) / 2);
		for (uintptr_t i = 0; i < stolen; i++)
			assert_ptr_equal(loot[i], item(i));
		for (uintptr_t i = stolen; i < n; i++)
			assert_ptr_equal(deque_pop(&deque), item(i));
		assert_null(deque_pop(&deque));
	}
}

/* Positions are 32-bit and wrap. */
TEST(wrap)
{
	static struct deque deque;
	struct task *loot[DEQUE_SIZE / 2];
	deque.head = deque.tail = UINT32_MAX - 10;
	for (uintptr_t i = 0; i < 40; i++)
		assert_true(deque_push(&deque, item(i)));
	assert_int_equal(deque_length(&deque), 40);
	assert_int_equal(deque_steal(&deque, loot), 20);
	assert_ptr_equal(loot[19], item(19));
	for (uintptr_t i = 20; i < 40; i++)
		assert_ptr_equal(deque_pop(&deque), item(i));
	assert_null(deque_pop(&deque));
}

#define THIEVES 3

static struct {
	struct deque deque;
	unsigned char *seen; /* by item, atomic */
	unsigned done;       /* atomic */
	uint64_t stolen;     /* atomic */
} shared;

static void take(struct task *task)
{
	fetch_add(&shared.seen[number_of(task)], 1, relaxed);
}

static void *thief(void *unused)
{
	struct task *loot[DEQUE_SIZE / 2];
	unsigned n;
	do {
		n = deque_steal(&shared.deque, loot);
		REQUIRE(n <= DEQUE_SIZE / 2);
		for (unsigned i = 0; i < n; i++) {
			take(loot[i]);
			REQUIRE(i == 0 || number_of(loot[i]) > number_of(loot[i - 1])); /* in the order of the pushes */
		}
		fetch_add(&shared.stolen, n, relaxed);
	} while (n > 0 || !load(&shared.done, acquire));
	return NULL;
}

#if RACE_POINTS

static struct {
	struct task *loot[DEQUE_SIZE / 2], *behind[DEQUE_SIZE]; /* nothing is written behind it */
	unsigned n;
} stolen;

static void *steal_once(void *unused)
{
	stolen.n = deque_steal(&shared.deque, stolen.loot);
	return NULL;
}

static void *pop_once(void *unused)
{
	return deque_pop(&shared.deque);
}

static void push_items(uintptr_t from, uintptr_t to)
{
	while (from < to)
		assert_true(deque_push(&shared.deque, item(from++)));
}

static void pop_items(uintptr_t from, uintptr_t to)
{
	while (from < to)
		assert_ptr_equal(deque_pop(&shared.deque), item(from++));
}

/*
 *   thief                           owner
 *   reads head = 0, and the first places
 *                                   pops them all, pushes into the same places
 *   swaps head: must fail
 */
TEST(places_reused)
{
	pthread_t thread;
	memset(&shared, 0, sizeof(shared));
	push_items(0, 8);
	race_stop("deque_places_are_read");
	assert_int_equal(pthread_create(&thread, NULL, steal_once, NULL), 0);
	race_wait("deque_places_are_read");
	pop_items(0, 8);
	push_items(8, 8 + DEQUE_SIZE);
	race_go("deque_places_are_read");
	pthread_join(thread, NULL);
	assert_int_equal(stolen.n, DEQUE_SIZE / 2);
	for (uintptr_t i = 0; i < DEQUE_SIZE / 2; i++)
		assert_ptr_equal(stolen.loot[i], item(8 + i));
	pop_items(8 + DEQUE_SIZE / 2, 8 + DEQUE_SIZE);
}

/*
 *   thief                           owner
 *   reads head = 0
 *                                   pops them all, and many more: tail is 2000
 *   reads tail: half of the difference is more than there ever are
 */
TEST(read_far_apart)
{
	pthread_t thread;
	memset(&shared, 0, sizeof(shared));
	push_items(0, 10);
	race_stop("deque_head_is_read");
	assert_int_equal(pthread_create(&thread, NULL, steal_once, NULL), 0);
	race_wait("deque_head_is_read");
	pop_items(0, 10);
	push_items(10, 1000);
	pop_items(10, 1000);
	push_items(1000, 2000);
	pop_items(1000, 1990);
	race_go("deque_head_is_read");
	pthread_join(thread, NULL);
	assert_int_equal(stolen.n, 5);
	for (uintptr_t i = 0; i < 5; i++)
		assert_ptr_equal(stolen.loot[i], item(1990 + i));
	for (unsigned i = 0; i < DEQUE_SIZE; i++)
		assert_null(stolen.behind[i]);
}

/*
 *   owner                           thief
 *   reads head = 0, and the last item
 *                                   steals it
 *   swaps head: must fail
 */
TEST(popped_and_stolen)
{
	pthread_t thread;
	void *popped;
	memset(&shared, 0, sizeof(shared));
	push_items(0, 1);
	race_stop("deque_pops");
	assert_int_equal(pthread_create(&thread, NULL, pop_once, NULL), 0);
	race_wait("deque_pops");
	steal_once(NULL);
	race_go("deque_pops");
	pthread_join(thread, &popped);
	assert_true(stolen.n == 1 && stolen.loot[0] == item(0));
	assert_null(popped);
}

#endif

/*
 * The owner pushes and pops while thieves steal: no item is lost, none is had twice. Each burst ends with an empty deque,
 * so that pop and steal meet over the last item all the time, and fills it, so that places are reused under a thief
 * that is just reading them.
 */
TEST(concurrent)
{
	pthread_t threads[THIEVES];
	uintptr_t total = (uintptr_t)test_scale(300000), next = 0;
	unsigned random = 1;
	memset(&shared, 0, sizeof(shared));
	shared.seen = calloc(total, 1);
	assert_non_null(shared.seen);
	for (int i = 0; i < THIEVES; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, thief, NULL), 0);
	/* the thieves are under way before the owner goes on */
	while (deque_push(&shared.deque, item(next)))
		next++;
	while (load(&shared.stolen, relaxed) == 0)
		sched_yield();
	while (next < total) {
		struct task *task;
		random = random * 1664525 + 1013904223;
		unsigned burst = random >> 24;
		while (burst-- > 0 && next < total && deque_push(&shared.deque, item(next)))
			next++;
		unsigned pops = random >> 16 & 255;
		while (pops-- > 0 && (task = deque_pop(&shared.deque)))
			take(task);
	}
	for (struct task *task; (task = deque_pop(&shared.deque));)
		take(task);
	store(&shared.done, 1, release);
	for (int i = 0; i < THIEVES; i++)
		pthread_join(threads[i], NULL);
	for (uintptr_t i = 0; i < total; i++)
		assert_int_equal(shared.seen[i], 1);
	free(shared.seen);
}
