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
#include <stddef.h>
#include <stdint.h>

#define BENCH_VALUES 12
#define BENCH_IMPLS  2

/* What one run is to do. */
struct bench_run {
	const char *impl;
	unsigned workers;
	unsigned round;   /* 0, 1 ...: of the runs whose median is printed */
	bool quick;       /* less work: the figures mean nothing, but the row is known to work */
	unsigned divisor; /* of the work of rows that say how much it is; 0: 1 */
};

/* A server for counts: see count.h. */
struct bench_server {
	const char *program; /* of the build; called with a port of 0 and -w 1 */
	unsigned connections;
	bool http;
};

struct bench_row {
	const char *name;
	const char *impls[BENCH_IMPLS + 1]; /* the first is sley's; ended by null */
	struct {
		const char *name, *unit;
	} values[BENCH_VALUES + 1]; /* ended by null */
	enum {
		BENCH_NO_WORKERS, /* once, whatever -w says: none matters, or the row says how many */
		BENCH_WORKERS,    /* by default with 1 and with 2 */
		BENCH_ONE_CPU,    /* the server has one CPU: by default with 1 */
		BENCH_BOTH_CPUS,  /* the server has both: by default with 2 */
	} kind;
	unsigned runs; /* 0: as -n says */
	bool counted; /* by -c, too: the first value is the time between the only two calls of bench_now(), an operation */
	bool shared;                       /* by -s, too: the same, and copies of its main task can run side by side */
	const struct bench_server *server; /* by -c, too: this program, beside bench-raw-echo; or null */
	void (*run)(const struct bench_run *, double *values);
};

extern const struct bench_row *const bench_sched_rows[], *const bench_sync_rows[], *const bench_park_rows[];
extern const struct bench_row *const bench_timer_rows[];
extern const struct bench_row *const bench_server_rows[], *const bench_zerocopy_rows[], *const bench_blocked_rows[];

/* The rows' work, or a part of it. */
static inline unsigned bench_count(const struct bench_run *run, unsigned n)
{
	return run->divisor ? n / run->divisor : n;
}

/* CLOCK_MONOTONIC, ns. */
int64_t bench_now(void);

/* From here on there are BENCH_SPAN_NS between two calls of bench_now(), so a row's value tells the number of its operations. */
#define BENCH_SPAN_NS 1e9
void bench_count_spans(void);

/* Runs `fn` as the main task with run->workers workers; ends the child if it cannot. */
#define bench_in_tasks(run, fn, arg) bench_run_in_tasks(run, fn, arg, sizeof(*(arg)))
void bench_run_in_tasks(const struct bench_run *run, int (*fn)(void *), void *arg, size_t size);

/* Ends the child: this run has no figures, and why. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_fail(const char *format, ...);

/* The same, but the machine is to blame: the row is left out. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_skip(const char *format, ...);

/* The median of n values, which it sorts. */
double bench_median(double *values, unsigned n);

#endif
