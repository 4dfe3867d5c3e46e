/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Offloaded calls, as the other parts of io make them. */
#ifndef IO_OFFLOAD_H
#define IO_OFFLOAD_H

#include "io/jobs.h"

/*
 * sley_offload_with() for any wait kind. The whole effect on the block is: 0: it came back as fn left it; else
 * `dropped` has got it or will, once.
 */
int offload_run(const struct offload *what, void *block, size_t n, sley_time deadline);

/* The pools of a run. close: when no worker runs any more. */
void offload_open(const struct sley_options *options);
void offload_close(void);

/* Tries again what the pools could not do. By the watchdog, at every look. */
void offload_retry(void);

/* submit.c: when no thread and no task is left that could leave a submission, frees those that there are. */
void submit_close(void);

/* Calls whose end may still make a task ready. Any thread. */
unsigned offload_active(void);

#endif
