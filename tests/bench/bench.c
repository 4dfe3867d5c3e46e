/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * bench: prints sley's figures as "name impl workers value unit" lines, one value a line, the median of the runs.
 *
 * Every run is a fresh child process, so no run is warmed or fragmented by another. Implementations that are compared
 * take turns within a row, because machines drift by more than what is to be seen. Exit code: 0; 1: a row failed (the
 * others are printed); 2: usage.
 */
#include "bench.h"

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

static const struct bench_row *const *const tables[] = { bench_sched_rows, bench_sync_rows, bench_park_rows,
							 bench_server_rows, bench_zerocopy_rows };

static struct {
	const char *rows; /* a comma-separated list; null: all */
	unsigned workers[WORKERS_MAX];
	unsigned worker_count; /* 0: the row's default */
	unsigned runs;
	bool quick;
} option = { .runs = 5 };

/* ---- what rows use ---- */

int64_t bench_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void bench_fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

void bench_in_tasks(const struct bench_run *run, int (*fn)(void *), void *arg)
{
	const struct sley_options options = { .size = sizeof(options), .name = "bench", .workers = run->workers };
	int result, error = sley_run(fn, arg, &options, &result);
	if (error)
		bench_fail("sley_run: %s", strerror(-error));
	if (result)
		bench_fail("the main task answered %d", result);
}

/* ---- runs ---- */

/* In a child: its values come through a pipe. False: it failed, and has said why. */
static bool run_once(const struct bench_row *row, const struct bench_run *run, double *values)
{
	const size_t size = BENCH_VALUES * sizeof(*values);
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
		for (unsigned i = 0; i < BENCH_VALUES; i++)
			values[i] = NAN;
		row->run(run, values);
		_exit(write(ends[1], values, size) == (ssize_t)size ? 0 : 1);
	}
	close(ends[1]);
	n = read(ends[0], values, size);
	close(ends[0]);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		fprintf(stderr, "bench: %s %s: not done within %d s\n", row->name, run->impl, RUN_SECONDS);
	else if (WIFSIGNALED(status))
		fprintf(stderr, "bench: %s %s: ended by signal %d\n", row->name, run->impl, WTERMSIG(status));
	return n == (ssize_t)size && status == 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
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

static void print_values(const struct bench_row *row, const struct bench_run *run, double results[][RUNS_MAX],
			 unsigned runs)
{
	for (unsigned v = 0; row->values[v].name; v++)
		if (is_chosen(row->values[v].name) || is_chosen(row->name))
			printf("%s %s %u %.6g %s\n", row->values[v].name, run->impl, run->workers,
			       median(results[v], runs), row->values[v].unit);
	fflush(stdout);
}

/* All runs of a row with one number of workers, the implementations in turns. False: one failed. */
static bool run_row(const struct bench_row *row, unsigned workers)
{
	static double results[3][BENCH_VALUES][RUNS_MAX];
	struct bench_run run = { .quick = option.quick };
	unsigned runs = row->runs ? row->runs : option.runs;
	double values[BENCH_VALUES];
	bool failed[3] = { false };
	for (unsigned r = 0; r < runs; r++)
		for (unsigned i = 0; row->impls[i]; i++) {
			run.impl = row->impls[i];
			run.workers = i == 0 ? workers : 1;
			if (!failed[i])
				failed[i] = !run_once(row, &run, values);
			for (unsigned v = 0; v < BENCH_VALUES; v++)
				results[i][v][r] = values[v];
		}
	for (unsigned i = 0; row->impls[i]; i++) {
		run.impl = row->impls[i];
		run.workers = i == 0 ? workers : 1;
		if (failed[i])
			fprintf(stderr, "bench: %s %s %u: failed\n", row->name, run.impl, run.workers);
		else
			print_values(row, &run, results[i], runs);
	}
	return !failed[0] && !failed[1] && !failed[2];
}

static bool run_row_with_workers(const struct bench_row *row)
{
	bool ok = true;
	if (row->kind == BENCH_NO_WORKERS)
		return run_row(row, 1);
	for (unsigned i = 0; i < option.worker_count; i++)
		ok &= run_row(row, option.workers[i]);
	if (option.worker_count == 0) {
		ok = run_row(row, 1);
		if (row->kind == BENCH_WORKERS)
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
	fprintf(stderr, "usage: bench [-r ROW[,ROW]] [-w WORKERS[,WORKERS]] [-n RUNS] [-q] [-l]\n"
			"  -r  these rows, or single values of them; default all\n"
			"  -w  with this many workers; default 1 and 2, server rows 1\n"
			"  -n  the median of so many runs (5)\n"
			"  -q  quick: 1/100 of the work, only to see that the rows work\n"
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
	while ((o = getopt(argc, argv, "r:w:n:ql")) != -1) {
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
		case 'q':
			option.quick = true;
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
