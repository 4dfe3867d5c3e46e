/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "reactor/turn.h"

#include <errno.h>

#include "base/race.h"
#include "reactor/entry.h"
#include "run/park.h"
#include "run/queue.h"

#define LINES 64u

/* Tasks in line for the entries of equal numbers modulo LINES. wait.word is line_key() of the entry at that time. */
static struct line {
	struct list_lock lock;
	struct sley_waiters waiters; /* protected by lock */
} CACHE_ALIGNED lines[LINES];

unsigned turns_wanted;

void turns_open(void)
{
	for (unsigned i = 0; i < LINES; i++)
		lines[i] = (struct line){ .waiters = { NULL, NULL } };
	store(&turns_wanted, 0, relaxed);
}

static struct line *line_of(int fd)
{
	return &lines[(unsigned)fd % LINES];
}

static uint64_t line_key(int fd, uint32_t generation)
{
	return (uint64_t)generation << 32 | (uint32_t)fd;
}

/* The functions down to check_turn(): with the entry's lock held. */

static bool turn_is_taken(const struct entry *entry)
{
	return entry->turn == entry_generation(entry) + 1;
}

static bool line_has(int fd, uint32_t generation)
{
	struct line *line = line_of(fd);
	lock_take(&line->lock);
	const struct wait *wait = line->waiters.head;
	while (wait && wait->word != line_key(fd, generation))
		wait = wait->next;
	lock_drop(&line->lock);
	return wait != NULL;
}

/* The wait has begun. `first`: the call had its turn before. */
static void line_up(int fd, struct task *task, bool first, uint32_t generation)
{
	struct line *line = line_of(fd);
	task->wait.word = line_key(fd, generation);
	fetch_add(&turns_wanted, 1, relaxed);
	lock_take(&line->lock);
	if (first)
		wait_link_first(&line->waiters, &task->wait);
	else
		wait_link(&line->waiters, &task->wait);
	lock_drop(&line->lock);
}

static void end_turn(struct entry *entry, struct turn *turn)
{
	if (!turn->own)
		return;
	turn->own = false;
	fetch_sub(&turns_wanted, 1, relaxed);
	if (entry->turn == turn->generation + 1)
		entry->turn = 0;
}

/* Returns 0: the call is to line up; 1: it is to try; -EBADF. */
static int check_turn(int fd, const struct entry *entry, const struct turn *turn, bool busy, struct hold *hold)
{
	uint32_t generation = entry_generation(entry);
	if (entry->closing || (hold->waited && hold->generation != generation))
		return -EBADF;
	if (turn->own)
		return !busy || !entry->waiter[READING];
	return !(busy && entry->waiter[READING]) && !turn_is_taken(entry) && !line_has(fd, generation);
}

/* Waits in the line. The entry's lock is held, and dropped. */
static int wait_in_line(int fd, struct entry *entry, struct turn *turn, sley_time deadline, const void *pc,
			struct hold *hold)
{
	struct task *task = task_self();
	struct line *line = line_of(fd);
	bool again = turn->own;
	end_turn(entry, turn); /* who is at the entry passes it on */
	hold->generation = turn->generation = entry_generation(entry);
	hold->waited = true;
	wait_begin(task, SLEY_WAIT_ACCEPT, (uint64_t)fd, pc);
	line_up(fd, task, again, turn->generation);
	lock_drop(&entry->lock);
	enum claim who = wait_park(task, deadline);
	turn->own = who == CLAIM_EVENT;
	if (turn->own)
		return entry_hold(entry, hold);
	lock_take(&line->lock);
	wait_unlink(&line->waiters, &task->wait);
	lock_drop(&line->lock);
	fetch_sub(&turns_wanted, 1, relaxed);
	return who == CLAIM_CLOSED ? -EBADF : wait_error(who);
}

int turn_wait(int fd, struct turn *turn, bool busy, sley_time deadline, const void *pc, struct hold *hold)
{
	struct entry *entry = entry_find(fd);
	if (!entry)
		return 0;
	lock_take(&entry->lock);
	int error = check_turn(fd, entry, turn, busy, hold);
	if (error == 0)
		return wait_in_line(fd, entry, turn, deadline, pc, hold);
	lock_drop(&entry->lock);
	return MIN(error, 0);
}

/*
 * With the entry's lock held. Ends the waits for descriptors that had this number before, and that of the first task in the
 * line if the place and the turn are free.
 */
static void call_next(int fd, struct entry *entry, struct task_list *woken)
{
	struct line *line = line_of(fd);
	uint64_t key = line_key(fd, entry_generation(entry));
	bool free = !entry->waiter[READING] && !turn_is_taken(entry);
	lock_take(&line->lock);
	struct wait *wait = line->waiters.head, *next;
	for (; wait; wait = next) {
		next = wait->next;
		if ((uint32_t)wait->word != (uint32_t)fd || (wait->word == key && !free))
			continue;
		enum claim who = wait->word == key ? CLAIM_EVENT : CLAIM_CLOSED;
		struct task *task = wait_owner(wait);
		wait_unlink(&line->waiters, wait);
		if (!wait_claim(task, who))
			continue;
		task_list_add(woken, task);
		if (who == CLAIM_EVENT) {
			entry->turn = entry_generation(entry) + 1;
			free = false;
		}
	}
	lock_drop(&line->lock);
}

/* With the entry's lock held. Wakes the task at the entry if it waits for what is there: see turn.h. */
static void wake_missed(struct entry *entry, struct task_list *woken)
{
	struct task *waiter = entry->waiter[READING];
	if (!waiter || !(entry->flags & FD_OWNED) || !load(&entry->ready[READING], relaxed))
		return;
	store(&entry->waiter[READING], NULL, relaxed);
	if (wait_claim(waiter, CLAIM_EVENT))
		task_list_add(woken, waiter);
}

void turn_pass(int fd, struct turn *turn)
{
	struct task_list woken = { 0 };
	struct entry *entry = entry_find(fd);
	if (!entry)
		return;
	lock_take(&entry->lock);
	if (turn)
		end_turn(entry, turn);
	wake_missed(entry, &woken);
	if (!woken.first && load(&turns_wanted, relaxed) > 0)
		call_next(fd, entry, &woken);
	lock_drop(&entry->lock);
	ready_woken(&woken);
}
