/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A plain thread that brings work while no task is ready, and the count of the work that was done. */
#ifndef OUTSIDER_H
#define OUTSIDER_H

/* Called by a task: runs the thread. The task waits for outsider_end() without a deadline, so no timer is armed. */
void outsider_run(void *(*body)(void *));

/* Called last by the thread. */
void outsider_end(void);

/* Nothing was done; outsider_run() calls it. */
void done_open(void);

/* One piece of work is done. Also a task; `unused` may be anything. */
void done_add(void *unused);

/* Any thread: waits for one piece of work, and takes it off the count. REQUIRE()s that it comes soon. */
void done_take(void);

#endif
