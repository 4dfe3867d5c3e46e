/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Descriptors from the user's side: taken over, held, closed. */
#include <errno.h>
#include <unistd.h>

#include "reactor/registration.h"
#include "run/thread.h"

static int entry_own(int fd, unsigned flags)
{
	struct task *woken[2] = { NULL, NULL };
	struct entry *entry;
	int error = entry_get(fd, &entry);
	if (error)
		return error;
	lock_take(&entry->lock);
	/* The descriptor is new, so the entry describes one that was closed behind our back. */
	entry_retire(entry, woken);
	entry->closing = 0;
	entry->unreleased = (struct unreleased){ 0 };
	store(&entry->hung, 0, relaxed);
	store(&entry->ready[READING], 1, relaxed);
	store(&entry->ready[WRITING], 1, relaxed);
	store(&entry->flags, (uint8_t)(FD_OWNED | flags), relaxed);
	lock_drop(&entry->lock);
	entry_ready(woken);
	return 0;
}

int reactor_own(int fd, unsigned flags)
{
	int error = thread_visit();
	if (error)
		return error;
	error = entry_own(fd, flags);
	thread_depart();
	return error;
}

static int entry_own_file(int fd, unsigned flags)
{
	int error = entry_own(fd, FD_FILE | flags);
	if (error)
		return error;
	struct entry *entry = &entries.first[fd];
	lock_take(&entry->lock);
	error = entry_register(fd, entry);
	if (error)
		store(&entry->flags, 0, relaxed);
	lock_drop(&entry->lock);
	return error;
}

int reactor_own_file(int fd, unsigned flags)
{
	int error = thread_visit();
	if (error)
		return error;
	error = entry_own_file(fd, flags);
	thread_depart();
	return error;
}

void reactor_disown(int fd)
{
	struct task *woken[2] = { NULL, NULL };
	struct entry *entry = &entries.first[fd];
	lock_take(&entry->lock);
	entry_retire(entry, woken);
	lock_drop(&entry->lock);
	entry_ready(woken);
}

/*
 * The generation changes before epoll is told, so an event that is under way is stale. The lock is held meanwhile: a wait
 * that begins afterwards registers the descriptor anew.
 */
static void entry_forget(int fd, struct entry *entry)
{
	struct task *woken[2] = { NULL, NULL };
	lock_take(&entry->lock);
	if (!entry->closing) {
		entry_retire(entry, woken);
		if (entry->added)
			entry_deregister(fd);
		entry->added = 0;
	}
	lock_drop(&entry->lock);
	entry_ready(woken);
}

int reactor_forget(int fd)
{
	int error = thread_visit();
	if (error)
		return error;
	struct entry *entry = entry_find(fd);
	if (entry)
		entry_forget(fd, entry);
	thread_depart();
	return 0;
}

void reactor_let_go(int fd, struct hold *hold)
{
	if (hold->held)
		entry_let_go(fd, &entries.first[fd], hold);
}

int reactor_hold_now(int fd, struct hold *hold)
{
	struct entry *entry;
	int error = entry_get(fd, &entry);
	if (error)
		return error;
	lock_take(&entry->lock);
	if (entry->closing) {
		error = -EBADF;
	} else {
		*hold = (struct hold){ .generation = entry_generation(entry), .waited = true, .held = true };
		fetch_add(&entry->life, 1, acquire); /* under the lock, so the generation read above still holds */
	}
	lock_drop(&entry->lock);
	return error;
}

int reactor_hold_again(int fd, struct hold *hold)
{
	return hold->held ? 0 : hold->waited ? entry_hold(&entries.first[fd], hold) : -EBADF;
}

unsigned reactor_flags(int fd)
{
	return entry_flags(entry_find(fd));
}

void reactor_set_plain(int fd)
{
	struct entry *entry = entry_find(fd);
	lock_take(&entry->lock);
	if (entry->flags & FD_FILE)
		store(&entry->flags, (uint8_t)(entry->flags | FD_PLAIN), relaxed);
	lock_drop(&entry->lock);
}

void reactor_set_zerocopy(int fd)
{
	struct entry *entry = &entries.first[fd];
	lock_take(&entry->lock);
	store(&entry->flags, (uint8_t)(entry->flags | FD_ZEROCOPY), relaxed);
	lock_drop(&entry->lock);
}

struct unreleased *reactor_unreleased(int fd)
{
	return &entries.first[fd].unreleased;
}

static int close_entry(int fd, struct entry *entry)
{
	struct task *woken[2] = { NULL, NULL };
	lock_take(&entry->lock);
	if (entry->closing) {
		lock_drop(&entry->lock);
		return -EBADF;
	}
	unsigned flags = entry->flags;
	bool added = entry->added;
	/* before close(2): after it, the number may be another thread's new descriptor, and be owned */
	bool held = entry_retire(entry, woken) > 0;
	entry->closing = held;
	lock_drop(&entry->lock);
	entry_ready(woken);
	return held ? 0 : entry_close(fd, entry, flags, added);
}

int reactor_close_fd(int fd)
{
	if (thread_visit() != 0)
		return entry_close(fd, NULL, 0, false); /* the run is over, and no task waits any more */
	struct entry *entry = entry_find(fd);
	int result = entry ? close_entry(fd, entry) : entry_close(fd, NULL, 0, false);
	thread_depart();
	return result;
}
