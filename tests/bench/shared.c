/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "shared.h"

#include "bench.h"
#include "trace.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sley.h>

#define DIVISOR  500 /* of the row's work, for one piece of a copy */
#define WARM     2   /* pieces of each copy before stores are recorded */
#define EPOCHS   5   /* at least, */
#define PIECES   64  /* and until so many were made */
#define RUNS     3
#define EPOCH_NS 100000000

bool shared_copies;

static struct {
	bool where;
	int (*fn)(void *);
	size_t size;
	unsigned warm;           /* atomic: copies that have made WARM pieces */
	unsigned counting, over; /* atomic */
	unsigned pieces;         /* atomic: made meanwhile */
	unsigned failed;         /* atomic */
} copies;

static void copy(void *arg)
{
	void *own = malloc(copies.size);
	if (!own)
		bench_fail("no memory");
	for (unsigned n = 0; !__atomic_load_n(&copies.over, __ATOMIC_RELAXED); n++) {
		memcpy(own, arg, copies.size);
		if (copies.fn(own))
			__atomic_store_n(&copies.failed, 1, __ATOMIC_RELAXED);
		if (n + 1 == WARM)
			__atomic_fetch_add(&copies.warm, 1, __ATOMIC_RELAXED);
		if (__atomic_load_n(&copies.counting, __ATOMIC_RELAXED))
			__atomic_fetch_add(&copies.pieces, 1, __ATOMIC_RELAXED);
		sley_yield();
	}
	free(own);
}

static void sleep_ns(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

/* A plain thread, which takes no part in the run. */
static void *control(void *arg)
{
	(void)arg;
	while (__atomic_load_n(&copies.warm, __ATOMIC_RELAXED) < SHARED_WORKERS)
		sleep_ns(1000000);
	__atomic_store_n(&copies.counting, 1, __ATOMIC_RELAXED);
	trace_start(copies.where);
	unsigned epochs = copies.where ? 1 : EPOCHS; /* the places take room in the tables */
	for (unsigned i = 1; i < epochs || __atomic_load_n(&copies.pieces, __ATOMIC_RELAXED) < PIECES; i++) {
		sleep_ns(EPOCH_NS);
		trace_epoch();
	}
	sleep_ns(EPOCH_NS);
	trace_stop();
	__atomic_store_n(&copies.counting, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&copies.over, 1, __ATOMIC_RELAXED);
	return NULL;
}

int shared_run(int (*fn)(void *), const void *arg, size_t n)
{
	sley_task ids[SHARED_WORKERS];
	pthread_t controller;
	void *shared = malloc(n);
	copies.fn = fn;
	copies.size = n;
	if (!shared || pthread_create(&controller, NULL, control, NULL))
		bench_fail("no memory, or no thread");
	memcpy(shared, arg, n);
	for (unsigned i = 0; i < SHARED_WORKERS; i++)
		ids[i] = sley_spawn(copy, shared);
	for (unsigned i = 0; i < SHARED_WORKERS; i++)
		if (ids[i] < 0 || sley_join(ids[i], SLEY_NEVER))
			return 1;
	pthread_join(controller, NULL);
	free(shared);
	return (int)copies.failed;
}

static void print_sum(const struct bench_row *row, double sum, const char *unit)
{
	printf("%s shared %d %.2f %s\n", row->name, SHARED_WORKERS, sum, unit);
}

static void print_sums(const struct bench_row *row, const struct trace_sums *sums)
{
	print_sum(row, sums->stores, "stores");
	print_sum(row, sums->several, "several");
	print_sum(row, sums->others, "others");
	print_sum(row, sums->all, "all");
}

static void print_places(double operations)
{
	printf("  by each worker to the same line, in an operation:\n");
	trace_print_places(stdout, true, operations);
	printf("  by others than the line's most frequent writer:\n");
	trace_print_places(stdout, false, operations);
}

/* In a child. The row runs once more after its copies, alone: that tells how many operations a piece has. */
static void trace_row(const struct bench_row *row, bool where, struct trace_sums *sums)
{
	const struct bench_run run = { .impl = row->impls[0], .workers = SHARED_WORKERS, .divisor = DIVISOR };
	double values[BENCH_VALUES];
	shared_copies = true;
	copies.where = where;
	setenv("SLEY_ASSIST", "off", 1);
	bench_count_spans();
	row->run(&run, values);
	double operations = copies.pieces * BENCH_SPAN_NS / values[0];
	trace_sum(SHARED_WORKERS, sums);
	if (sums->lost > 0)
		fprintf(stderr, "bench: %s: %.0f stores had no place in the tables\n", row->name, sums->lost);
	sums->stores /= operations;
	sums->several /= operations;
	sums->others /= operations;
	sums->all /= operations;
	if (where) {
		print_sums(row, sums);
		print_places(operations);
	}
}

static bool trace_in_child(const struct bench_row *row, bool where, struct trace_sums *sums)
{
	int ends[2], status;
	fflush(NULL);
	if (pipe(ends))
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		trace_row(row, where, sums);
		exit(write(ends[1], sums, sizeof(*sums)) == (ssize_t)sizeof(*sums) ? 0 : 1);
	}
	close(ends[1]);
	bool whole = read(ends[0], sums, sizeof(*sums)) == (ssize_t)sizeof(*sums);
	close(ends[0]);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 && whole;
}

bool shared_row(const struct bench_row *row, bool where)
{
	struct trace_sums least, sums;
	if (!trace_start)
		bench_fail("-s needs a build with TRACE=1: make bench-shared");
	if (!trace_in_child(row, where, &least))
		return false;
	for (unsigned i = 1; i < RUNS && !where; i++) {
		if (!trace_in_child(row, false, &sums))
			return false;
		least.stores = fmin(least.stores, sums.stores);
		least.several = fmin(least.several, sums.several);
		least.others = fmin(least.others, sums.others);
		least.all = fmin(least.all, sums.all);
	}
	if (!where)
		print_sums(row, &least);
	fflush(stdout);
	return true;
}
