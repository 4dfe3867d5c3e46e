/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Small blocks of malloc(), for objects that may outlive the run. A worker keeps some that were freed: malloc() and free()
 * cost more than all else that is done for a small object.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <errno.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/sanitizer.h"

#define HEAP_BLOCK ((size_t)192)
#define HEAP_MOST  64u

/* Blocks are not kept where a tool finds uses of freed memory. */
#if defined(SLEY_TSAN) || defined(SLEY_ASAN) || defined(SLEY_VALGRIND)
#define HEAP_KEEPS false
#else
#define HEAP_KEEPS true
#endif

struct heap_block {
	char used[HEAP_BLOCK - sizeof(struct heap_block *)]; /* stays as it is: a second free may be seen */
	struct heap_block *next;
};

/* Owned by a worker; zero at first. */
struct heap_cache {
	struct heap_block *first;
	unsigned count;
	bool none; /* constant in a run: it keeps no blocks */
};

/* A block of HEAP_BLOCK bytes; null: no memory. `cache`: of the calling worker; null: the thread is none. */
static inline void *heap_alloc(struct heap_cache *cache)
{
	struct heap_block *block = likely(cache != NULL) ? cache->first : NULL;
	if (likely(block != NULL)) {
		cache->first = block->next;
		cache->count--;
		return block;
	}
	int saved = errno;
	block = malloc(HEAP_BLOCK);
	errno = saved;
	return block;
}

static inline void heap_free(struct heap_cache *cache, void *memory)
{
	struct heap_block *block = memory;
	if (!HEAP_KEEPS || unlikely(!cache) || unlikely(cache->count >= HEAP_MOST) || unlikely(cache->none)) {
		free(block);
		return;
	}
	block->next = cache->first;
	cache->first = block;
	cache->count++;
}

static inline void heap_cache_empty(struct heap_cache *cache)
{
	while (cache->first) {
		struct heap_block *block = cache->first;
		cache->first = block->next;
		free(block);
	}
	cache->count = 0;
}

#endif
