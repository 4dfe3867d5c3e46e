/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service in which tasks are late as others block their threads, although they are in no queue when that begins. They
 * measure themselves how late they are. Usage: late.planted WORKERS BLOCK_MS TASKS
 *
 * It writes "ready". For each line that it gets, as many tasks as there are workers block at the same time, and it writes
 * what the others measured. The line says what these wait for, which comes in the midst of the block, at different times:
 *
 *	timer		their deadlines
 *	descriptor	a byte in a pipe, from a plain thread
 *	ready		a semaphore that a plain thread posts
 *	mutex		a mutex that the blocked task has: there is one, however many workers
 *
 * It ends with its input.
 */
#include <sley.h>

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TASKS_MOST    100
#define WORKERS_MOST  8
#define PREPARE       SLEY_MS(30) /* until the blocks begin: all are parked by then */
#define DEADLINE_MOST (7.0 / 8)   /* of the block: nothing comes later */

static char kind[16];
static long tasks, workers;
static int64_t block_ns;

static struct sley_group group = SLEY_GROUP_INIT, locked = SLEY_GROUP_INIT;
static struct sley_mutex mutex = SLEY_MUTEX_INIT;
static struct {
	int ends[2];
	struct sley_sem sem;
	sley_time due, begun; /* when it could have run, and did */
} victims[TASKS_MOST];

static sley_time planned;                                  /* begin of the blocks */
static sley_time starts[WORKERS_MOST], ends[WORKERS_MOST]; /* of each of them */
static int64_t waited;                                     /* before */

static void require(bool ok)
{
	if (!ok)
		abort();
}

static bool is(const char *name)
{
	return strcmp(kind, name) == 0;
}

static sley_time due(long i)
{
	return planned + (int64_t)((double)block_ns * DEADLINE_MOST * (double)(i + 1) / (double)tasks);
}

static void sleep_until(sley_time at)
{
	struct timespec t = { .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
		;
}

static void bring_one(long i)
{
	if (is("descriptor") || is("ready"))
		victims[i].due = sley_now();
	if (is("descriptor"))
		require(write(victims[i].ends[1], "x", 1) == 1);
	else if (is("ready"))
		require(sley_sem_release(&victims[i].sem, 1) == 0);
}

/* The plain thread. */
static void *bring(void *unused)
{
	(void)unused;
	for (long i = 0; i < tasks; i++) {
		sleep_until(due(i));
		bring_one(i);
	}
	return NULL;
}

static void victim(void *number)
{
	long i = (long)number;
	char byte;
	victims[i].due = sley_now();
	if (is("timer")) {
		victims[i].due = due(i);
		require(sley_sleep(victims[i].due) == 0);
	} else if (is("descriptor")) {
		require(sley_read(victims[i].ends[0], &byte, 1, SLEY_NEVER) == 1);
	} else if (is("ready")) {
		require(sley_sem_acquire(&victims[i].sem, 1, SLEY_NEVER) == 0);
	} else if (is("mutex")) {
		require(sley_group_wait(&locked, SLEY_NEVER) == 0);
		require(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	}
	victims[i].begun = sley_now();
	if (is("mutex"))
		require(sley_mutex_unlock(&mutex) == 0);
	sley_group_done(&group);
}

/* It takes no lock after the block: a wait for that would be one more block. */
static void planted(void *number)
{
	const struct timespec pause = { .tv_sec = block_ns / 1000000000, .tv_nsec = block_ns % 1000000000 };
	long i = (long)number;
	if (is("mutex"))
		require(sley_mutex_lock(&mutex, SLEY_NEVER) == 0 && sley_group_done(&locked) == 0);
	require(sley_sleep(planned) == 0);
	starts[i] = sley_now();
	nanosleep(&pause, NULL); /* PLANTED late */
	poll(NULL, 0, 1);
	ends[i] = sley_now();
	if (is("mutex"))
		require(sley_mutex_unlock(&mutex) == 0);
	sley_group_done(&group);
}

static void go(void (*fn)(void *), long i)
{
	require(sley_group_add(&group, 1) == 0 && sley_go(fn, (void *)i) == 0);
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

/*
 * Others are late while all workers are blocked. A task that is to block may wait in the queue of the first one. Of what
 * came shortly before the end it is not known whether it was there when a worker looked: `unsure`. What came before the last
 * worker was blocked may be in the queue of one, or taken out of that by another: `early`.
 */
static void write_truth(long blocks)
{
	sley_time first = starts[0], start = starts[0], end = ends[0];
	int64_t all = waited_in_all() - waited;
	long late = 0, unsure = 0, early = 0;
	for (long i = 1; i < blocks; i++) {
		first = starts[i] < first ? starts[i] : first;
		start = starts[i] > start ? starts[i] : start;
		end = ends[i] < end ? ends[i] : end;
	}
	int64_t delayed = start - first;
	for (long i = 0; i < tasks; i++) {
		sley_time from = victims[i].due > start ? victims[i].due : start;
		sley_time to = victims[i].begun < end ? victims[i].begun : end;
		delayed += to > from ? to - from : 0;
		late += to > from;
		unsure += to > from && victims[i].due > end - all - 1000000;
		early += to > from && victims[i].due <= start;
	}
	dprintf(STDOUT_FILENO, "blocks %ld tasks %ld unsure %ld early %ld delayed_ns %ld waited_ns %ld\n", blocks, late,
		unsure, early, (long)delayed, (long)all);
}

static void round_of_blocks(void)
{
	long blocks = is("mutex") ? 1 : workers;
	pthread_t thread;
	waited = waited_in_all();
	planned = sley_in(PREPARE);
	if (is("mutex"))
		require(sley_group_add(&locked, 1) == 0);
	for (long i = 0; i < tasks; i++)
		go(victim, i);
	for (long i = 0; i < blocks; i++)
		go(planted, i);
	require(pthread_create(&thread, NULL, bring, NULL) == 0);
	require(sley_group_wait(&group, SLEY_NEVER) == 0);
	pthread_join(thread, NULL);
	write_truth(blocks);
}

static int service(void *unused)
{
	ssize_t n;
	(void)unused;
	dprintf(STDOUT_FILENO, "ready\n");
	while ((n = sley_read(STDIN_FILENO, kind, sizeof(kind) - 1, SLEY_NEVER)) > 0) {
		kind[n - 1] = 0; /* one line */
		round_of_blocks();
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .name = "late" };
	require(argc == 4);
	workers = atol(argv[1]);
	block_ns = atol(argv[2]) * 1000000;
	tasks = atol(argv[3]);
	require(tasks <= TASKS_MOST && workers > 0 && workers <= WORKERS_MOST);
	for (long i = 0; i < tasks; i++)
		require(pipe(victims[i].ends) == 0);
	options.workers = (unsigned)workers;
	return sley_run(service, NULL, &options, NULL) ? 1 : 0;
}
