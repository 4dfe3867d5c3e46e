/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Caches are LIFO, so that a block that was just read is the next to be written: it is still in the processor's
 * cache.
 */
#include "stack/image.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"

#define BATCH          32                 /* blocks that travel between a cache and the central list at once */
#define CUT            ((size_t)16 << 10) /* fresh blocks are cut from the arena in pieces of this size */
#define RESERVED       ((size_t)64 << 30)
#define RESERVED_LEAST ((size_t)1 << 30)

struct block {
	struct block *next;
};

static struct {
	struct lock lock; /* protects the rest */
	struct arena arena;
	size_t used;  /* bytes cut from the arena */
	size_t taken; /* blocks that are in no list here */
	struct block *free[IMAGE_CLASSES];
} central;

unsigned image_test_fail;

static unsigned class_of(size_t n)
{
	if (n <= 512)
		return n == 0 ? 0 : (unsigned)((n - 1) / 32);
	if (n <= 2048)
		return 16 + (unsigned)((n - 513) / 128);
	return 28 + (unsigned)((n - 2049) / 1024);
}

static size_t class_size(unsigned class)
{
	if (class < 16)
		return (class + 1) * 32;
	if (class < 28)
		return 512 + (class - 15) * 128;
	return 2048 + (class - 27) * 1024;
}

size_t image_capacity(size_t n)
{
	return n > IMAGE_MAX ? n : class_size(class_of(n));
}

int images_open(void)
{
	/* a limit on address space (ulimit -v) may allow less */
	for (size_t size = RESERVED; size >= RESERVED_LEAST; size /= 2) {
		if (arena_reserve(&central.arena, size) == 0)
			return 0;
	}
	return -ENOMEM;
}

void images_close(void)
{
	arena_free(&central.arena);
	central.used = central.taken = 0;
	for (unsigned i = 0; i < IMAGE_CLASSES; i++)
		central.free[i] = NULL;
}

/* Cuts fresh blocks into the central list. With the lock held: growing populates, but that is a rare large step. */
static void cut(unsigned class)
{
	size_t size = class_size(class);
	size_t n = MAX(CUT / size, 1);
	if (arena_grow(&central.arena, central.used + n * size) != 0)
		return;
	char *p = central.arena.base + central.used;
	central.used += n * size;
	for (size_t i = n; i-- > 0;) { /* from the end, so that the list is in address order */
		struct block *b = (void *)(p + i * size);
		b->next = central.free[class];
		central.free[class] = b;
	}
}

/* Moves up to `most` blocks from the central list to `*head`; how many. */
static unsigned take(unsigned class, struct block **head, unsigned most)
{
	unsigned n = 0;
	lock_take(&central.lock);
	if (!central.free[class])
		cut(class);
	while (n < most && central.free[class]) {
		struct block *b = central.free[class];
		central.free[class] = b->next;
		b->next = *head;
		*head = b;
		n++;
	}
	central.taken += n;
	lock_drop(&central.lock);
	return n;
}

static void give(unsigned class, struct block **head, unsigned n)
{
	lock_take(&central.lock);
	central.taken -= n;
	while (n-- > 0) {
		struct block *b = *head;
		*head = b->next;
		b->next = central.free[class];
		central.free[class] = b;
	}
	lock_drop(&central.lock);
}

size_t images_taken(void)
{
	lock_take(&central.lock);
	size_t taken = central.taken;
	lock_drop(&central.lock);
	return taken;
}

static bool test_fails(void)
{
	unsigned n = load(&image_test_fail, relaxed);
	if (n > 1)
		store(&image_test_fail, n - 1, relaxed);
	return n == 1;
}

void *image_alloc(struct image_cache *cache, size_t n)
{
	if (unlikely(load(&image_test_fail, relaxed)) && test_fails())
		return NULL;
	if (unlikely(n > IMAGE_MAX)) {
		int saved = errno;
		void *block = malloc(n);
		errno = saved;
		return block;
	}
	unsigned class = class_of(n);
	struct block *b = NULL;
	if (!cache)
		return take(class, &b, 1) ? b : NULL;
	b = cache->free[class].head;
	if (unlikely(!b)) {
		cache->free[class].count = take(class, &b, BATCH);
		if (!b)
			return NULL;
	}
	cache->free[class].head = b->next;
	cache->free[class].count--;
	return b;
}

void image_free(struct image_cache *cache, void *block, size_t n)
{
	if (!block)
		return;
	if (unlikely(n > IMAGE_MAX)) {
		free(block);
		return;
	}
	unsigned class = class_of(n);
	struct block *b = block;
	b->next = NULL;
	if (!cache) {
		give(class, &b, 1);
		return;
	}
	b->next = cache->free[class].head;
	cache->free[class].head = b;
	if (unlikely(++cache->free[class].count > 2 * BATCH)) {
		struct block *head = b;
		give(class, &head, BATCH);
		cache->free[class].head = head;
		cache->free[class].count -= BATCH;
	}
}
