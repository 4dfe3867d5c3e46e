/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Runs whose workers are replaced all the time, whatever the test is about. The environment asks for it:
 *
 *   SLEY_STRESS_SOURCE=idle|tick      This source finds blocks. Tasks block for up to 200 us in a part of the calls of
 *                                     stress_progress(), and a task is a hog after 100 us.
 *   SLEY_STRESS_SOURCE=mistaken       No source, and nobody blocks. A thread of the test notes workers as blocked, or as
 *                                     hogs, at any moment: a note that is wrong is to do no harm (run/blocked.h).
 *
 * In all of them spawn sites begin and cease to count as blocking at any moment, so tasks of one site have stacks of all
 * kinds, and sentinels are armed for a part of the dispatches.
 *
 * At its end the program says how many hand-overs there were. tests/stress/handover.c runs the stress programs this way.
 */
#ifndef STRESS_REPLACED_H
#define STRESS_REPLACED_H

#include <stdbool.h>
#include <stdint.h>

/* Before a run; at its begin and at its end, in the main task. */
void replaced_open(void);
void replaced_begin(void);
void replaced_end(void);

/* Whether these are such runs, with counts too small for chance. */
bool replaced_shortly(void);

/* The `n`th piece of work is done: by a task or a plain thread. */
void replaced_progress(uint64_t n);

#endif
