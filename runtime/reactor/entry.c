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
	/* one thread at a time grows the table, over system calls: others that want the lock wait for the same */
	struct growth_lock grow;
} entry_table;

int entries_open(void)
{
	struct rlimit limit = { 0 };
	getrlimit(RLIMIT_NOFILE, &limit);
	entry_table.capacity = (uint32_t)MIN(MAX(limit.rlim_max, ENTRIES_LEAST), ENTRIES_MOST);
	int error = arena_reserve(&entry_table.arena, (size_t)entry_table.capacity * sizeof(struct entry));
	entries = (struct entries){ .first = (void *)entry_table.arena.base };
	return error;
}

void entries_close(void)
{
	entries = (struct entries){ 0 };
	arena_free(&entry_table.arena);
}

/* Makes the entries up to fd usable. */
static int entry_table_grow(uint32_t fd)
{
	int error = 0;
	if (fd >= entry_table.capacity)
		return -EMFILE;
	lock_take(&entry_table.grow);
	if (fd >= entries.high) {
		error = arena_grow(&entry_table.arena, ((size_t)fd + 1) * sizeof(struct entry));
		if (error == 0)
			store(&entries.high, fd + 1, release); /* pairs with entries_high() */
	}
	lock_drop(&entry_table.grow);
	return error;
}

#define UNASKED 1024 /* below this number, an entry is made without a check that the descriptor is open */

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
		/*
		 * A large number that is not open must not grow the table. For a low number, the system call itself
		 * reports the error.
		 */
		bool worth = fd < UNASKED || is_open(fd);
		int error = worth ? entry_table_grow((uint32_t)fd) : -EBADF;
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
