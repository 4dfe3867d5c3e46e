/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The image allocator: sizes, alignment, blocks that do not overlap, reuse, and threads at once. */
#include "base/block.h"

#include "tests/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"

static int open_images(void **state)
{
	return blocks_open();
}

static int close_images(void **state)
{
	blocks_close();
	return 0;
}

/* Each size gets at least its bytes, little more, 16-byte aligned; sizes of one class share a capacity. */
TEST_WITH(capacity, open_images, close_images)
{
	struct block_cache cache = { 0 };
	for (size_t n = 0; n <= BLOCK_MAX + 100; n = n < 3000 ? n + 1 : n + 97) {
		size_t capacity = block_capacity(n);
		assert_true(capacity >= n);
		assert_true(capacity <= n + (n <= 512     ? 32
					     : n <= 2048  ? 128
					     : n <= 16384 ? 1024
							  : 4096) ||
			    n > BLOCK_MAX);
		assert_int_equal(block_capacity(capacity), capacity);
		void *block = block_alloc_from(&cache, n);
		assert_non_null(block);
		assert_int_equal((uintptr_t)block % 16, 0);
		memset(block, 0xab, capacity);
		block_free_to(&cache, block, n);
	}
}

struct owned {
	unsigned char *block;
	size_t n;
	unsigned char mark;
};

static void check(const struct owned *o)
{
	for (size_t i = 0; i < o->n; i++)
		REQUIRE(o->block[i] == o->mark);
}

/* Random sizes come and go: every block keeps its bytes while it is owned. */
static void exercise(struct block_cache *cache, unsigned seed, long operations)
{
	enum { OWNED = 300 };
	struct owned owned[OWNED] = { 0 };
	for (long i = 0; i < operations; i++) {
		seed = seed * 1664525 + 1013904223;
		struct owned *o = &owned[(seed >> 8) % OWNED];
		if (o->block) {
			check(o);
			block_free_to(cache, o->block, o->n);
			o->block = NULL;
			continue;
		}
		o->n = (seed >> 20) % (seed % 16 == 0 ? 20000 : 700);
		o->mark = (unsigned char)seed;
		o->block = block_alloc_from(cache, o->n);
		REQUIRE(o->block != NULL);
		memset(o->block, o->mark, o->n);
	}
	for (int i = 0; i < OWNED; i++) {
		if (owned[i].block)
			check(&owned[i]);
		block_free_to(cache, owned[i].block, owned[i].n);
	}
}

/* With a worker's cache, and without one. */
TEST_WITH(contents, open_images, close_images)
{
	struct block_cache cache = { 0 };
	exercise(&cache, 1, test_scale(200000));
	exercise(NULL, 2, test_scale(200000));
	block_free_to(&cache, NULL, 100); /* nothing */
	block_free_to(NULL, NULL, 100);
}

static void *exercise_thread(void *seed)
{
	struct block_cache cache = { 0 };
	for (int i = 0; i < 10; i++)
		exercise(i % 3 ? &cache : NULL, (unsigned)(uintptr_t)seed + (unsigned)i, test_scale(20000));
	return NULL;
}

/* Threads that trade batches by way of the central lists. */
TEST_WITH(threads, open_images, close_images)
{
	pthread_t threads[4];
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, exercise_thread, (void *)(i * 100 + 7)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

/* What was freed is reused: after two rounds no fresh memory is cut. */
TEST_WITH(reuse, open_images, close_images)
{
	struct block_cache cache = { 0 };
	void *first[200];
	long rounds = test_scale(5000);
	uintptr_t low = UINTPTR_MAX, high = 0;
	for (long r = 0; r < rounds; r++) {
		for (int i = 0; i < 200; i++) {
			first[i] = block_alloc_from(&cache, 400);
			assert_non_null(first[i]);
			if (r < 2) {
				low = (uintptr_t)first[i] < low ? (uintptr_t)first[i] : low;
				high = (uintptr_t)first[i] > high ? (uintptr_t)first[i] : high;
			} else {
				assert_in_range((uintptr_t)first[i], low, high);
			}
		}
		for (int i = 0; i < 200; i++)
			block_free_to(&cache, first[i], 400);
	}
}

/* While tests ask for it, every allocation fails, of whatever size, and nothing else changes. */
TEST_WITH(failure, open_images, close_images)
{
	struct block_cache cache = { 0 };
	void *block = block_alloc_from(&cache, 100);
	store(&block_test_fail, 1, relaxed);
	assert_null(block_alloc_from(&cache, 100));
	assert_null(block_alloc_from(NULL, 100));
	assert_null(block_alloc_from(NULL, 100000));
	block_free_to(&cache, block, 100);
	store(&block_test_fail, 0, relaxed);
	assert_ptr_equal(block_alloc_from(&cache, 100), block);
}
