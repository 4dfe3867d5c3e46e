/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * An arena is reserved as PROT_NONE, which costs nothing under any overcommit mode. It is made accessible step by step.
 *
 * madvise(MADV_POPULATE_WRITE) holds the lock of all mappings until it returns. The mprotect(2), mmap(2) and munmap(2)
 * of every other thread wait for that lock, and with them the growth of other workers' arenas. A page fault holds
 * (since Linux 6.4) only the lock of its own mapping. So small pages are populated in small pieces, and huge pages,
 * which cannot be split into pieces, by faults. Populating 2 MiB takes the kernel 0.2 ms; in a virtual machine whose
 * host has to find the memory first, it takes 5 ms.
 */
#include "base/arena.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/missing.h"
#include "base/sanitizer.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

#define STEP_SMALL ((size_t)64 << 10)
#define STEP_HUGE  ((size_t)2 << 20)
#define PIECE      ((size_t)256 << 10) /* takes about 0.1 ms for private memory, 0.2 ms for shared */

int arena_reserve(struct arena *arena, size_t size)
{
	int saved = errno;
	size = ROUND_UP(size, STEP_HUGE);
	char *base = mmap(NULL, size + STEP_HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		errno = saved;
		return -ENOMEM;
	}
	/* aligned to huge pages, so that a step can be a huge page */
	char *aligned = (char *)ROUND_UP((uintptr_t)base, STEP_HUGE);
	if (aligned > base)
		munmap(base, (size_t)(aligned - base));
	size_t tail = (size_t)(base + size + STEP_HUGE - (aligned + size));
	if (tail)
		munmap(aligned + size, tail);
	madvise(aligned, size, MADV_HUGEPAGE);
	memory_dump(aligned, size, false);
	errno = saved;
	*arena = (struct arena){ .base = aligned, .reserved = size };
	return 0;
}

void memory_dump(void *start, size_t size, bool dump)
{
	int saved = errno;
	madvise(start, size, dump ? MADV_DODUMP : MADV_DONTDUMP);
	errno = saved;
}

static void touch(char *start, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE)
		fetch_or(&start[i], 0, relaxed); /* a write that keeps the value */
}

static int populate_piece(char *start, size_t size)
{
	static unsigned missing; /* atomic: MADV_POPULATE_WRITE fails, as before Linux 5.14 or under a filter */
	int saved = errno;
	int failed = load(&missing, relaxed) || madvise(start, size, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
	errno = saved;
	if (failed == ENOMEM || failed == EFAULT || failed == EHWPOISON)
		return -ENOMEM;
	if (failed == EINVAL || is_missing(failed))
		store(&missing, 1, relaxed);
	if (failed || load(&missing, relaxed))
		touch(start, size);
	return 0;
}

int memory_populate(void *start, size_t size)
{
	char *at = start, *end = at + size;
	while (at < end) {
		size_t piece = MIN(PIECE - (uintptr_t)at % PIECE, (size_t)(end - at));
		if (populate_piece(at, piece) != 0)
			return -ENOMEM;
		at += piece;
	}
	return 0;
}

int arena_populate(char *start, size_t size)
{
	for (char *at = (char *)ROUND_UP((uintptr_t)start, STEP_HUGE); at < start + size; at += STEP_HUGE)
		touch(at, PAGE);
	return memory_populate(start, size);
}

static void tell_leak_checker(const struct arena *arena, size_t before, size_t now)
{
	sanitizer_drop_root(arena->base, before);
	sanitizer_add_root(arena->base, now);
}

/* Makes [0, target) accessible. 0 or -ENOMEM. */
static int arena_extend(struct arena *arena, size_t target)
{
	int saved = errno;
	char *start = arena->base + arena->populated;
	size_t more = target - arena->populated;
	int failed = mprotect(start, more, PROT_READ | PROT_WRITE);
	errno = saved;
	if (failed)
		return -ENOMEM;
	memory_dump(start, more, true);
	return 0;
}

int arena_open(struct arena *arena, size_t size)
{
	int saved = errno;
	int error = arena_extend(arena, size);
	if (error)
		return error;
	madvise(arena->base, size, MADV_NOHUGEPAGE);
	errno = saved;
	tell_leak_checker(arena, arena->populated, size);
	arena->populated = size;
	return 0;
}

int arena_grow(struct arena *arena, size_t size)
{
	if (size <= arena->populated)
		return 0;
	if (size > arena->reserved)
		return -ENOMEM;
	/* small services stay small; from a quarter of a huge page on, whole huge pages are the cheapest */
	size_t step = size <= STEP_HUGE / 4 ? STEP_SMALL : STEP_HUGE;
	size_t target = MIN(ROUND_UP(size, step), arena->reserved);
	int result = arena_extend(arena, target);
	if (result == 0)
		result = arena_populate(arena->base + arena->populated, target - arena->populated);
	if (result == 0) {
		tell_leak_checker(arena, arena->populated, target);
		arena->populated = target;
	}
	return result;
}

size_t arena_shrink(struct arena *arena, size_t size)
{
	int saved = errno;
	if (size >= arena->populated)
		return 0;
	size_t less = arena->populated - size;
	madvise(arena->base + size, less, MADV_DONTNEED);
	memory_dump(arena->base + size, less, false);
	tell_leak_checker(arena, arena->populated, size);
	arena->populated = size;
	errno = saved;
	return less;
}

void arena_free(struct arena *arena)
{
	tell_leak_checker(arena, arena->populated, 0);
	if (arena->base)
		munmap(arena->base, arena->reserved);
	*arena = (struct arena){ 0 };
}
