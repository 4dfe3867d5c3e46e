/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Tasks that could not run as a worker was away in one task, and that were in none of its queues: tools add them to the
 * delay of a block (struct sley_region_block). They are
 *   timers        that were due,
 *   descriptors   that were ready while nobody polled,
 *   shared tasks  that were made ready meanwhile by plain threads, in the queue of all,
 *   waiters       of a mutex, or of the stack, that the task gives back after its block.
 *
 * Tasks that another worker has taken out of the queue of the absent one are not among them: see run/taken.h.
 *
 * They are counted by who finds them: the worker at its next scheduling point or its unlock, or its replacement when that
 * begins. They belong to the dispatch in which the worker was away, and of each it is known since when it could have run:
 * a deadline, the time of a stamp or of the begin of a wait. Of a descriptor nobody knows that. While all workers are away
 * the watchdog asks the kernel at each look how many are ready, so the times are known to half the time between two looks.
 * Rejected: to let the watchdog deliver these events, for more exact times. That changes who runs what for the sake of
 * tools.
 *
 * What is shared is late only since the last time when any worker looked at it: another one that runs would have come to it.
 *
 * Nothing of this is done below SLEY_LEVEL_TIMES, nor in a worker's regular looks: at most LATE_LEAST apart, these show that
 * it was not away. Nor for a dispatch in which the thread did not sleep: it has blocked nobody, and what it would add would
 * take the place of the dispatch before, for which tools look when the thread is switched out the next time.
 *
 * A worker must look before its next dispatch begins, so that what it finds belongs to the right one. So a stamp that is
 * LATE_LEAST after the last look brings it there: see worker_stamp(). All tasks that leave have a stamp.
 */
#ifndef RUN_LATE_H
#define RUN_LATE_H

#include <stdint.h>

#include "base/clock.h"
#include "region/region.h"
#include "stack/slot.h"

#define LATE_LEAST NS_PER_MS

struct task;
struct task_list;
struct worker;

/*
 * `n` tasks, found at `now`, are late as that worker is, or was, away in its current dispatch. `since`: sum of times. Any
 * thread.
 */
void late_add(struct worker *away, unsigned n, uint64_t since, int64_t now);

/*
 * By a replacement that is to look around for the first time: counts the shared tasks, and returns true: it is to take over
 * before it looks. Its next look is the first one still. False: this is not new to it.
 */
bool late_first(struct worker *worker);

/*
 * By a worker whose last look at the reactor and the timers, `before`, was LATE_LEAST ago: itself, if it was away; the
 * worker that it has begun to replace since; or null.
 */
struct worker *late_away(struct worker *worker);

/*
 * By that worker before it looks, at `now`, and others look the second time: since when nobody else has looked at what is
 * shared. `away` is of late_away().
 */
int64_t late_since(const struct worker *away, const struct worker *by, int64_t before);

/*
 * By that worker when it looks: keeps what others did for `away`, if that is itself; and counts what it finds: shared tasks;
 * `n` descriptors; expired timers, which are not ready yet. `since` is of late_since().
 */
void late_elsewhere(struct worker *away, const struct worker *by);
void late_shared(struct worker *away, int64_t since, int64_t now);
void late_descriptors(struct worker *away, int64_t since, int64_t now, unsigned n);
void late_timers(struct worker *away, const struct task_list *expired, int64_t now);

/*
 * The calling worker, if it was away in its dispatch and has not looked around since; else null. Its task gives back
 * something, and who waits for that is late since then, but not since before the worker's last look (late_begin()).
 */
struct worker *late_in_dispatch(int64_t now);
int64_t late_begin(const struct worker *, int64_t since);

/* By the worker, when it has given its task's stack to the first of those that waited for it. */
void late_stack(struct worker *worker, const struct slot *slot, const struct task *first);

/* By the watchdog at each look. `away`: all workers have been in the same task since the last one. */
void late_look(bool away, int64_t now);

/* A new run begins. */
void late_open(void);

#endif
