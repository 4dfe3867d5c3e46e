/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * An arena: address space reserved at once, memory taken from its front in large steps that are populated ahead. A
 * first touch of a page costs more than a hundred context switches, and one system call for 2 MiB is cheaper than 512
 * faults. What was handed out stays where it is until the arena is freed, so the objects in it are type-stable.
 *
 * Not locked: the owner sees to it that one thread at a time grows it.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
	char *base;
	size_t reserved;
	size_t populated; /* [base, base + populated) is readable and writable, and was touched but for arena_open() */
};

/* 0 or -ENOMEM. */
int arena_reserve(struct arena *arena, size_t size);

/* Makes at least [0, size) usable: 0 or -ENOMEM. Steps grow from 64 KiB to 2 MiB. */
int arena_grow(struct arena *arena, size_t size);

/* Makes [0, size) of an arena that has not grown yet accessible, without touching it, for small pages. 0 or -ENOMEM. */
int arena_open(struct arena *arena, size_t size);

/* Gives back what is beyond [0, size), whole pages, of an arena that has grown: how many bytes. */
size_t arena_shrink(struct arena *arena, size_t size);

void arena_free(struct arena *arena);

/*
 * Whether core dumps have [start, start + size), whole pages. What is reserved and not used yet must be out of them: gdb's
 * generate-core-file reads every page of a mapping, and reading makes some of it present. An arena sees to that itself.
 */
void memory_dump(void *start, size_t size, bool dump);

/*
 * Touches [start, start + size), which must be mapped writable. 0 or -ENOMEM. No other thread's change of a mapping waits
 * for the whole of it.
 */
int memory_populate(void *start, size_t size);

/* The same for memory of an arena, which may get huge pages. */
int arena_populate(char *start, size_t size);

#define PAGE ((size_t)4096)

#endif
