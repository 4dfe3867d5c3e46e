/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The records and threads of all workers of a run. Called by the thread in sley_run(), which is worker 0. */
#ifndef RUN_WORKERS_H
#define RUN_WORKERS_H

/* Makes the records. 0 or -ENOMEM; workers_close() is needed in both cases. */
int workers_open(unsigned count);

/* Called when no thread is a worker any more. */
void workers_close(void);

/* Starts workers 1 and up. 0 or a negative errno value: some workers may run then, and workers_join() is needed. */
int workers_start(void);

/* Joins the started workers. scheduler.stopping is set, and they were woken. */
void workers_join(void);

#endif
