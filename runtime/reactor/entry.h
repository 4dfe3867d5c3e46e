/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The reactor's table: an entry per descriptor number. It is type-stable: an entry stays at its address for the whole
 * run. Its generation says which of the successive descriptors of that number it describes. See reactor.h.
 */
#ifndef REACTOR_ENTRY_H
#define REACTOR_ENTRY_H

#include "base/compiler.h"
#include "base/lock.h"
#include "reactor/reactor.h"

/* One entry per cache line: two entries in a line would make unrelated descriptors contend. */
struct entry {
	struct object_lock lock; /* protects the fields below that are not atomic */
	uint8_t flags;           /* FD_*; atomic: read without the lock */
	uint8_t ready[2];        /* atomic; see the protocol in reactor.h */
	uint8_t hung;            /* atomic: an end of stream, an error or urgent data was seen */
	uint8_t added;           /* epoll knows it, or knew it */
	uint8_t closing;         /* closed; the last call that holds it is to call close(2) */
	uint8_t tries[2];        /* the waiter makes a try when an event has ended its wait */
	uint32_t turn; /* generation + 1 of the descriptor for which an acceptor has its turn: see turn.h; 0: none */
	uint64_t life; /* atomic: generation << 32 | calls that hold it; the generation is written under lock */
	struct task *waiter[2]; /* atomic: the watchdog reads it without the lock first */
	int64_t since;          /* approximate begin of the older wait: the time of the last poll */
	struct unreleased unreleased;
} CACHE_ALIGNED;

/* Reserves the table. Returns 0 or -ENOMEM. */
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

/* Returns the entry; null: the number was never used. */
static inline struct entry *entry_find(int fd)
{
	return fd >= 0 && (uint32_t)fd < entries_high() ? &entries.first[fd] : NULL;
}

/* Returns FD_*; 0: the descriptor is foreign, and its entry may be null. Constant for the owner of the descriptor. */
static inline unsigned entry_flags(const struct entry *entry)
{
	return entry ? load(&entry->flags, relaxed) : 0;
}

/* ---- the marks of an owned descriptor: the edge protocol of reactor.h ---- */

/*
 * Returns whether a try of the system call is worth it. If so, clears the mark, and the caller must try now. `flags` are
 * entry_flags(). Always true for a foreign descriptor, whose entry may be null.
 */
static inline bool entry_begin_try(struct entry *entry, unsigned flags, int direction)
{
	if (!(flags & FD_OWNED))
		return true;
	if (load(&entry->ready[direction], relaxed)) {
		exchange(&entry->ready[direction], 0, seq_cst); /* cleared before the try: see the protocol */
		return true;
	}
	return load(&entry->hung, relaxed) || !(flags & FD_STREAM);
}

static inline void entry_maybe_more(struct entry *entry, int direction)
{
	store(&entry->ready[direction], 1, relaxed);
}

/*
 * Gets the entry, and makes it if necessary. Returns 0; -EBADF: the number is negative, or was never used and is not
 * open; -EMFILE: the number is beyond the table; -ENOMEM.
 */
int entry_get(int fd, struct entry **entry);

/* ---- lives: see reactor.h ---- */

static inline uint32_t entry_generation(const struct entry *entry)
{
	return (uint32_t)(load(&entry->life, relaxed) >> 32); /* changes under the lock; entry_hold() checks it again */
}

/*
 * Called with the lock held. Waits for the old descriptor, and calls that hold it, are separated from the next
 * descriptor of this number. Returns the number of calls that hold the old one.
 */
uint32_t entry_next_generation(struct entry *entry);

/* Returns 0; -EBADF: the number no longer belongs to the descriptor of the wait. */
int entry_hold(struct entry *entry, struct hold *hold);

#endif
