/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The reactor's table: an entry per descriptor number. Type-stable: an entry stays where it is for the whole run, and
 * says by its generation which of the descriptors that had the number it is about. See reactor.h.
 */
#ifndef REACTOR_ENTRY_H
#define REACTOR_ENTRY_H

#include "base/compiler.h"
#include "base/lock.h"
#include "reactor/reactor.h"

/* Two to a cache line would make neighbours fight; one each. */
struct entry {
	struct lock lock; /* protects the rest but for what is atomic */
	uint8_t flags;    /* FD_*; atomic: read without the lock */
	uint8_t ready[2]; /* atomic, see the protocol */
	uint8_t hung;     /* atomic: an end, an error or urgent data has been seen */
	uint8_t added;    /* it is (or was) known to epoll */
	uint8_t closing;  /* closed, and close(2) is left to the last call that holds it */
	uint64_t life;    /* atomic: generation << 32 | calls that hold it; the generation is written under lock */
	struct task *waiter[2]; /* atomic: the watchdog looks without the lock first */
	int64_t since;          /* when the older of the waits began, roughly: the last poll's time */
	struct unreleased unreleased;
} CACHE_ALIGNED;

/* Reserves the table. 0 or -ENOMEM. */
int entries_open(void);
void entries_close(void);

extern HIDDEN struct entries {
	struct entry *first; /* constant during a run */
	uint32_t high;       /* atomic: one past the highest number ever seen; entries below it are usable */
} entries;

static inline uint32_t entries_high(void)
{
	return load(&entries.high, acquire); /* pairs with entry_get(), which makes them usable */
}

/* The entry, or null if the number was never seen. */
static inline struct entry *entry_find(int fd)
{
	return fd >= 0 && (uint32_t)fd < entries_high() ? &entries.first[fd] : NULL;
}

/* ---- the marks of an owned descriptor: the edge protocol of reactor.h ---- */

/* Whether a try is worth it; if so, the mark is cleared. */
static inline bool entry_begin_try(struct entry *entry, unsigned flags, int direction)
{
	if (load(&entry->ready[direction], relaxed)) {
		exchange(&entry->ready[direction], 0, seq_cst); /* before the try, see the protocol */
		return true;
	}
	return load(&entry->hung, relaxed) || !(flags & FD_STREAM);
}

static inline void entry_maybe_more(struct entry *entry, int direction)
{
	store(&entry->ready[direction], 1, relaxed);
}

/*
 * The entry, made if need be. 0; -EBADF: the number is negative, or was never seen and is not open; -EMFILE: it is beyond
 * the table; -ENOMEM.
 */
int entry_get(int fd, struct entry **entry);

/* ---- lives: see reactor.h ---- */

static inline uint32_t entry_generation(const struct entry *entry)
{
	return (uint32_t)(load(&entry->life, relaxed) >> 32); /* changes under the lock, and entry_hold() looks again */
}

/*
 * With the lock held: whoever waited for the number or holds it has not to do with what it becomes. How many hold it.
 */
uint32_t entry_next_generation(struct entry *entry);

/* 0; or -EBADF: it is not the descriptor any more that was waited for. */
int entry_hold(struct entry *entry, struct hold *hold);

#endif
