/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Blocks: memory that is allocated and freed along with tasks: copied-out stacks (images), values in transit between
 * tasks, records of calls.
 *
 * Size classes in steps of 32 bytes up to 512, 128 up to 2 KiB, 1 KiB up to 16 KiB, 4 KiB up to 64 KiB; larger blocks
 * come from malloc(). Each worker keeps a cache of free blocks by class, and trades batches with the slabs
 * (base/slab.h). Memory of the slabs can move to other classes, and back to the kernel. Threads without a cache take
 * blocks from the slabs and return them there. Blocks have no header: the caller remembers the size.
 */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H

#include <stddef.h>

#include "base/slab.h"

#define BLOCK_CLASSES 54
#define BLOCK_MAX     ((size_t)64 << 10)

struct block_cache { /* owned by one worker; zero at first */
	struct {
		struct slab_block *head;
		unsigned count;
		unsigned most; /* a larger count returns a batch to the slabs; 0: not computed yet */
	} free[BLOCK_CLASSES];
};

/* Before a run: reserves the address space. 0 or -ENOMEM. */
int blocks_open(void);

/* After a run: frees all blocks up to BLOCK_MAX at once. Caches are invalid then. */
void blocks_close(void);

/* The calling thread uses the cache from here on; null: none. */
void block_cache_use(struct block_cache *cache);

/* A block of at least n bytes, 16-byte aligned, or null. Any thread. */
void *block_alloc(size_t n);

/* Frees a block that was allocated for n bytes. Null does nothing. Any thread. */
void block_free(void *block, size_t n);

/* The same with the calling worker's cache, for callers that have it at hand. */
void *block_alloc_from(struct block_cache *cache, size_t n);
void block_free_to(struct block_cache *cache, void *block, size_t n);

/*
 * Returns all blocks of the cache to the slabs, so that their memory can serve other uses. Called by the cache's owner.
 */
void block_cache_empty(struct block_cache *cache);

/* The allocator's memory: see base/slab.h. */
extern struct slabs blocks;

/* Blocks that are in use or in caches. */
size_t blocks_taken(void);

/* The usable bytes of block_alloc(n). */
size_t block_capacity(size_t n);

/* For tests. 1: every allocation fails; n: the next n - 1 succeed, all later ones fail; 0: off. Atomic. */
extern unsigned block_test_fail;

#endif
