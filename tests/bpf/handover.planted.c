/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service whose one worker is blocked by a task, with other tasks behind it, and that measures itself what that cost
 * them. Usage: handover.planted KIND BLOCK_MS TASKS
 *
 *   queued   TASKS tasks are ready behind the task that blocks
 *   pinned   the same, and no other worker can run them
 *   full     the same as queued, but the only spare that there may be is blocked, too
 *
 * It writes "ready". For each line that it gets it blocks once and writes the truth: how many waited, for how long in all
 * from the start of the block to its end or their beginning, after what time the first of them began, on which thread (0:
 * none did before the end), and how long threads waited for a CPU meanwhile. It ends with its input.
 */
#include <sley.h>

#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TASKS_MOST 1000

static const char *kind;
static int64_t block_ns;
static long tasks;
static struct sley_group group;

static struct {
	sley_time begun;
	pid_t tid;
} victims[TASKS_MOST];

static sley_time start, end;
static int64_t waited; /* before the block */

static void require(int ok)
{
	if (!ok)
		abort();
}

static bool is(const char *name)
{
	return strcmp(kind, name) == 0;
}

static void spawn(void (*fn)(void *), long i, bool pinned)
{
	const struct sley_task_options options = { .size = sizeof(options), .detached = 1, .pinned = pinned };
	require(!sley_group_add(&group, 1) && sley_spawn_with(&options, fn, (void *)i, SLEY_BY_POINTER) > 0);
}

static void victim(void *i)
{
	victims[(long)i].begun = sley_now();
	victims[(long)i].tid = gettid();
	sley_group_done(&group);
}

/* The time that a thread waited for a CPU, if the kernel accounts it. A sentinel always waits for one. */
static int64_t waited_of(pid_t tid)
{
	char path[64];
	long ran, delay = 0;
	if (sched_getscheduler(tid) == SCHED_IDLE)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)tid);
	FILE *file = fopen(path, "re");
	if (file && fscanf(file, "%ld %ld", &ran, &delay) != 2)
		delay = 0;
	if (file)
		fclose(file);
	return delay;
}

static int64_t waited_in_all(void)
{
	DIR *threads = opendir("/proc/self/task");
	struct dirent *entry;
	int64_t all = 0;
	require(threads != NULL);
	while ((entry = readdir(threads)))
		if (entry->d_name[0] != '.')
			all += waited_of(atoi(entry->d_name));
	closedir(threads);
	return all;
}

/* Pinned, it is on the worker to which what it spawns is pinned. */
static void planted(void *unused)
{
	const struct timespec pause = { .tv_sec = block_ns / 1000000000, .tv_nsec = block_ns % 1000000000 };
	(void)unused;
	waited = waited_in_all();
	for (long i = 0; i < tasks; i++)
		spawn(victim, i, is("pinned"));
	start = sley_now();
	nanosleep(&pause, NULL); /* PLANTED handover */
	end = sley_now();
	sley_group_done(&group);
}

/* Keeps a thread for ever. */
static void holder(void *unused)
{
	char byte;
	int ends[2];
	(void)unused;
	require(!pipe(ends));
	sley_block_enter();
	require(read(ends[0], &byte, 1) == 1);
}

static void write_truth(void)
{
	int64_t delayed = 0, first = INT64_MAX;
	pid_t tid = 0;
	for (long i = 0; i < tasks; i++) {
		sley_time begun = victims[i].begun;
		delayed += (begun < end ? begun : end) - start;
		if (begun < end && begun - start < first) {
			first = begun - start;
			tid = victims[i].tid;
		}
	}
	dprintf(STDOUT_FILENO, "tasks %ld delayed_ns %ld first_ns %ld tid %d waited_ns %ld\n", tasks, (long)delayed,
		tid ? (long)first : 0L, (int)tid, (long)(waited_in_all() - waited));
}

static int service(void *unused)
{
	char text[16];
	(void)unused;
	if (is("full"))
		require(sley_go(holder, NULL) == 0);
	dprintf(STDOUT_FILENO, "ready\n");
	while (sley_read(STDIN_FILENO, text, sizeof(text), SLEY_NEVER) > 0) {
		spawn(planted, 0, is("pinned"));
		sley_group_wait(&group, SLEY_NEVER);
		write_truth();
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .name = "handover", .workers = 1 };
	require(argc == 4);
	kind = argv[1];
	block_ns = atol(argv[2]) * 1000000;
	tasks = atol(argv[3]);
	require(tasks <= TASKS_MOST);
	options.max_threads = is("full") ? 1 : 0;
	return sley_run(service, NULL, &options, NULL) ? 1 : 0;
}
