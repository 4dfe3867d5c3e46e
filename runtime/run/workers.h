/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* All workers of a run: their records and threads. By the thread that called sley_run(), which is worker 0. */
#ifndef RUN_WORKERS_H
#define RUN_WORKERS_H

/* Makes the records. 0 or -ENOMEM; then also close. */
int workers_open(unsigned count);

/* When no thread is a worker any more. */
void workers_close(void);

/* Starts workers 1 and up. 0 or a negative errno value: some may run, and are to be joined. */
int workers_start(void);

/* Waits for the ends of those that were started: scheduler.stopping is set, and they were woken. */
void workers_join(void);

#endif
