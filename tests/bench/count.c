/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "count.h"

#include "bench.h"
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))

#define FEW_DIVISOR  2000 /* of the row's work; the first, smaller run */
#define MANY_DIVISOR 500
#define RUNS         3

/* of a server row; the first, smaller run, and the larger one */
#define FEW_REQUESTS  1280u
#define MANY_REQUESTS 7680u

struct counts {
	double operations, instructions, whole, locked, calls;
};

/* What is counted: a row, with little work or with more. */
struct counted {
	const struct bench_row *row;
	bool raw, many;
};

/* Addresses in the program of instructions that lock the bus, and of full fences. */
static struct {
	unsigned long *address;
	size_t n;
} locked;

static char program[4096]; /* that is counted */
static char scratch[] = "/tmp/bench-count-XXXXXX";

/* ---- the child ---- */

void count_operations(const struct bench_row *row, unsigned divisor)
{
	const struct bench_run run = { .impl = row->impls[0], .workers = 1, .divisor = divisor };
	double values[BENCH_VALUES];
	bench_count_spans();
	row->run(&run, values);
	printf("%.0f\n", BENCH_SPAN_NS / values[0]);
}

/* ---- which instructions are locked ---- */

static bool is_locked(const char *instruction)
{
	bool exchanges =
		strncmp(instruction, "xchg", 4) == 0 && strchr(instruction, '('); /* in memory: locks by itself */
	return strncmp(instruction, "lock", 4) == 0 || strncmp(instruction, "mfence", 6) == 0 || exchanges;
}

static int compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;
	return (x > y) - (x < y);
}

/* Lines of objdump: "    6af4:\tlock cmpxchg %edx,(%rdi)". */
static bool find_locked(void)
{
	char command[sizeof(program) + 100], line[1024], *end;
	size_t room = 0;
	locked.n = 0;
	snprintf(command, sizeof(command), "objdump -d --no-show-raw-insn '%s'", program);
	FILE *objdump = popen(command, "re");
	while (objdump && fgets(line, sizeof(line), objdump)) {
		unsigned long address = strtoul(line, &end, 16);
		if (line[0] != ' ' || *end != ':' || end[1] != '\t' || !is_locked(end + 2))
			continue;
		if (locked.n == room)
			locked.address = realloc(locked.address, (room = 2 * room + 1000) * sizeof(*locked.address));
		if (!locked.address)
			return false;
		locked.address[locked.n++] = address;
	}
	if (!objdump || pclose(objdump) != 0)
		return false;
	qsort(locked.address, locked.n, sizeof(*locked.address), compare);
	return true;
}

/* ---- one run ---- */

/* The same with a server and a load; returns the number of requests. */
static double serve_under(const char *command, const struct bench_server *server, const struct counted *counted)
{
	char line[2 * sizeof(program)];
	char *argv[] = { "/bin/sh", "-c", line, NULL };
	struct process process;
	struct load load = {
		.connections = server->connections,
		.cpus = SERVER_CPU, /* both have one CPU: the requests of a round are there when the server runs */
		.http = server->http,
		.rounds = (counted->many ? MANY_REQUESTS : FEW_REQUESTS) / server->connections,
	};
	snprintf(line, sizeof(line), "exec %s '%s' 0 %s 2>%s/errors", command, program,
		 !counted->raw  ? "-w 1"
		 : server->http ? "http"
				: "",
		 scratch);
	process_start(&process, SERVER_CPU, argv);
	load.port = process_port(&process);
	load.server = process.pid;
	process_load(&load);
	process_stop(&process, NULL);
	return load.requests;
}

/* Runs a command line with this program at its end; returns what that has printed: the number of operations. 0: failed. */
static double run_under(const char *command, const struct counted *counted)
{
	char line[2 * sizeof(program)], answer[64] = "";
	if (counted->row->server)
		return serve_under(command, counted->row->server, counted);
	snprintf(line, sizeof(line), "%s '%s' -C %u -r %s 2>%s/errors", command, program,
		 counted->many ? MANY_DIVISOR : FEW_DIVISOR, counted->row->name, scratch);
	FILE *output = popen(line, "re");
	if (!output)
		return 0;
	char *read = fgets(answer, sizeof(answer), output);
	return pclose(output) == 0 && read ? strtod(answer, NULL) : 0;
}

/*
 * The lines that are of use, of a file with one position, the address, and one event:
 *    ob=FILE, fl=FILE     what follows is of this object, and of a function of this source file
 *    calls=...            the next line has the cost of the function that was called: it is counted there
 *    0xADDRESS COST
 */
static bool read_callgrind(const char *path, struct counts *counts)
{
	static char line[65536];
	bool own_object = false, own_source = false, skip = false;
	FILE *file = fopen(path, "re");
	char *end;
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "ob=", 3) == 0)
			own_object = strcmp(line + 3, program) == 0;
		else if (strncmp(line, "fl=", 3) == 0)
			own_source = strstr(line, "runtime/") != NULL;
		else if (strncmp(line, "calls=", 6) == 0)
			skip = true;
		if (strncmp(line, "0x", 2) != 0)
			continue;
		unsigned long address = strtoul(line, &end, 16);
		double cost = strtod(end, NULL);
		if (!skip) {
			counts->whole += cost;
			counts->instructions += own_object && own_source ? cost : 0;
			if (own_object && bsearch(&address, locked.address, locked.n, sizeof(address), compare))
				counts->locked += cost;
		}
		skip = false;
	}
	fclose(file);
	return counts->whole > 0;
}

/* Lines of strace -c -U calls,name: "     1234 futex", then "     2345 total". */
static bool read_strace(const char *path, struct counts *counts)
{
	char line[1024], name[64];
	unsigned long calls;
	bool whole = false;
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	while (!whole && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lu %63s", &calls, name) != 2)
			continue;
		whole = strcmp(name, "total") == 0;
		counts->calls = whole ? (double)calls : 0;
	}
	fclose(file);
	return whole;
}

static bool count_run(const struct counted *counted, struct counts *counts)
{
	char command[1024], path[sizeof(scratch) + 32];
	*counts = (struct counts){ 0 };
	snprintf(
		command, sizeof(command),
		"valgrind --tool=callgrind --separate-threads=yes --dump-instr=yes --dump-line=no --compress-strings=no "
		"--compress-pos=no --callgrind-out-file=%s/callgrind",
		scratch);
	snprintf(path, sizeof(path), "%s/callgrind-01", scratch); /* the first thread: it is the only worker */
	counts->operations = run_under(command, counted);
	if (counts->operations == 0 || !read_callgrind(path, counts))
		return false;
	snprintf(path, sizeof(path), "%s/strace", scratch);
	/* -I2: SIGTERM, which is for the server, ends it, too */
	snprintf(command, sizeof(command), "strace -I2 -f -c -U calls,name -o %s", path);
	return run_under(command, counted) > 0 && read_strace(path, counts);
}

/* Each count is the least of some runs: what comes with time makes it larger. */
static bool count_least(const struct counted *counted, struct counts *least)
{
	struct counts counts;
	if (!count_run(counted, least))
		return false;
	for (unsigned i = 1; i < RUNS; i++) {
		if (!count_run(counted, &counts))
			return false;
		least->instructions = MIN(least->instructions, counts.instructions);
		least->whole = MIN(least->whole, counts.whole);
		least->locked = MIN(least->locked, counts.locked);
		least->calls = MIN(least->calls, counts.calls);
	}
	return true;
}

/* ---- a row ---- */

static void print_count(const char *row, const char *label, const char *unit, double difference, double operations)
{
	printf("%s %s 1 %.2f %s\n", row, label, MAX(difference, 0) / operations, unit);
}

static bool count_impl(const struct bench_row *row, bool raw)
{
	struct counts few, many;
	const char *label = raw ? "raw" : "count";
	if (!find_locked()) {
		fprintf(stderr, "bench: objdump cannot read %s: install binutils\n", program);
		return false;
	}
	if (!count_least(&(struct counted){ row, raw, false }, &few) ||
	    !count_least(&(struct counted){ row, raw, true }, &many))
		return false;
	double operations = many.operations - few.operations;
	if (!raw)
		print_count(row->name, label, "instructions", many.instructions - few.instructions, operations);
	print_count(row->name, label, "whole", many.whole - few.whole, operations);
	if (!raw)
		print_count(row->name, label, "locked", many.locked - few.locked, operations);
	print_count(row->name, label, "calls", many.calls - few.calls, operations);
	fflush(stdout);
	return true;
}

/* What valgrind or strace, or the row itself, has said. */
static void print_errors(void)
{
	char path[sizeof(scratch) + 32], line[1024];
	snprintf(path, sizeof(path), "%s/errors", scratch);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		fputs(line, stderr);
	if (file)
		fclose(file);
}

static void remove_scratch(void)
{
	static const char *const names[] = { "callgrind",    "callgrind-01", "callgrind-02",
					     "callgrind-03", "strace",       "errors" };
	char path[sizeof(scratch) + 32];
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", scratch, names[i]);
		unlink(path);
	}
	rmdir(scratch);
}

static bool count_in_scratch(const struct bench_row *row)
{
	if (!row->server)
		return count_impl(row, false);
	snprintf(program, sizeof(program), "%s", process_build_path(row->server->program));
	if (!count_impl(row, false))
		return false;
	snprintf(program, sizeof(program), "%s", process_build_path("bench-raw-echo"));
	return count_impl(row, true);
}

bool count_row(const struct bench_row *row)
{
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[n > 0 ? n : 0] = '\0';
	strcpy(scratch + sizeof(scratch) - 7, "XXXXXX");
	if (!mkdtemp(scratch)) {
		perror("bench: a directory in /tmp");
		return false;
	}
	bool ok = count_in_scratch(row);
	if (!ok) {
		fprintf(stderr, "bench: %s could not be counted, with valgrind and strace:\n", row->name);
		print_errors();
	}
	remove_scratch();
	return ok;
}
