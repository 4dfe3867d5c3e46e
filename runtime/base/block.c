/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Caches are LIFO, so that a block that was just read is the next to be written: it is still in the processor's
 * cache.
 */
#include "base/block.h"

#include <errno.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/check.h"

#define BATCH          32u                /* at most so many blocks move between a cache and the slabs at once */
#define BATCH_BYTES    ((size_t)64 << 10) /* of large blocks, at most so many bytes */
#define RESERVED       ((size_t)64 << 30)
#define RESERVED_LEAST ((size_t)1 << 30)

_Static_assert(BLOCK_CLASSES <= SLAB_CLASSES && 2 * BLOCK_MAX <= SLAB, "slabs have room for them");

struct slabs blocks;

unsigned block_test_fail;

static unsigned class_of(size_t n)
{
	if (n <= 512)
		return n == 0 ? 0 : (unsigned)((n - 1) / 32);
	if (n <= 2048)
		return 16 + (unsigned)((n - 513) / 128);
	if (n <= 16384)
		return 28 + (unsigned)((n - 2049) / 1024);
	return 42 + (unsigned)((n - 16385) / 4096);
}

static size_t class_size(unsigned class)
{
	if (class < 16)
		return (class + 1) * 32;
	if (class < 28)
		return 512 + (class - 15) * 128;
	if (class < 42)
		return 2048 + (class - 27) * 1024;
	return 16384 + (class - 41) * 4096;
}

size_t block_capacity(size_t n)
{
	return n > BLOCK_MAX ? n : class_size(class_of(n));
}

static unsigned batch_of(unsigned class)
{
	return (unsigned)MIN(MAX(BATCH_BYTES / class_size(class), 1), BATCH);
}

int blocks_open(void)
{
	static const struct slab_kind kind = { .size = class_size };
	/* a limit on address space (ulimit -v) may allow less */
	for (size_t size = RESERVED; size >= RESERVED_LEAST; size /= 2) {
		if (slabs_open(&blocks, &kind, size) == 0)
			return 0;
	}
	return -ENOMEM;
}

void blocks_close(void)
{
	slabs_close(&blocks);
}

size_t blocks_taken(void)
{
	return slabs_taken(&blocks);
}

static bool test_fails(void)
{
	unsigned n = load(&block_test_fail, relaxed);
	if (n > 1)
		store(&block_test_fail, n - 1, relaxed);
	return n == 1;
}

void *block_alloc_from(struct block_cache *cache, size_t n)
{
	if (unlikely(load(&block_test_fail, relaxed)) && test_fails())
		return NULL;
	if (unlikely(n > BLOCK_MAX)) {
		int saved = errno;
		void *block = malloc(n);
		errno = saved;
		return block;
	}
	unsigned class = class_of(n);
	struct slab_block *b = NULL;
	if (!cache)
		return slabs_take(&blocks, class, &b, 1) ? b : NULL;
	b = cache->free[class].head;
	if (unlikely(!b)) {
		cache->free[class].count = slabs_take(&blocks, class, &b, batch_of(class));
		if (!b)
			return NULL;
	}
	cache->free[class].head = b->next;
	cache->free[class].count--;
	return b;
}

/*
 * Called when free[class].count exceeds free[class].most, which is 0 until the first call: sets it, and gives a batch
 * back if the cache holds more than two batches.
 */
NOINLINE static void spill(struct block_cache *cache, unsigned class)
{
	unsigned batch = batch_of(class);
	cache->free[class].most = 2 * batch;
	if (cache->free[class].count <= 2 * batch)
		return;
	slabs_give(&blocks, &cache->free[class].head, batch);
	cache->free[class].count -= batch;
}

void block_free_to(struct block_cache *cache, void *block, size_t n)
{
	if (!block)
		return;
	if (unlikely(n > BLOCK_MAX)) {
		free(block);
		return;
	}
	unsigned class = class_of(n);
	struct slab_block *b = block;
	if (!cache) {
		slabs_give(&blocks, &b, 1);
		return;
	}
	b->next = cache->free[class].head;
	cache->free[class].head = b;
	if (unlikely(++cache->free[class].count > cache->free[class].most))
		spill(cache, class);
}

/* The calling thread's cache; null: none. */
static __thread struct block_cache *mine;

/* Never inlined, like the functions below: after a wait the task may run on another thread. */
NOINLINE void block_cache_use(struct block_cache *cache)
{
	COMPILER_BARRIER();
	mine = cache;
}

NOINLINE void *block_alloc(size_t n)
{
	COMPILER_BARRIER();
	return block_alloc_from(mine, n);
}

NOINLINE void block_free(void *block, size_t n)
{
	COMPILER_BARRIER();
	block_free_to(mine, block, n);
}

void block_cache_empty(struct block_cache *cache)
{
	for (unsigned i = 0; i < BLOCK_CLASSES; i++) {
		if (cache->free[i].count == 0)
			continue;
		slabs_give(&blocks, &cache->free[i].head, cache->free[i].count);
		cache->free[i].count = 0;
	}
}
