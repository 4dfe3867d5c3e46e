/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Workers that are blocked in the kernel by their task, or that compute for long, and their replacement.
 *
 * The scheduler keeps `target` workers running, in the manner of the kernel's concurrency-managed workqueues. A worker
 * runs unless it is in the idle list or *noted*: running = started - sleeping - blocked. So
 *   - a sleeping worker is woken for new work only while running < target (idle_may_wake());
 *   - a note makes running smaller, and wakes a sleeping worker if work waits, or if nobody is left to see new work;
 *   - a noted worker that comes back makes running larger: the surplus steps back (idle_step_back()) at its next
 *     scheduling point, and gives what is in its queues to all.
 * Spares are sleeping workers like all others, so the last one to sleep is the first one to be woken.
 *
 * A note is made of the tick of the dispatch in which the worker was blocked, of its source and its kind. It is a word in
 * the worker's second line of the region, so tools see the same word. The word goes from 0 to a note by any thread, and
 * back to 0 by the worker alone, when it comes to a scheduling point, or makes another task ready before. A note whose
 * worker has gone on is wrong for as long as until then, and no longer: poll_due brings the worker there.
 *
 * No work is stranded:
 *   who notes W:      blocked + 1; fence; is there work, and running < target?  wakes one
 *   who adds work:    push; fence; sleeping > 0 and running < target?           wakes one
 *   who goes to sleep or steps back: sleeping + 1; fence; is there work, and running < target?  does not sleep
 * A note that comes late finds a worker that sleeps, and would stay until that is woken:
 *   who notes W:      the note; fence; W sleeps?               wakes W
 *   W goes to sleep:  sleeping + 1; fence; there is a note?    does not sleep
 * Each pair of these is a store and a load of two words with a fence between on both sides: one of the two sees the other.
 *
 * Where no worker sleeps a note wakes nobody, and the watchdog makes a spare. It does so too when there is none in
 * hand, for the next block.
 */
#ifndef RUN_BLOCKED_H
#define RUN_BLOCKED_H

#include <stdbool.h>
#include <stdint.h>

#include <sley/introspect.h>

struct worker;

/* Notes that the worker is blocked in its dispatch `tick`. False: it is noted already. Any thread. */
bool blocked_note(struct worker *worker, uint64_t tick, enum sley_block_source source);

/* The same for a worker that computes. False also: there are as many hogs as there may be. */
bool hog_note(struct worker *worker, uint64_t tick, enum sley_block_source source);

/* Notes of hogs that are in force. Any thread. */
unsigned blocked_hogs(void);

/* By the worker, at a scheduling point or when its task says so: it runs again. */
void blocked_back(struct worker *worker);

/* Whether something is to be done that a worker which is woken could do. Any thread. */
bool blocked_work_waits(int64_t now);

/*
 * Whether work waits while fewer than `target` run and no worker sleeps that could be woken, although all blocked workers
 * get a spare. Any thread.
 */
bool blocked_all(int64_t now);

/* So many of the blocked workers are members of a convoy that get no spare (watch/convoy.h). By the watchdog. */
void blocked_convoy(unsigned members);

/* Whether a spare is to be made. By the watchdog. */
bool blocked_wants_spare(void);

/* Spares are refused by the system at the moment: notes do not ask for one. By the watchdog. */
void blocked_refused(bool refused);

/* A new run begins. */
void blocked_open(void);

#endif
