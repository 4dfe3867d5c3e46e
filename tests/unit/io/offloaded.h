/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What the tests of offloaded calls share: functions to offload, which are counted, and one that waits in its thread until
 * the test lets it go on.
 */
#ifndef IO_OFFLOADED_H
#define IO_OFFLOADED_H

#include "io/offload.h"

#include "tests/unit/run.h"

#include <semaphore.h>

/* Options of a run with few threads and places. */
#define SMALL(w, t, q) \
	((struct sley_options){ \
		.size = sizeof(struct sley_options), .workers = (w), .offload_threads = (t), .offload_queue = (q) })

/* Stacks that tasks share; under ASan they do not. */
#ifdef SLEY_ASAN
#define FEW_SLOTS(n) 0
#else
#define FEW_SLOTS(n) (n)
#endif

struct numbers {
	int64_t in, out;
};

/* Since offloaded_reset(): calls that began, that ended, blocks that were dropped, and the `out` of the last. Atomic. */
extern struct offloaded {
	unsigned began, ended, drops;
	int64_t dropped_out;
	sem_t gate;
} offloaded;

void offloaded_reset(void);

/* Functions to offload, on struct numbers. The second waits for the gate, in its thread. */
void square(void *block);
void square_slowly(void *block);

/* Counts the drop of a block. */
extern const struct sley_offload_options with_drop;

/* Lets `n` calls of square_slowly() go on. */
void open_gate(unsigned n);

/* Until the threads have come to the end of all calls. */
void await_rest(void);

#endif
