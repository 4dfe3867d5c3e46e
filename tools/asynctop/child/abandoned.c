/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The table of children that were left alone, and of the processes that blocked them. */
#include "child/abandoned.h"

#include <poll.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child/message.h"
#include "child/patience.h"
#include "child/user.h"

#define CORPSES     (2 * ABANDONED_MAX) /* some die in the normal course */
#define TARGETS     64
#define RETRY_NS    2000000000LL
#define RETRY_TIMES 6 /* doublings of that */
#define NO_USER     (-1L)

#define WHY_ITS    "this process's details are not read because reading its memory blocks (or its files)"
#define WHY_OTHERS "this process's details are not read because reading others of its user blocks"
#define WHY_SLOW   "this process's details are not read because reading others of its user, or it, takes too long"
#define WHY_ALL    "this process's details are not read because reading too many processes blocks"

static struct corpse {
	bool used;
	pid_t child; /* to be reaped by us; 0: a grandchild */
	int pidfd;   /* -1: none */
	bool blocked;
	pid_t target; /* 0: has ended since */
	long user;
} corpses[CORPSES];

static struct target {
	pid_t pid; /* 0: free */
	unsigned times;
	int64_t until_ns;
} targets[TARGETS];

/* ---- the dead ---- */

static bool is_dead(const struct corpse *c)
{
	struct pollfd ended = { .fd = c->pidfd, .events = POLLIN };
	if (c->child)
		return waitpid(c->child, NULL, WNOHANG) != 0;
	return poll(&ended, 1, 0) == 1;
}

static void reap(void)
{
	for (struct corpse *c = corpses; c < corpses + CORPSES; c++) {
		if (!c->used || !is_dead(c))
			continue;
		if (c->pidfd >= 0)
			close(c->pidfd);
		*c = (struct corpse){ .used = false };
	}
}

unsigned abandoned_count(void)
{
	unsigned n = 0;
	reap();
	for (unsigned i = 0; i < CORPSES; i++)
		n += corpses[i].used && corpses[i].blocked;
	return n;
}

static unsigned count_of_user(long user)
{
	unsigned n = 0;
	for (unsigned i = 0; i < CORPSES; i++)
		n += corpses[i].used && corpses[i].blocked && corpses[i].user == user;
	return n;
}

/* ---- the targets ---- */

static struct target *find_target(pid_t pid)
{
	for (unsigned i = 0; i < TARGETS; i++)
		if (targets[i].pid == pid)
			return &targets[i];
	return NULL;
}

/* A full table forgets the target that may be read soonest. */
static void note_target(pid_t pid)
{
	struct target *t = find_target(pid), *first = &targets[0];
	for (unsigned i = 0; i < TARGETS && !t; i++)
		if (targets[i].until_ns < first->until_ns)
			first = &targets[i];
	if (!t)
		*(t = first) = (struct target){ .pid = pid };
	t->until_ns = message_clock() + (RETRY_NS << t->times);
	t->times += t->times < RETRY_TIMES;
}

static void add(struct corpse corpse)
{
	corpse.used = true;
	corpse.blocked = corpse.target != 0;
	corpse.user = corpse.target ? user_of(corpse.target) : NO_USER;
	if (corpse.target)
		note_target(corpse.target);
	reap();
	for (unsigned i = 0; i < CORPSES; i++) {
		if (!corpses[i].used) {
			corpses[i] = corpse;
			reap();
			return;
		}
	}
	if (corpse.pidfd >= 0) /* cannot be: nobody is asked with so many there */
		close(corpse.pidfd);
}

void abandoned_child(pid_t child, pid_t target)
{
	if (child > 0)
		add((struct corpse){ .child = child, .pidfd = -1, .target = target });
}

void abandoned_grandchild(int pidfd, pid_t target)
{
	if (pidfd >= 0)
		add((struct corpse){ .pidfd = pidfd, .target = target });
	else
		note_target(target);
}

const char *abandoned_why(pid_t pid)
{
	const struct target *t = find_target(pid);
	unsigned all;
	if (t && t->until_ns > message_clock())
		return WHY_ITS;
	if (!patience_left(PATIENCE_LOOKS, user_of(pid), message_clock()))
		return WHY_SLOW;
	all = abandoned_count();
	if (all == 0)
		return NULL;
	for (unsigned i = 0; i < CORPSES; i++)
		if (corpses[i].used && corpses[i].target == pid)
			return WHY_ITS;
	if (all >= ABANDONED_MAX)
		return WHY_ALL;
	return all >= ABANDONED_PER_USER && count_of_user(user_of(pid)) >= ABANDONED_PER_USER ? WHY_OTHERS : NULL;
}

void abandoned_forget(pid_t pid)
{
	struct target *t = find_target(pid);
	if (t)
		*t = (struct target){ .pid = 0 };
	for (unsigned i = 0; i < CORPSES; i++)
		if (corpses[i].used && corpses[i].target == pid)
			corpses[i].target = 0;
}
