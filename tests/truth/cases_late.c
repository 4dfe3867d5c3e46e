/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Cases: blocks of the only worker that make other tasks late. These measure themselves how late they are. Some were in the
 * worker's queue when the block began, and others were in none: they became ready during it.
 */
#include "service.h"

#include <stdlib.h>
#include <unistd.h>

#define LATE_TASKS 8
#define LATE_NS    150000000
#define FIRST_NS   20000000 /* after which the first becomes ready during the block */
#define STEP_NS    10000000 /* between two of those that become ready during the block */

enum way { QUEUED, TIMER, DESCRIPTOR, READY, MUTEX };

static enum way way;
static struct late late[LATE_TASKS]; /* due_ns 0: before the block */
static sley_time begin;
static int waiting; /* tasks that are about to wait; there is one worker */
static int ends[LATE_TASKS][2];
static struct sley_sem sems[LATE_TASKS];
static struct sley_mutex mutex;
static struct sley_group group;

static void require(bool ok)
{
	if (!ok)
		abort();
}

static sley_time due(long i)
{
	return begin + i * STEP_NS;
}

static void late_task(void *number)
{
	long i = (long)number;
	char byte;
	waiting++;
	if (way == TIMER) {
		late[i].due_ns = due(i);
		require(!sley_sleep(due(i)));
	} else if (way == DESCRIPTOR) {
		require(sley_read(ends[i][0], &byte, 1, SLEY_NEVER) == 1);
	} else if (way == READY) {
		require(!sley_sem_acquire(&sems[i], 1, SLEY_NEVER));
	} else if (way == MUTEX) {
		require(!sley_mutex_lock(&mutex, SLEY_NEVER));
	}
	late[i].begun_ns = sley_now();
	if (way == MUTEX)
		require(!sley_mutex_unlock(&mutex));
	require(!sley_group_done(&group));
}

/* On another thread: makes them ready, one after another. */
static void bring(void *unused)
{
	(void)unused;
	for (long i = 0; i < LATE_TASKS; i++) {
		struct timespec until = { due(i) / 1000000000, due(i) % 1000000000 };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		late[i].due_ns = sley_now();
		require(way == DESCRIPTOR ? write(ends[i][1], "x", 1) == 1 : !sley_sem_release(&sems[i], 1));
	}
}

static void prepare(void)
{
	begin = sley_in(FIRST_NS);
	waiting = 0;
	for (long i = 0; i < LATE_TASKS; i++) {
		late[i] = (struct late){ 0 };
		if (way == DESCRIPTOR)
			make_pipe(ends[i]);
		require(!sley_group_add(&group, 1) && sley_go(late_task, (void *)i) == 0);
	}
	while (way != QUEUED && waiting < LATE_TASKS)
		sley_yield();
	if (way == DESCRIPTOR || way == READY)
		later(0, bring, NULL);
}

static void block_others(enum way kind)
{
	static const struct timespec pause = { .tv_nsec = LATE_NS };
	int64_t waited = waited_for_cpu();
	way = kind;
	if (way == MUTEX)
		require(!sley_mutex_lock(&mutex, SLEY_NEVER));
	prepare();
	BLOCK(nanosleep(&pause, NULL));
	if (way == MUTEX)
		require(!sley_mutex_unlock(&mutex));
	require(!sley_group_wait(&group, SLEY_NEVER));
	say_late(late, LATE_TASKS, waited_for_cpu() - waited);
	for (long i = 0; way == DESCRIPTOR && i < LATE_TASKS; i++) {
		sley_close(ends[i][0]);
		sley_close(ends[i][1]);
	}
}

#define LATE(name, kind) \
	PLANTED(name, "clock_nanosleep", .waits = true, .alone = true) \
	{ \
		block_others(kind); \
		__asm__ volatile("" ::: "memory"); /* no tail call */ \
	}

LATE(late_queued, QUEUED)
LATE(late_timer, TIMER)
LATE(late_descriptor, DESCRIPTOR)
LATE(late_ready, READY)
LATE(late_mutex, MUTEX)
