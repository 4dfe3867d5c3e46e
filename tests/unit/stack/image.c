/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The image allocator: sizes, alignment, blocks that do not overlap, reuse, and threads at once. */
#include "stack/image.h"

#include "tests/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"

static int open_images(void **state)
{
	return images_open();
}

static int close_images(void **state)
{
	images_close();
	return 0;
}

/* Each size gets at least its bytes, little more, 16-byte aligned; sizes of one class share a capacity. */
static void test_capacity(void **state)
{
	struct image_cache cache = { 0 };

	for (size_t n = 0; n <= IMAGE_MAX + 100; n = n < 3000 ? n + 1 : n + 97) {
		size_t capacity = image_capacity(n);
		assert_true(capacity >= n);
		assert_true(capacity <= n + (n <= 512 ? 32 : n <= 2048 ? 128 : n <= 16384 ? 1024 : 4096) || n > IMAGE_MAX);
		assert_int_equal(image_capacity(capacity), capacity);
		void *block = image_alloc(&cache, n);
		assert_non_null(block);
		assert_int_equal((uintptr_t)block % 16, 0);
		memset(block, 0xab, capacity);
		image_free(&cache, block, n);
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
static void exercise(struct image_cache *cache, unsigned seed, long operations)
{
	enum { OWNED = 300 };
	struct owned owned[OWNED] = { 0 };

	for (long i = 0; i < operations; i++) {
		seed = seed * 1664525 + 1013904223;
		struct owned *o = &owned[(seed >> 8) % OWNED];
		if (o->block) {
			check(o);
			image_free(cache, o->block, o->n);
			o->block = NULL;
			continue;
		}
		o->n = (seed >> 20) % (seed % 16 == 0 ? 20000 : 700);
		o->mark = (unsigned char)seed;
		o->block = image_alloc(cache, o->n);
		REQUIRE(o->block != NULL);
		memset(o->block, o->mark, o->n);
	}
	for (int i = 0; i < OWNED; i++) {
		if (owned[i].block)
			check(&owned[i]);
		image_free(cache, owned[i].block, owned[i].n);
	}
}

/* With a worker's cache, and without one. */
static void test_contents(void **state)
{
	struct image_cache cache = { 0 };

	exercise(&cache, 1, test_scale(200000));
	exercise(NULL, 2, test_scale(200000));
	image_free(&cache, NULL, 100); /* nothing */
	image_free(NULL, NULL, 100);
}

static void *exercise_thread(void *seed)
{
	struct image_cache cache = { 0 };

	for (int i = 0; i < 10; i++)
		exercise(i % 3 ? &cache : NULL, (unsigned)(uintptr_t)seed + (unsigned)i, test_scale(20000));
	return NULL;
}

/* Threads that trade batches by way of the central lists. */
static void test_threads(void **state)
{
	pthread_t threads[4];

	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, exercise_thread, (void *)(i * 100 + 7)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

/* What was freed is reused: after two rounds no fresh memory is cut. */
static void test_reuse(void **state)
{
	struct image_cache cache = { 0 };
	void *first[200];
	long rounds = test_scale(5000);
	uintptr_t low = UINTPTR_MAX, high = 0;

	for (long r = 0; r < rounds; r++) {
		for (int i = 0; i < 200; i++) {
			first[i] = image_alloc(&cache, 400);
			assert_non_null(first[i]);
			if (r < 2) {
				low = (uintptr_t)first[i] < low ? (uintptr_t)first[i] : low;
				high = (uintptr_t)first[i] > high ? (uintptr_t)first[i] : high;
			} else {
				assert_in_range((uintptr_t)first[i], low, high);
			}
		}
		for (int i = 0; i < 200; i++)
			image_free(&cache, first[i], 400);
	}
}

/* While tests ask for it, every allocation fails, of whatever size, and nothing else changes. */
static void test_failure(void **state)
{
	struct image_cache cache = { 0 };
	void *block = image_alloc(&cache, 100);

	store(&image_test_fail, 1, relaxed);
	assert_null(image_alloc(&cache, 100));
	assert_null(image_alloc(NULL, 100));
	assert_null(image_alloc(NULL, 100000));
	image_free(&cache, block, 100);
	store(&image_test_fail, 0, relaxed);
	assert_ptr_equal(image_alloc(&cache, 100), block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_capacity, open_images, close_images),
		cmocka_unit_test_setup_teardown(test_contents, open_images, close_images),
		cmocka_unit_test_setup_teardown(test_threads, open_images, close_images),
		cmocka_unit_test_setup_teardown(test_reuse, open_images, close_images),
		cmocka_unit_test_setup_teardown(test_failure, open_images, close_images),
	};

	return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
