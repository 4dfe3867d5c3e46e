/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * An arena: address space reserved at once, memory taken from its front in large steps that are populated ahead. A
 * first touch of a page costs more than a hundred context switches, and one system call for 2 MiB is cheaper than 512
 * faults. The memory of an arena does not move until the arena is freed, so the objects in it are type-stable.
 *
 * Arenas have no lock: the owner ensures that one thread at a time grows an arena.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
	char *base;
	size_t reserved;
	size_t populated; /* [base, base + populated) is readable and writable; touched, except after arena_open() */
};

/* 0 or -ENOMEM. */
int arena_reserve(struct arena *arena, size_t size);

/* Makes at least [0, size) usable: 0 or -ENOMEM. Steps grow from 64 KiB to 2 MiB. */
int arena_grow(struct arena *arena, size_t size);

/* Makes [0, size) accessible without touching it, for small pages. The arena has not grown yet. 0 or -ENOMEM. */
int arena_open(struct arena *arena, size_t size);

/*
 * Gives the pages beyond [0, size) back to the kernel; `size` is a multiple of the page. Returns the bytes given back.
 */
size_t arena_shrink(struct arena *arena, size_t size);

void arena_free(struct arena *arena);

/*
 * Includes [start, start + size), whole pages, in core dumps, or excludes it. Reserved memory must be excluded while it
 * is unused: gdb's generate-core-file reads every page of a mapping, and reading makes some pages present. The
 * functions of an arena call this themselves.
 */
void memory_dump(void *start, size_t size, bool dump);

/*
 * Touches [start, start + size), which must be mapped writable. 0 or -ENOMEM. It proceeds in small pieces, so that
 * another thread's mmap(2) or munmap(2) waits for one piece at most.
 */
int memory_populate(void *start, size_t size);

/* The same for memory of an arena, which may get huge pages. */
int arena_populate(char *start, size_t size);

#define PAGE ((size_t)4096)

#endif
