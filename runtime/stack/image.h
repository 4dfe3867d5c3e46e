/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Image allocator: right-sized blocks for the live bytes of copied-out stacks, and for values that travel between
 * tasks.
 *
 * Size classes in steps of 32 bytes up to 512, 128 up to 2 KiB, 1 KiB up to 16 KiB, 4 KiB up to 64 KiB; larger blocks
 * are malloc's. Each worker keeps a cache of free blocks by class and trades batches with the slabs (base/slab.h), from
 * where memory goes to other classes, and back to the kernel. The caller remembers the size; blocks have no header.
 */
#ifndef STACK_IMAGE_H
#define STACK_IMAGE_H

#include <stddef.h>

#include "base/slab.h"

#define IMAGE_CLASSES 54
#define IMAGE_MAX     ((size_t)64 << 10)

struct image_cache { /* owned by one worker; zero at first */
	struct {
		struct slab_block *head;
		unsigned count;
		unsigned most; /* beyond which a batch goes back; 0: not known yet */
	} free[IMAGE_CLASSES];
};

/* Reserves the address space. 0 or -ENOMEM. */
int images_open(void);

/* Frees all blocks up to IMAGE_MAX at once; caches are void then. */
void images_close(void);

/* A block of at least n bytes, 16-byte aligned, or null. `cache` is null on threads that are no workers. */
void *image_alloc(struct image_cache *cache, size_t n);

/* Frees a block that was allocated for n bytes. Null does nothing. */
void image_free(struct image_cache *cache, void *block, size_t n);

/* Gives all that the cache has back to the slabs, where memory can be put to other uses. By its owner. */
void image_cache_empty(struct image_cache *cache);

/* The allocator's memory: see base/slab.h. */
extern struct slabs images;

/* Blocks that are in use or in caches. */
size_t images_taken(void);

/* The bytes that image_alloc(n) really gives. */
size_t image_capacity(size_t n);

/* For tests: 1: every allocation fails; n: all do after the next n - 1; 0: they are as ever. Atomic. */
extern unsigned image_test_fail;

#endif
