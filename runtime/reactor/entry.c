/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "reactor/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/race.h"

#define ENTRIES_LEAST (1u << 20)
#define ENTRIES_MOST  (1u << 22)

struct entries entries;

static struct {
	struct arena arena;
	uint32_t capacity;
	struct lock grow; /* one thread at a time makes the table larger, over system calls: who waits wants just that */
} table;

int entries_open(void)
{
	struct rlimit limit = { 0 };
	getrlimit(RLIMIT_NOFILE, &limit);
	table.capacity = (uint32_t)MIN(MAX(limit.rlim_max, ENTRIES_LEAST), ENTRIES_MOST);
	int error = arena_reserve(&table.arena, (size_t)table.capacity * sizeof(struct entry));
	entries = (struct entries){ .first = (void *)table.arena.base };
	return error;
}

void entries_close(void)
{
	entries = (struct entries){ 0 };
	arena_free(&table.arena);
}

/* Makes entries up to fd usable. */
static int grow(uint32_t fd)
{
	int error = 0;
	if (fd >= table.capacity)
		return -EMFILE;
	lock_take(&table.grow);
	if (fd >= entries.high) {
		error = arena_grow(&table.arena, ((size_t)fd + 1) * sizeof(struct entry));
		if (error == 0)
			store(&entries.high, fd + 1, release); /* pairs with entries_high() */
	}
	lock_drop(&table.grow);
	return error;
}

#define UNASKED 1024 /* below this, entries are made without asking whether the number is a descriptor */

static bool is_open(int fd)
{
	int saved = errno;
	bool open = fcntl(fd, F_GETFD) >= 0;
	errno = saved;
	return open;
}

int entry_get(int fd, struct entry **entry)
{
	if (fd < 0)
		return -EBADF;
	if (!(*entry = entry_find(fd))) {
		/* not a large table for what is no descriptor; of a low number the call itself will say so */
		bool worth = fd < UNASKED || is_open(fd);
		int error = worth ? grow((uint32_t)fd) : -EBADF;
		if (error)
			return error;
		*entry = &entries.first[fd];
	}
	return 0;
}

/* ---- lives ---- */

#define GENERATION ((uint64_t)1 << 32)

uint32_t entry_next_generation(struct entry *entry)
{
	entry->added = 0;
	return (uint32_t)fetch_add(&entry->life, GENERATION, acq_rel);
}

int entry_hold(struct entry *entry, struct hold *hold)
{
	uint64_t life = load(&entry->life, relaxed);
	do {
		if ((uint32_t)(life >> 32) != hold->generation)
			return -EBADF;
	} while (!cas_weak(&entry->life, &life, life + 1, acquire, relaxed)); /* pairs with entry_next_generation() */
	hold->held = true;
	return 0;
}

/*
 * The kernel sends what is left of a lingering socket before close(2) returns, for as long as SO_LINGER says, and
 * O_NONBLOCK does not count. Without the option it does the same afterwards. A linger of 0 s, which aborts, stays.
 */
static void end_linger(int fd)
{
	static const struct linger off;
	struct linger linger = { 0 };
	socklen_t size = sizeof(linger);
	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff && linger.l_linger > 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
}

int entry_close(int fd, struct entry *entry, unsigned flags, bool added)
{
	int saved = errno;
	RACE_POINT(closing);
	if (added)
		entry_deregister(fd);
	if (!(flags & FD_FILE))
		end_linger(fd);
	int result = close(fd) == 0 ? 0 : -errno;
	errno = saved;
	/* a wait that began after the others were ended, and before close(2): no event would tell it */
	if (entry)
		entry_rearm(fd, entry, INT64_MAX);
	return result;
}

/* The last call that held a closed descriptor has let go. */
static void close_late(int fd, struct entry *entry)
{
	lock_take(&entry->lock);
	bool ours = entry->closing;
	entry->closing = 0;
	lock_drop(&entry->lock);
	if (ours)
		entry_close(fd, entry, 0, true);
}

void entry_let_go(int fd, struct entry *entry, struct hold *hold)
{
	if (!hold->held)
		return;
	hold->held = false;
	uint64_t life = fetch_sub(&entry->life, 1, acq_rel);
	if (unlikely((uint32_t)(life >> 32) != hold->generation) && (uint32_t)life == 1)
		close_late(fd, entry);
}
