/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Offloaded calls, for the other parts of io. */
#ifndef IO_OFFLOAD_H
#define IO_OFFLOAD_H

#include "io/jobs.h"

/*
 * sley_offload_with() for any wait kind. Returns 0: the block is as fn left it; else an error, and the block was or
 * will be passed to `dropped`, once.
 */
int offload_run(const struct offload *what, void *block, size_t n, sley_time deadline);

/* Open and close the pools of a run. offload_close() is called when no worker runs any more. */
void offload_open(const struct sley_options *options);
void offload_close(void);

/* Retries a start of a thread that failed. Called by the watchdog, at every look. */
void offload_retry(void);

/* submit.c: frees all submissions, when no thread and no task is left that could access one. */
void submit_close(void);

/* Returns the number of calls whose end may still make a task ready. Any thread. */
unsigned offload_active(void);

#endif
