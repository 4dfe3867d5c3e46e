/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The records and threads of all workers of a run. Called by the thread in sley_run(), which is worker 0. */
#ifndef RUN_WORKERS_H
#define RUN_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

/* Makes the records of `count` workers, and room for `spares` more. 0 or -ENOMEM; workers_close() is needed in both cases. */
int workers_open(unsigned count, unsigned spares);

/* Called when no thread is a worker any more. */
void workers_close(void);

/* Starts workers 1 and up. 0 or a negative errno value: some workers may run then, and workers_join() is needed. */
int workers_start(void);

/* Lets all workers end soon: sets scheduler.stopping, which they look for when they are in their loops. Any thread. */
void workers_stop(void);

/* Joins all workers, the spares too. scheduler.stopping is set. */
void workers_join(void);

/* Makes a spare if one is wanted, and ends those that have slept for long. Whether it made one. By the watchdog. */
bool workers_look(int64_t now);

/* How long a spare sleeps before it ends, ns. Atomic; tests change it. */
extern int64_t spare_idle;

/* For tests: while nonzero, no spare can be started. Atomic. */
extern unsigned spare_test_fail;

#endif
