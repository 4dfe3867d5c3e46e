/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Rows of tasks that block their thread, or that compute for long: what the others have of it. What finds them is as
 * SLEY_ASSIST in the environment says.
 *
 *   stall     one request in 100 blocks its thread for 10 ms
 *   fault     one request in 100 touches a page that takes 10 ms to come from its file
 *   spin      one request in 200 computes for 50 ms
 *   handover  from a block until another thread runs the next task, and what blocks cost that need no other thread
 *
 * The first three are servers: 64 connections, messages of 512 bytes, server and load on the same two CPUs. The latencies are
 * those of the other requests. Each run is beside one of the same server without such requests (`clean`), and the ratios are
 * those of such pairs.
 */
#include "bench.h"
#include "process.h"
#include "slow_file.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sley.h>

#include "runtime/region/region.h"

#define MESSAGE    512
#define PAGE       4096
#define FILE_PAGES 262144 /* many more than there are requests that touch one */

/* ---- what a task does to its thread ---- */

static void sleep_ns(long ns)
{
	const struct timespec time = { .tv_nsec = ns };
	nanosleep(&time, NULL);
}

static void compute_ns(int64_t ns)
{
	int64_t end = bench_now() + ns;
	while (bench_now() < end)
		;
}

static void block_10ms(void)
{
	sleep_ns(10000000);
}

static void compute_50ms(void)
{
	compute_ns(50000000);
}

static const volatile char *pages;

static void touch_cold_page(void)
{
	static unsigned next;
	(void)pages[(size_t)(__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % FILE_PAGES) * PAGE];
}

/* ---- the server ---- */

static void (*do_block)(void);

static void serve_connection(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char message[MESSAGE];
	while (sley_read_full(fd, message, MESSAGE, SLEY_NEVER) == MESSAGE) {
		if (message[0] == 'B')
			do_block();
		if (sley_write_full(fd, message, MESSAGE, SLEY_NEVER) < 0)
			break;
	}
	sley_close(fd);
}

static int accept_connections(void *arg)
{
	int listener = sley_listen("127.0.0.1:0", 0), fd;
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	(void)arg;
	if (listener < 0 || getsockname(listener, (struct sockaddr *)&address, &length))
		return 1;
	printf("bench: listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
	while ((fd = sley_accept(listener, SLEY_NEVER)) >= 0)
		if (sley_go(serve_connection, (void *)(intptr_t)fd) < 0)
			return 1;
	return 1;
}

static void serve(void *arg)
{
	bench_run_in_tasks(arg, accept_connections, NULL, 0);
}

/* One request in `block` blocks; 0: none. */
static void run_server(const struct bench_run *run, unsigned block, struct load *load)
{
	struct process server;
	process_fork(&server, SERVER_CPU | LOAD_CPU, serve, (void *)run);
	*load = (struct load){
		.port = process_port(&server),
		.connections = 64,
		.cpus = SERVER_CPU | LOAD_CPU,
		.server = server.pid,
		.quick = run->quick,
		.block = block,
	};
	process_load(load);
	process_stop(&server, NULL);
}

static void put(double *values, const struct load *load)
{
	values[0] = load->rps;
	values[1] = load->p50_us;
	values[2] = load->p99_us;
	values[3] = load->p999_us;
}

/* Which of the two comes first changes from run to run. */
static void run_pair(const struct bench_run *run, double *values, unsigned one_in, void (*block)(void))
{
	struct load load[2];
	unsigned first = run->round % 2;
	do_block = block;
	run_server(run, first ? one_in : 0, &load[first]);
	run_server(run, first ? 0 : one_in, &load[!first]);
	put(values, &load[1]);
	put(values + 4, &load[0]);
	for (unsigned i = 0; i < 4; i++)
		values[8 + i] = values[i] / values[4 + i];
}

static void run_stall(const struct bench_run *run, double *values)
{
	run_pair(run, values, 100, block_10ms);
}

static void run_spin(const struct bench_run *run, double *values)
{
	run_pair(run, values, 200, compute_50ms);
}

static void run_fault(const struct bench_run *run, double *values)
{
	const size_t size = (size_t)FILE_PAGES * PAGE;
	int fd = slow_file_open(size, 10000);
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0)
		bench_skip("no FUSE file system: %s", strerror(-fd));
	if (map == MAP_FAILED || madvise(map, size, MADV_RANDOM)) /* the kernel reads no page ahead */
		bench_fail("no mapping of the slow file");
	pages = map;
	run_pair(run, values, 100, touch_cold_page);
}

#define PAIR_ROW(row, function) \
	{ \
		.name = row, .impls = { "sley" }, .kind = BENCH_BOTH_CPUS, .run = function, \
		.values = { \
			{ row "_rps", "requests/s" }, \
			{ row "_p50_us", "us" }, \
			{ row "_p99_us", "us" }, \
			{ row "_p999_us", "us" }, \
			{ row "_clean_rps", "requests/s" }, \
			{ row "_clean_p50_us", "us" }, \
			{ row "_clean_p99_us", "us" }, \
			{ row "_clean_p999_us", "us" }, \
			{ row "_rps_ratio", "ratio" }, \
			{ row "_p50_ratio", "ratio" }, \
			{ row "_p99_ratio", "ratio" }, \
			{ row "_p999_ratio", "ratio" }, \
		}, \
	}

static const struct bench_row row_stall = PAIR_ROW("stall", run_stall);
static const struct bench_row row_fault = PAIR_ROW("fault", run_fault);
static const struct bench_row row_spin = PAIR_ROW("spin", run_spin);

/* ---- hand-over ---- */

#define BLOCKS      600 /* measured blocks of 10 to 15 ms */
#define COMPUTING   300 /* the same, after the task has computed for 0 to 2 ms */
#define FIRST       20  /* blocks before them: what finds a block has yet to learn where they are */
#define IDLE_BLOCKS 200
#define SHORT_TASKS 4
#define SHORT       5000 /* blocks of each of them */
#define SHORT_NS    20000
#define PERIOD_NS   50000

static uint64_t wakes(void)
{
	uint64_t sum = 0;
	for (unsigned row = 0; row <= region.header->worker_count; row++)
		sum += __atomic_load_n(&region_counters(row)[SLEY_COUNTER_wakes], __ATOMIC_RELAXED);
	return sum;
}

struct handovers {
	unsigned blocks;
	double *us;
	double wakes; /* per block */
	bool computes;
	unsigned done;
	/* of one block */
	int64_t blocked_at, begun_at;
	sley_task follower;
};

static void follower(void *arg)
{
	struct handovers *h = arg;
	h->begun_at = bench_now();
}

/*
 * Blocks differ in length, or they would all begin when the watchdog looks, which it does every 10 ms. Without computing
 * they begin when the worker is back from the last one, and the watchdog may look then, too.
 */
static void blocker(void *arg)
{
	struct handovers *h = arg;
	unsigned n = h->done++;
	long ns = 10000000 + 50000 * (long)(n * 37 % 101);
	h->follower = sley_spawn(follower, h);
	if (h->computes)
		compute_ns(20000 * (int64_t)(n * 41 % 101));
	h->blocked_at = bench_now();
	sleep_ns(ns);
}

/* One worker: the follower can only be run by a thread that takes its place. */
static int handover_main(void *arg)
{
	struct handovers *h = arg;
	for (unsigned i = 0; i < FIRST + h->blocks; i++) {
		sley_task task = sley_spawn(blocker, h);
		if (task < 0 || sley_join(task, SLEY_NEVER) || h->follower < 0 || sley_join(h->follower, SLEY_NEVER))
			return 1;
		if (i >= FIRST)
			h->us[i - FIRST] = (double)(h->begun_at - h->blocked_at) / 1e3;
	}
	return 0;
}

static void short_blocker(void *arg)
{
	unsigned blocks = *(const unsigned *)arg;
	block_10ms(); /* from here on the tasks of this spawn site are known to block */
	for (unsigned i = 0; i < blocks; i++) {
		int64_t end = bench_now() + PERIOD_NS;
		sleep_ns(SHORT_NS);
		while (bench_now() < end)
			;
		sley_yield();
	}
}

/* One worker, blocked for 20 us of each 50, with tasks behind it all the time. */
static int short_main(void *arg)
{
	struct handovers *h = arg;
	sley_task ids[SHORT_TASKS];
	uint64_t before = wakes();
	for (unsigned i = 0; i < SHORT_TASKS; i++)
		ids[i] = sley_spawn(short_blocker, &h->blocks);
	for (unsigned i = 0; i < SHORT_TASKS; i++)
		if (ids[i] < 0 || sley_join(ids[i], SLEY_NEVER))
			return 1;
	h->wakes = (double)(wakes() - before) / (SHORT_TASKS * h->blocks);
	return 0;
}

/*
 * Two workers: one blocks and has nothing queued, the other waits in the reactor. Wake-ups are counted during the blocks
 * alone. The sleep brings the worker back to the runtime, and the other one to the reactor. A yield would not do: it wakes
 * the other worker, and counts that at any time later.
 */
static int idle_main(void *arg)
{
	struct handovers *h = arg;
	uint64_t sum = 0;
	for (unsigned i = 0; i < FIRST + h->blocks; i++) {
		sley_sleep(sley_in(SLEY_MS(1)));
		compute_ns(500000);
		uint64_t before = wakes();
		block_10ms();
		sum += i < FIRST ? 0 : wakes() - before;
	}
	h->wakes = (double)sum / h->blocks;
	return 0;
}

static void run_handover(const struct bench_run *run, double *values)
{
	struct bench_run one = *run, two = *run;
	static double us[BLOCKS], computing_us[COMPUTING];
	struct handovers long_ones = { .blocks = bench_count(run, BLOCKS), .us = us };
	struct handovers computing_ones = { .blocks = bench_count(run, COMPUTING),
					    .us = computing_us,
					    .computes = true };
	struct handovers short_ones = { .blocks = bench_count(run, SHORT) };
	struct handovers idle_ones = { .blocks = bench_count(run, IDLE_BLOCKS) };
	one.workers = 1;
	two.workers = 2;
	prctl(PR_SET_TIMERSLACK, 1); /* the threads of the runtime inherit it: 20 us are 20 us */
	bench_in_tasks(&one, handover_main, &long_ones);
	bench_in_tasks(&one, handover_main, &computing_ones);
	bench_in_tasks(&one, short_main, &short_ones);
	bench_in_tasks(&two, idle_main, &idle_ones);
	values[0] = bench_median(us, long_ones.blocks);
	values[1] = us[long_ones.blocks * 99 / 100];
	values[2] = short_ones.wakes;
	values[3] = idle_ones.wakes;
	values[4] = bench_median(computing_us, computing_ones.blocks);
	values[5] = computing_us[computing_ones.blocks * 99 / 100];
}

static const struct bench_row row_handover = {
	.name = "handover",
	.impls = { "sley" },
	.values = {
		{ "handover_p50_us", "us" },
		{ "handover_p99_us", "us" },
		{ "handover_short_wakes", "wakes/block" },
		{ "handover_idle_wakes", "wakes/block" },
		{ "handover_computing_p50_us", "us" },
		{ "handover_computing_p99_us", "us" },
	},
	.kind = BENCH_NO_WORKERS,
	.run = run_handover,
};

const struct bench_row *const bench_blocked_rows[] = { &row_stall, &row_fault, &row_spin, &row_handover, NULL };
