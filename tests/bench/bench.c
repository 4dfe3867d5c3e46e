/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * bench: prints sley's figures as "name impl workers value unit" lines, one value a line, the median of the runs.
 *
 * Every run is a fresh child process, so no run is warmed or fragmented by another. Implementations that are compared
 * take turns within a row, because machines drift by more than what is to be seen. With -b sley alone is run, in pairs: one
 * run as it is, one with another environment. Their impls are "sley" and "beside", and the lines of the impl "ratio" have the
 * median of the pairs' quotients, sley through beside. Exit code: 0; 1: a row failed (the others are printed); 2: usage.
 */
#include "bench.h"
#include "count.h"
#include "shared.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sley.h>

#define RUNS_MAX    99
#define WORKERS_MAX 8
#define RUN_SECONDS 180 /* a run that takes longer hangs, and is ended */
#define EXIT_SKIP   77  /* of a run that is impossible here */

#define QUICK_DIVISOR 100

static const struct bench_row *const *const tables[] = { bench_sched_rows,  bench_sync_rows,   bench_timer_rows,
							 bench_park_rows,   bench_server_rows, bench_zerocopy_rows,
							 bench_blocked_rows };

static struct {
	const char *rows; /* a comma-separated list; null: all */
	unsigned workers[WORKERS_MAX];
	unsigned worker_count; /* 0: the row's default */
	unsigned runs;
	bool quick, counts, shared, where;
	unsigned divisor; /* of a run for -c; 0: this is none */
	char *beside;     /* NAME=VALUE: what -b adds to the environment of each second run; or null */
} option = { .runs = 5 };

/* ---- what rows use ---- */

static bool counts_spans;
static int64_t span_time; /* atomic */

void bench_count_spans(void)
{
	counts_spans = true;
}

int64_t bench_now(void)
{
	struct timespec t;
	if (counts_spans)
		return __atomic_add_fetch(&span_time, (int64_t)BENCH_SPAN_NS, __ATOMIC_RELAXED);
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

__attribute__((noreturn, format(printf, 2, 0))) static void end_run(int code, const char *format, va_list arguments)
{
	fputs("bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	exit(code);
}

void bench_fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	end_run(1, format, arguments);
}

void bench_skip(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	end_run(EXIT_SKIP, format, arguments);
}

struct main_task {
	int (*fn)(void *);
	void *arg;
	size_t size;
};

static int main_task(void *arg)
{
	const struct main_task *m = arg;
	int result = shared_copies ? shared_run(m->fn, m->arg, m->size) : 0;
	return result ? result : m->fn(m->arg);
}

void bench_run_in_tasks(const struct bench_run *run, int (*fn)(void *), void *arg, size_t size)
{
	const struct sley_options options = { .size = sizeof(options), .name = "bench", .workers = run->workers };
	struct main_task m = { fn, arg, size };
	int result, error = sley_run(main_task, &m, &options, &result);
	if (error)
		bench_fail("sley_run: %s", strerror(-error));
	if (result)
		bench_fail("the main task answered %d", result);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double bench_median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* ---- runs ---- */

/* One of those that take turns within a row. */
struct contestant {
	const char *impl, *label; /* label: the impl of its lines */
	unsigned workers;
	char *environment; /* NAME=VALUE or null */
	bool failed, skipped;
	double values[BENCH_VALUES][RUNS_MAX];
};

/* In a child: its values come through a pipe. If there are none, it has said why. */
static void run_once(const struct bench_row *row, struct contestant *c, unsigned round)
{
	const struct bench_run run = { c->impl, c->workers, round, option.quick, option.quick ? QUICK_DIVISOR : 0 };
	double values[BENCH_VALUES];
	int ends[2], status;
	ssize_t n;
	pid_t pid;
	fflush(NULL);
	if (pipe(ends) || (pid = fork()) < 0)
		bench_fail("no child process");
	if (pid == 0) {
		close(ends[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(RUN_SECONDS);
		if (c->environment)
			putenv(c->environment);
		for (unsigned i = 0; i < BENCH_VALUES; i++)
			values[i] = NAN;
		row->run(&run, values);
		_exit(write(ends[1], values, sizeof(values)) == (ssize_t)sizeof(values) ? 0 : 1);
	}
	close(ends[1]);
	n = read(ends[0], values, sizeof(values));
	close(ends[0]);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		fprintf(stderr, "bench: %s %s: not done within %d s\n", row->name, c->label, RUN_SECONDS);
	else if (WIFSIGNALED(status))
		fprintf(stderr, "bench: %s %s: ended by signal %d\n", row->name, c->label, WTERMSIG(status));
	c->skipped = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP;
	c->failed = !c->skipped && (n != (ssize_t)sizeof(values) || status != 0);
	for (unsigned v = 0; v < BENCH_VALUES; v++)
		c->values[v][round] = values[v];
}

/* True if `name` is in the list -r, or there is none. */
static bool is_chosen(const char *name)
{
	const char *list = option.rows;
	size_t n = strlen(name);
	for (; list; list = strchr(list, ',')) {
		list += *list == ',';
		if (strncmp(list, name, n) == 0 && (list[n] == ',' || list[n] == '\0'))
			return true;
	}
	return option.rows == NULL;
}

static void print_values(const struct bench_row *row, const char *label, unsigned workers, double values[][RUNS_MAX],
			 unsigned runs, const char *unit)
{
	for (unsigned v = 0; row->values[v].name; v++)
		if ((is_chosen(row->values[v].name) || is_chosen(row->name)) && isfinite(bench_median(values[v], runs)))
			printf("%s %s %u %.6g %s\n", row->values[v].name, label, workers, bench_median(values[v], runs),
			       unit ? unit : row->values[v].unit);
	fflush(stdout);
}

/* The quotients of pairs, from the values before they are sorted. Two zeros are equal, too. */
static void divide(const struct contestant *a, const struct contestant *b, unsigned runs, double quotients[][RUNS_MAX])
{
	for (unsigned v = 0; v < BENCH_VALUES; v++)
		for (unsigned r = 0; r < runs; r++)
			quotients[v][r] = a->values[v][r] == b->values[v][r] ? 1 : a->values[v][r] / b->values[v][r];
}

/* The runs of those that take turns; a different one begins each time. */
static void run_contest(const struct bench_row *row, struct contestant *contestants, unsigned n, unsigned runs)
{
	for (unsigned i = 0; i < runs * n; i++) {
		struct contestant *c = &contestants[(i + i / n) % n];
		if (!c->failed && !c->skipped)
			run_once(row, c, i / n);
	}
}

/* All runs of a row with one number of workers. False: one failed. */
static bool run_row(const struct bench_row *row, unsigned workers)
{
	static struct contestant contestants[BENCH_IMPLS];
	static double quotients[BENCH_VALUES][RUNS_MAX];
	unsigned runs = row->runs ? row->runs : option.runs, n;
	bool ok = true, complete = true;
	contestants[0] = (struct contestant){ row->impls[0], row->impls[0], workers, .environment = NULL };
	for (n = 1; !option.beside && row->impls[n]; n++)
		contestants[n] = (struct contestant){ row->impls[n], row->impls[n], 1, .environment = NULL };
	if (option.beside)
		contestants[n++] = (struct contestant){ row->impls[0], "beside", workers, option.beside };
	run_contest(row, contestants, n, runs);
	if (option.beside)
		divide(&contestants[0], &contestants[1], runs, quotients);
	for (unsigned i = 0; i < n; i++) {
		struct contestant *c = &contestants[i];
		if (c->failed)
			fprintf(stderr, "bench: %s %s %u: failed\n", row->name, c->label, c->workers);
		else if (!c->skipped)
			print_values(row, c->label, c->workers, c->values, runs, NULL);
		ok &= !c->failed;
		complete &= !c->failed && !c->skipped;
	}
	if (option.beside && complete)
		print_values(row, "ratio", workers, quotients, runs, "ratio");
	return ok;
}

static bool run_row_with_workers(const struct bench_row *row)
{
	bool ok = true;
	if (option.divisor)
		return count_operations(row, option.divisor), true;
	bool counted = row->counted || row->server;
	if (option.counts && !counted && option.rows)
		fprintf(stderr, "bench: %s cannot be counted, only timed: leave -c out\n", row->name);
	if (option.counts)
		return counted ? count_row(row) : !option.rows;
	if (option.shared)
		return row->shared || row->server ? shared_row(row, option.where) : !option.rows;
	if (row->kind == BENCH_NO_WORKERS)
		return run_row(row, 1);
	for (unsigned i = 0; i < option.worker_count; i++)
		ok &= run_row(row, option.workers[i]);
	if (option.worker_count == 0) {
		ok = row->kind == BENCH_BOTH_CPUS || run_row(row, 1);
		if (row->kind != BENCH_ONE_CPU)
			ok &= run_row(row, 2);
	}
	return ok;
}

/* ---- options ---- */

static bool is_row_chosen(const struct bench_row *row)
{
	if (is_chosen(row->name))
		return true;
	for (unsigned v = 0; row->values[v].name; v++)
		if (is_chosen(row->values[v].name))
			return true;
	return false;
}

static void list_rows(void)
{
	for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct bench_row *const *row = tables[t]; *row; row++) {
			printf("%s:", (*row)->name);
			for (unsigned v = 0; (*row)->values[v].name; v++)
				printf(" %s (%s)", (*row)->values[v].name, (*row)->values[v].unit);
			printf("\n");
		}
}

__attribute__((noreturn)) static void usage(void)
{
	fprintf(stderr,
		"usage: bench [-r ROW[,ROW]] [-w WORKERS[,WORKERS]] [-n RUNS] [-b NAME=VALUE] [-q] [-c] [-s|-S] [-l]\n"
		"  -r  these rows, or single values of them; default all\n"
		"  -w  with this many workers; default 1 and 2, server rows 1, those of blocked threads 2\n"
		"  -n  the median of so many runs (5)\n"
		"  -b  each run of sley beside one with this in its environment, and their ratio\n"
		"  -q  quick: 1/100 of the work, only to see that the rows work\n"
		"  -c  counts in the place of times, with 1 worker, of rows that can be counted: see tests/bench/count.h\n"
		"  -s  what they write to cache lines of several workers: see tests/bench/shared.h; -S: and where\n"
		"  -l  list the rows and their values\n");
	exit(2);
}

static unsigned number(const char *text, char **end, unsigned most)
{
	unsigned long value = strtoul(text, end, 10);
	if (*end == text || value < 1 || value > most)
		usage();
	return (unsigned)value;
}

static void parse_workers(const char *text)
{
	char *end;
	for (;; text = end + 1) {
		if (option.worker_count == WORKERS_MAX)
			usage();
		option.workers[option.worker_count++] = number(text, &end, 256);
		if (*end == '\0')
			return;
		if (*end != ',')
			usage();
	}
}

static void parse(int argc, char **argv)
{
	char *end;
	int o;
	while ((o = getopt(argc, argv, "r:w:n:b:qcC:sSl")) != -1) {
		switch (o) {
		case 'r':
			option.rows = optarg;
			break;
		case 'w':
			parse_workers(optarg);
			break;
		case 'n':
			option.runs = number(optarg, &end, RUNS_MAX);
			break;
		case 'b':
			if (!strchr(optarg, '='))
				usage();
			option.beside = optarg;
			break;
		case 'q':
			option.quick = true;
			break;
		case 'c':
			option.counts = true;
			break;
		case 'S':
			option.where = true;
			option.shared = true;
			break;
		case 's':
			option.shared = true;
			break;
		case 'C': /* by -c itself */
			option.divisor = number(optarg, &end, UINT16_MAX);
			break;
		case 'l':
			list_rows();
			exit(0);
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
	if (option.quick)
		option.runs = 1;
}

/* Servers and loads with 10,000 connections need as many descriptors; children inherit the limit. */
static void raise_file_limit(void)
{
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
	unsigned rows = 0;
	bool ok = true;
	parse(argc, argv);
	raise_file_limit();
	for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct bench_row *const *row = tables[t]; *row; row++)
			if (is_row_chosen(*row)) {
				ok &= run_row_with_workers(*row);
				rows++;
			}
	if (rows == 0) {
		fprintf(stderr, "bench: no such row: %s (-l lists them)\n", option.rows);
		return 2;
	}
	return ok ? 0 : 1;
}
