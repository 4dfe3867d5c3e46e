/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Slabs: memory that one class has freed serves another, and goes back to the kernel when nobody has wanted it for long. */
#include "base/slab.h"

#include "tests/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/atomic.h"
#include "base/compiler.h"

static size_t size_of(unsigned class)
{
	return (class + 1) * 1024;
}

static const struct slab_kind kind = { .size = size_of };
static struct slabs slabs;

static int open_slabs(void **state)
{
	return slabs_open(&slabs, &kind, (size_t)1 << 30);
}

static int close_slabs(void **state)
{
	slabs_close(&slabs);
	return 0;
}

/* Bytes that are resident. */
static size_t resident(void)
{
	static unsigned char pages[(1u << 30) / 4096];
	size_t size = slabs.memory.populated, n = 0;
	assert_true(size / PAGE <= sizeof(pages));
	assert_int_equal(mincore(slabs.base, size, pages), 0);
	for (size_t i = 0; i < size / PAGE; i++)
		n += pages[i] & 1;
	return n * PAGE;
}

static struct slab_block *take(unsigned class, unsigned n)
{
	struct slab_block *list = NULL;
	while (n > 0) {
		unsigned got = slabs_take(&slabs, class, &list, n);
		assert_in_range(got, 1, n);
		n -= got;
	}
	return list;
}

static unsigned give(struct slab_block *list)
{
	unsigned n = 0;
	for (; list; n++)
		slabs_give(&slabs, &list, 1);
	return n;
}

/* Classes one after the other need no more memory than the largest. */
TEST_WITH(share, open_slabs, close_slabs)
{
	enum { BYTES = 12 << 20 };
	give(take(0, BYTES / size_of(0)));
	size_t most = slabs.memory.populated;
	assert_true(most >= BYTES && most < BYTES + (6u << 20));
	for (unsigned i = 0; i < 32; i++)
		give(take(i, BYTES / size_of(i) * 9 / 10));
	assert_int_equal(slabs.memory.populated, most);
	assert_int_equal(slabs_taken(&slabs), 0);
}

/* One block keeps its slab, and no other. */
TEST_WITH(straggler, open_slabs, close_slabs)
{
	struct slab_block *list = take(3, 5000), *last = list;
	list = list->next;
	last->next = NULL;
	give(list);
	assert_int_equal(slabs_taken(&slabs), 1);
	assert_int_equal(slabs.stocked, slabs.made - 1);
	memset((char *)last + sizeof(*last), 1, size_of(3) - sizeof(*last));
	give(last);
	assert_int_equal(slabs.stocked, slabs.made);
}

/* So many steps in which nothing happens. */
static size_t pass(unsigned steps)
{
	size_t given = 0;
	while (steps-- > 0) {
		slabs_age(&slabs);
		given += slabs_trim(&slabs);
	}
	return given;
}

/* What was free all the time goes back, all of it; and comes back, zero and in its old place, when it is wanted. */
TEST_WITH(leave, open_slabs, close_slabs)
{
	enum { BYTES = 40 << 20 };
	test_need_kernel("qemu-user drops MADV_POPULATE_WRITE");
	size_t before = resident();
	for (unsigned round = 0; round < 3; round++) {
		struct slab_block *list = take(round, BYTES / size_of(round));
		for (struct slab_block *b = list; b; b = b->next)
			memset((char *)b + sizeof(*b), 0xaa, size_of(round) - sizeof(*b));
		assert_true(resident() >= BYTES);
		pass(3 * DECAY_STEPS); /* in use, but for what had been made ready ahead */
		assert_true(resident() >= BYTES);
		give(list);
		assert_int_equal(pass(DECAY_STEPS), 0); /* it was in use during the first */
		assert_true(pass(1) >= BYTES);
		assert_true(resident() <= before + PAGE);
		assert_int_equal(pass(3 * DECAY_STEPS), 0); /* there is no more */
		assert_true(slabs.memory.populated < BYTES + (6u << 20));
	}
	assert_false(slabs_are_large(&slabs));
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

/* The kernel makes a huge page of a group, part of which has left. That part leaves again with the rest. */
TEST_WITH(collapsed, open_slabs, close_slabs)
{
	enum { BYTES = 40 << 20 };
	test_need_kernel("qemu-user drops MADV_POPULATE_WRITE");
	size_t before = resident(), full;
	give(take(0, BYTES / size_of(0)));
	full = resident();
	slabs.surplus = SLAB_GROUP / 2; /* of the last group */
	assert_int_equal(slabs_trim(&slabs), SLAB_GROUP / 2 * SLAB);
	assert_int_equal(resident(), full - SLAB_GROUP / 2 * SLAB);
	char *last = slabs.base + (slabs.made - SLAB_GROUP) * SLAB;
	if (madvise(last, SLAB_GROUP * SLAB, MADV_COLLAPSE) != 0)
		test_skip("the kernel makes no huge page here");
	assert_int_equal(resident(), full);
	pass(3 * DECAY_STEPS);
	assert_true(resident() <= before + PAGE);
	assert_int_equal(slabs.colds, slabs.made - SLAB_SMALL);
	give(take(0, BYTES / size_of(0))); /* and is there again when it is wanted */
	assert_int_equal(slabs.colds, 0);
}

/* A load that comes back within DECAY_STEPS steps never loses what it needs; and what it does not need leaves. */
TEST_WITH(steady, open_slabs, close_slabs)
{
	give(take(5, 9000));
	for (unsigned round = 0; round < 10; round++) {
		struct slab_block *list = take(5, 3000);
		unsigned stocked = slabs.stocked;
		pass(1);
		give(list);
		pass(DECAY_STEPS - 1);
		assert_true(slabs.stocked >= 3000 * size_of(5) / SLAB);
		if (round > 3)
			assert_true(stocked <= 4 * SLAB_GROUP);
	}
}

/* Slabs that stay in use in the middle of what leaves keep their bytes. */
TEST_WITH(scattered, open_slabs, close_slabs)
{
	enum { BLOCKS = 30000 };
	struct slab_block *kept[BLOCKS / 1000], *rest = NULL, *list = take(0, BLOCKS);
	for (unsigned i = 0; i < BLOCKS; i++) {
		struct slab_block *b = list;
		list = b->next;
		if (i % 1000 == 0) {
			kept[i / 1000] = b;
			memset((char *)b, (int)(i / 1000), size_of(0));
		} else {
			b->next = rest;
			rest = b;
		}
	}
	give(rest);
	size_t given = pass(DECAY_STEPS + 1);
	assert_true(given >= (BLOCKS / 128 - 2 * ARRAY_SIZE(kept)) * SLAB);
	give(take(7, 3000)); /* over what has left */
	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
		for (unsigned j = 0; j < size_of(0); j++)
			assert_int_equal(((unsigned char *)kept[i])[j], i);
		kept[i]->next = NULL;
		give(kept[i]);
	}
	assert_int_equal(slabs_taken(&slabs), 0);
}

/* No block reaches beyond the limit; what is freed can be had again. */
TEST_WITH(limit, open_slabs, close_slabs)
{
	struct slabs few;
	struct slab_block *list = NULL;
	unsigned n = 0, got;
	assert_int_equal(slabs_open(&few, &kind, 5 * (SLAB_SMALL + 5) * size_of(0) + SLAB_SMALL * SLAB + 100), 0);
	while ((got = slabs_take(&few, 0, &list, 100)) > 0)
		n += got;
	assert_int_equal(n, few.limit / size_of(0));
	for (struct slab_block *b = list; b; b = b->next)
		assert_true((char *)b + size_of(0) <= few.base + few.limit);
	slabs_give(&few, &list, 3);
	list = NULL;
	assert_int_equal(slabs_take(&few, 0, &list, 100), 3);
	slabs_close(&few);
}

#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN)
/* No memory to grow: nothing, and what is there goes on; with memory it grows. */
TEST_WITH(no_memory, open_slabs, close_slabs)
{
	struct rlimit old, low;
	struct slab_block *list = NULL, *more = NULL;
	test_need_kernel("qemu-user does not keep RLIMIT_DATA");
	list = take(0, 1);
	assert_int_equal(getrlimit(RLIMIT_DATA, &old), 0);
	low = old;
	low.rlim_cur = 4096; /* 0 would be ignored */
	assert_int_equal(setrlimit(RLIMIT_DATA, &low), 0);
	while (slabs_take(&slabs, 0, &list, 32) > 0)
		;
	assert_int_equal(slabs_taken(&slabs), SLAB_SMALL * SLAB / size_of(0));
	slabs_give(&slabs, &list, 1);
	assert_int_equal(slabs_take(&slabs, 0, &list, 32), 1);
	assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
	assert_int_equal(slabs_take(&slabs, 0, &more, 32), 32);
	give(list);
	give(more);
}
#endif

static int again_error;
static size_t came_back; /* bytes */

static int again(size_t begin, size_t end)
{
	came_back += again_error ? 0 : end - begin;
	return again_error;
}

/* What is needed besides the bytes of cold slabs is not to be had: they stay cold, and come when it is. */
TEST_WITH(not_again, open_slabs, close_slabs)
{
	enum { BYTES = 40 << 20 };
	static const struct slab_kind with_again = { .size = size_of, .again = again };
	struct slab_block *list;
	int error = 0;
	test_need_kernel("qemu-user drops MADV_DONTNEED");
	slabs.kind = &with_again;
	give(take(0, BYTES / size_of(0)));
	pass(3 * DECAY_STEPS);
	size_t populated = slabs.memory.populated;
	again_error = -ENOMEM;
	came_back = 0;
	list = take(0, SLAB_SMALL * SLAB / size_of(0));
	assert_int_equal(slabs_take_or(&slabs, 0, &list, 1, &error), 0);
	assert_int_equal(error, -ENOMEM);
	again_error = 0;
	struct slab_block *more = take(0, BYTES / size_of(0) - SLAB_SMALL * SLAB / size_of(0));
	assert_true(came_back > 0 && came_back <= populated && slabs.memory.populated == populated);
	for (struct slab_block *b = more; b; b = b->next)
		assert_int_equal(((char *)b)[size_of(0) - 1], 0);
	give(list);
	give(more);
}

/* ---- threads ---- */

static unsigned stop; /* atomic */

struct owned {
	struct slab_block *block;
	unsigned class;
	unsigned char mark;
};

static void check(const struct owned *o)
{
	const unsigned char *bytes = (void *)o->block;
	REQUIRE(bytes[sizeof(void *)] == o->mark && bytes[size_of(o->class) - 1] == o->mark);
}

/* Bursts of blocks of random classes: each keeps its bytes while it is owned. */
static void *exercise(void *arg)
{
	enum { OWNED = 500 };
	struct owned owned[OWNED];
	unsigned seed = (unsigned)(uintptr_t)arg;
	for (long round = test_scale(100); round > 0; round--) {
		for (unsigned i = 0; i < OWNED; i++) {
			struct owned *o = &owned[i];
			seed = seed * 1664525 + 1013904223;
			*o = (struct owned){ .class = (seed >> 20) % 32, .mark = (unsigned char)(seed >> 8) };
			REQUIRE(slabs_take(&slabs, o->class, &o->block, 1) == 1);
			memset((char *)o->block + sizeof(void *), o->mark, size_of(o->class) - sizeof(void *));
		}
		for (unsigned i = 0; i < OWNED; i++) {
			check(&owned[i]);
			slabs_give(&slabs, &owned[i].block, 1);
		}
	}
	return NULL;
}

/* Takes away all that is free, whenever it is, as no monitor would. */
static void *age(void *unused)
{
	while (!load(&stop, relaxed)) {
		lock_take(&slabs.lock);
		slabs.surplus = slabs.stocked;
		lock_drop(&slabs.lock);
		slabs_trim(&slabs);
	}
	return NULL;
}

/* Threads take and give blocks while free memory goes back to the kernel all the time. */
TEST_WITH(threads, open_slabs, close_slabs)
{
	pthread_t threads[3], ager;
	stop = 0;
	assert_int_equal(pthread_create(&ager, NULL, age, NULL), 0);
	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, exercise, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	store(&stop, 1, relaxed);
	pthread_join(ager, NULL);
	assert_int_equal(slabs_taken(&slabs), 0);
}

static void *take_one(void *arg)
{
	struct slab_block *block = NULL;
	REQUIRE(slabs_take(&slabs, 0, &block, 1) == 1);
	slabs_give(&slabs, &block, 1);
	store((unsigned *)arg, 1, release); /* pairs with test_growth() */
	return NULL;
}

/* While somebody populates, the others have what is there. (The growth lock is held here as he would.) */
TEST_WITH(growth, open_slabs, close_slabs)
{
	struct slab_block *list = take(0, 1);
	unsigned done = 0; /* atomic */
	pthread_t thread;
	lock_take(&slabs.growth);
	assert_int_equal(pthread_create(&thread, NULL, take_one, &done), 0);
	pthread_join(thread, NULL);
	assert_int_equal(load(&done, acquire), 1); /* pairs with take_one() */
	lock_drop(&slabs.growth);
	give(list);
}

/* Past the first slabs the stock grows before it is used up. */
TEST_WITH(ahead, open_slabs, close_slabs)
{
	take(0, (unsigned)(SLAB_SMALL * SLAB / size_of(0)) + 1);
	for (unsigned i = 0; i < 20 * SLAB_GROUP; i++) {
		assert_true(slabs.stocked > 0);
		take(0, SLAB / size_of(0));
	}
}
