/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Which worker runs in the place of a blocked one, for tools and counters. The scheduler itself counts running workers
 * (run/blocked.h), and needs none of this.
 *
 * The replacement of W is the worker that is woken while W is noted and has none, or a new spare that finds work then.
 * The word `replacement` in W's second line of the region goes
 *   from 0 to the number of the replacement    by the thread that wakes it;
 *   from there to SLEY_BLOCK_RAN               by the replacement, when it begins a task;
 *   from there to 0                            by the replacement, when it has found nothing to do;
 *   from any of these to 0                     by W, when it is back.
 * Each step is one atomic operation, so each replacement is counted once: as a hand-over, or as woken in vain. If W's
 * note ends between the look of the waking thread at the note and its step, the word is the replacement of no note. Then
 * the replacement takes it back, or it counts for the next note.
 */
#ifndef RUN_REPLACEMENT_H
#define RUN_REPLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

struct worker;

/* `by` is about to wake: it replaces a worker that is noted and has no replacement, if there is one. Any thread. */
void replacement_wake(struct worker *by);

/* By a new spare: it is a replacement from when it has found a task. Which one of several finds it is not known before. */
void replacement_new(struct worker *by);

/* These two by a worker whose `woken_for` is not 0. It is about to run a task; */
void replacement_runs(struct worker *by);

/* it has found none. in_vain: there was nothing else for it to do either. */
void replacement_rests(struct worker *by, bool in_vain);

/* The worker was noted as blocked, by any thread; it is back, by itself, before the note goes. */
void replacement_noted(const struct worker *worker);
void replacement_over(const struct worker *worker, uint64_t note);

#endif
