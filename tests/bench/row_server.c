/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Rows of servers as real processes: the server alone on CPU 0, the load generator on CPU 1, over loopback TCP.
 *
 * `raw` is bench-raw-echo, a single-threaded epoll server in C. It takes turns with sley's within each row.
 */
#include "bench.h"
#include "process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_raw(const struct bench_run *run)
{
	return strcmp(run->impl, "raw") == 0;
}

static unsigned start_server(struct process *server, const struct bench_run *run, bool http)
{
	char path[4096], workers[16];
	char *sley[] = { path, "0", "-w", workers, NULL };
	char *raw[] = { path, "0", http ? "http" : NULL, NULL };
	const char *example = http ? "examples/httpd" : "examples/echo";
	snprintf(workers, sizeof(workers), "%u", run->workers);
	snprintf(path, sizeof(path), "%s", process_build_path(is_raw(run) ? "bench-raw-echo" : example));
	process_start(server, SERVER_CPU, is_raw(run) ? raw : sley);
	return process_port(server);
}

/* As many connections as asked for, or as both processes have descriptors for. */
static unsigned connections_within_limit(unsigned wanted)
{
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur >= wanted + 100)
		return wanted;
	fprintf(stderr, "bench: the limit of descriptors (ulimit -Hn) allows %u connections, not %u\n",
		(unsigned)files.rlim_cur - 100, wanted);
	return (unsigned)files.rlim_cur - 100;
}

/* ---- echo and http ---- */

static void run_server(const struct bench_run *run, double *values, bool http, unsigned connections)
{
	struct load load = {
		.connections = connections_within_limit(connections),
		.cpus = LOAD_CPU,
		.http = http,
		.quick = run->quick,
	};
	struct process server;
	load.port = start_server(&server, run, http);
	load.server = server.pid;
	process_load(&load);
	process_stop(&server, NULL);
	values[0] = load.rps;
	values[1] = load.p99_us / 1e3;
	values[2] = load.cpu;
}

static void run_echo_c1(const struct bench_run *run, double *values)
{
	run_server(run, values, false, 1);
}

static void run_echo_c64(const struct bench_run *run, double *values)
{
	run_server(run, values, false, 64);
}

static void run_echo_c1000(const struct bench_run *run, double *values)
{
	run_server(run, values, false, 1000);
}

static void run_echo_c10000(const struct bench_run *run, double *values)
{
	run_server(run, values, false, 10000);
}

static void run_http(const struct bench_run *run, double *values)
{
	run_server(run, values, true, 64);
}

static const struct bench_server counted_c1 = { "examples/echo", 1, false };
static const struct bench_server counted_c64 = { "examples/echo", 64, false };
static const struct bench_server counted_http = { "examples/httpd", 64, true };

#define SERVER_ROW(row, function, counted_server) \
	{ \
		.name = row, .impls = { "sley", "raw" }, .kind = BENCH_ONE_CPU, .run = function, \
		.server = counted_server, \
		.values = { { row "_rps", "requests/s" }, { row "_p99_ms", "ms" }, { row "_cpu", "s/M" } }, \
	}

static const struct bench_row row_echo_c1 = SERVER_ROW("echo_c1", run_echo_c1, &counted_c1);
static const struct bench_row row_echo_c64 = SERVER_ROW("echo_c64", run_echo_c64, &counted_c64);
static const struct bench_row row_echo_c1000 = SERVER_ROW("echo_c1000", run_echo_c1000, NULL);
static const struct bench_row row_echo_c10000 = SERVER_ROW("echo_c10000", run_echo_c10000, NULL);
static const struct bench_row row_http = SERVER_ROW("http", run_http, &counted_http);

/* ---- idle connections ---- */

/* Connects and has one message echoed, so that the connection's task has run and waits for the next. */
static void connect_once(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	const struct linger reset = { .l_onoff = 1 };
	char message[512] = "hello";
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    send(fd, message, sizeof(message), 0) != sizeof(message) ||
	    recv(fd, message, sizeof(message), MSG_WAITALL) != sizeof(message))
		bench_fail("connecting: %s", strerror(errno));
}

/* The connections are the child's, and end with it. */
static void run_idle(const struct bench_run *run, double *values)
{
	unsigned connections = connections_within_limit(bench_count(run, 10000));
	struct process server;
	unsigned port = start_server(&server, run, false);
	int64_t before = process_resident(server.pid);
	for (unsigned i = 0; i < connections; i++)
		connect_once(port);
	values[0] = (double)(process_resident(server.pid) - before) / connections;
	process_stop(&server, NULL);
}

static const struct bench_row row_idle = {
	.name = "idle_conn",
	.impls = { "sley", "raw" },
	.values = { { "idle_conn_rss", "B/connection" } },
	.kind = BENCH_ONE_CPU,
	.run = run_idle,
};

/* ---- what asynctop costs the server that it looks at ---- */

#define PAIRS 9

static double cpu_seconds(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

/* It is attached once its first report is out. */
static void attach(struct process *asynctop, const struct process *server)
{
	char path[4096], pid[16], line[65536];
	char *argv[] = { path, "--json", "-d", "1", "-p", pid, NULL };
	snprintf(path, sizeof(path), "%s", process_build_path("asynctop"));
	snprintf(pid, sizeof(pid), "%d", (int)server->pid);
	process_start(asynctop, LOAD_CPU, argv);
	if (!fgets(line, sizeof(line), asynctop->output))
		bench_fail("asynctop reports nothing");
	if (!strstr(line, "\"pid\""))
		bench_fail("asynctop does not see the server: %.200s", line);
}

/* Reads and drops what it reports while the load runs, in a process of its own: a full pipe would stop it. */
static pid_t drain(FILE *output)
{
	char buffer[65536];
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	while (read(fileno(output), buffer, sizeof(buffer)) > 0)
		;
	_exit(0);
}

struct pair_half {
	double rps, cpu, asynctop_cpu; /* asynctop_cpu: its CPU seconds per second */
};

static struct pair_half run_half(const struct bench_run *run, bool attached)
{
	struct load load = { .connections = 64, .cpus = LOAD_CPU, .quick = run->quick };
	struct process server, asynctop;
	struct pair_half half = { 0 };
	struct rusage usage;
	int64_t start;
	load.port = start_server(&server, run, false);
	load.server = server.pid;
	start = bench_now();
	if (attached) {
		attach(&asynctop, &server);
		drain(asynctop.output);
	}
	process_load(&load);
	if (attached) {
		process_stop(&asynctop, &usage);
		half.asynctop_cpu = cpu_seconds(&usage) / ((double)(bench_now() - start) / 1e9);
	}
	process_stop(&server, NULL);
	half.rps = load.rps;
	half.cpu = load.cpu;
	return half;
}

/* Pairs of one run without and one with asynctop, which comes first changing from pair to pair. */
static void run_asynctop(const struct bench_run *run, double *values)
{
	double lost[PAIRS], server[PAIRS], own[PAIRS];
	for (unsigned i = 0; i < PAIRS; i++) {
		struct pair_half half[2];
		half[i % 2] = run_half(run, i % 2);
		half[!(i % 2)] = run_half(run, !(i % 2));
		lost[i] = (1 - half[1].rps / half[0].rps) * 100;
		server[i] = (half[1].cpu / half[0].cpu - 1) * 100;
		own[i] = half[1].asynctop_cpu * 1e3;
	}
	values[0] = bench_median(lost, PAIRS);
	values[1] = bench_median(server, PAIRS);
	values[2] = bench_median(own, PAIRS);
}

static const struct bench_row row_asynctop = {
	.name = "asynctop",
	.impls = { "sley" },
	.values = {
		{ "asynctop_echo_overhead", "%" },   /* requests per second that are lost */
		{ "asynctop_echo_cpu", "%" },        /* CPU time per request that the server needs more */
		{ "asynctop_own_cpu", "ms/s" },
	},
	.kind = BENCH_ONE_CPU,
	.runs = 1, /* it makes its pairs itself */
	.run = run_asynctop,
};

const struct bench_row *const bench_server_rows[] = {
	&row_echo_c1, &row_echo_c64, &row_echo_c1000, &row_echo_c10000, &row_http, &row_idle, &row_asynctop, NULL,
};
