/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "shared.h"

#include "bench.h"
#include "process.h"
#include "trace.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
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
#define REQUESTS 64000 /* of a server's row */

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
		sleep_ns(TRACE_EPOCH_NS);
		trace_epoch();
	}
	sleep_ns(TRACE_EPOCH_NS);
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

/* ---- in a child: a run of the row ---- */

/* The row runs once more after its copies, alone: that tells how many operations a piece has. */
static double trace_copies(const struct bench_row *row, bool where, struct trace_sums *sums)
{
	const struct bench_run run = { .impl = row->impls[0], .workers = SHARED_WORKERS, .divisor = DIVISOR };
	double values[BENCH_VALUES];
	shared_copies = true;
	copies.where = where;
	bench_count_spans();
	row->run(&run, values);
	trace_sum(SHARED_WORKERS, sums);
	return copies.pieces * BENCH_SPAN_NS / values[0];
}

/* The server records by itself, from its start on. Returns the number of requests. */
static double trace_server(const struct bench_row *row, bool where, struct trace_sums *sums, FILE **places)
{
	char name[] = "/tmp/bench-shared-XXXXXX", path[4096], requests[32], workers[16];
	char *argv[] = { path, "0", "-w", workers, NULL };
	struct process server;
	struct load load = {
		.connections = row->server->connections,
		.cpus = SERVER_CPU | LOAD_CPU,
		.http = row->server->http,
		.rounds = REQUESTS / row->server->connections,
	};
	int fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		bench_fail("no file in /tmp");
	snprintf(path, sizeof(path), "%s", process_build_path(row->server->program));
	snprintf(workers, sizeof(workers), "%d", SHARED_WORKERS);
	snprintf(requests, sizeof(requests), "%u", load.rounds * load.connections);
	setenv(TRACE_FILE, name, 1);
	if (where)
		setenv(TRACE_PLACES, requests, 1);
	process_start(&server, SERVER_CPU | LOAD_CPU, argv);
	load.port = process_port(&server);
	load.server = server.pid;
	process_load(&load);
	process_stop(&server, NULL);
	*places = fdopen(fd, "re");
	unlink(name);
	if (!*places || fread(sums, sizeof(*sums), 1, *places) != 1)
		bench_fail("%s: the server has recorded nothing: is SLEY_BUILD another build?", row->name);
	return atof(requests);
}

static void print_server_places(FILE *places)
{
	char line[4096];
	while (fgets(line, sizeof(line), places))
		fputs(line, stdout);
}

static void trace_row(const struct bench_row *row, bool where, struct trace_sums *sums)
{
	FILE *places = NULL;
	setenv("SLEY_ASSIST", "off", 1);
	double operations = row->server ? trace_server(row, where, sums, &places) : trace_copies(row, where, sums);
	if (sums->lost > 0)
		fprintf(stderr, "bench: %s: %.0f stores had no place in the tables\n", row->name, sums->lost);
	sums->stores /= operations;
	sums->several /= operations;
	sums->others /= operations;
	sums->all /= operations;
	if (!where)
		return;
	print_sums(row, sums);
	if (places)
		print_server_places(places);
	for (int all = 1; !places && all >= 0; all--)
		trace_print_places(stdout, all, operations);
}

/* ---- all runs ---- */

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
