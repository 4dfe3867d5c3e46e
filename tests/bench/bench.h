/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A row of the benchmark: one piece of work, done by one or more implementations, that gives one or more values.
 *
 * bench.c runs it: each run in a fresh child process, the implementations in turns, and prints the median of each value.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_VALUES 4

/* What one run is to do. */
struct bench_run {
	const char *impl;
	unsigned workers;
	bool quick; /* 1/100 of the work: the figures mean nothing, but the row is known to work */
};

struct bench_row {
	const char *name;
	const char *impls[3]; /* the first is sley's; ended by null */
	struct {
		const char *name, *unit;
	} values[BENCH_VALUES + 1]; /* ended by null */
	enum {
		BENCH_NO_WORKERS, /* run once, whatever -w says: no scheduler is in it */
		BENCH_WORKERS,    /* by default with 1 and with 2 */
		BENCH_ONE_CPU,    /* the server has one CPU: by default with 1 */
	} kind;
	unsigned runs; /* 0: as -n says */
	void (*run)(const struct bench_run *, double *values);
};

extern const struct bench_row *const bench_sched_rows[],
	*const bench_sync_rows[], *const bench_park_rows[], *const bench_server_rows[], *const bench_zerocopy_rows[];

/* The rows' work, or its hundredth. */
static inline unsigned bench_count(const struct bench_run *run, unsigned n)
{
	return run->quick ? n / 100 : n;
}

/* CLOCK_MONOTONIC, ns. */
int64_t bench_now(void);

/* Runs `fn` as the main task with run->workers workers; ends the child if it cannot. */
void bench_in_tasks(const struct bench_run *run, int (*fn)(void *), void *arg);

/* Ends the child: this run has no figures, and why. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_fail(const char *format, ...);

#endif
