/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service whose tasks block threads that have just become workers, and that measures itself when. Usage:
 * spares.planted KIND TASKS
 *
 *   spares   one worker; each of TASKS tasks blocks, and keeps its thread. So each needs a new one
 *   thread   the tasks block in a second run, on a new thread
 *   again    the tasks block in a second run, on the same thread; "between" is written before it
 *   vfork    the same as spares; and a child of vfork(), in the memory of a task's thread, sleeps as long
 *
 * It writes "ready", waits for a line (after "between" once more), blocks, writes a line for each block of its tasks and
 * "done", and waits for the end of its input.
 */
#include <sley.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_NS   100000000
#define TASKS_MOST 64

static const char *kind;
static long tasks, blocked;
static int gate[2]; /* keeps threads */

static struct {
	sley_task task;
	pid_t tid;
	sley_time start, end;
} truth[TASKS_MOST];

static void require(int ok)
{
	if (!ok)
		abort();
}

static bool is(const char *name)
{
	return strcmp(kind, name) == 0;
}

/* In a task it does not block the thread. Outside of runs it does. */
static void wait_for_line(void)
{
	char text[16];
	if (sley_read(STDIN_FILENO, text, sizeof(text), SLEY_NEVER) < 0)
		require(read(STDIN_FILENO, text, sizeof(text)) >= 0);
}

/* ---- blocks ---- */

static void pause_once(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	nanosleep(&pause, NULL); /* PLANTED nanosleep */
}

static __attribute__((noinline)) void block(long i)
{
	truth[i].task = sley_self();
	truth[i].tid = gettid();
	truth[i].start = sley_now();
	pause_once();
	truth[i].end = sley_now();
	__atomic_add_fetch(&blocked, 1, __ATOMIC_RELEASE);
}

static void planted(void *i)
{
	char byte;
	sley_block_enter();
	block((long)i);
	if (is("spares") || is("vfork"))
		require(read(gate[0], &byte, 1) == 0);
	sley_block_leave();
}

static void planted_vfork(void *unused)
{
	pid_t child = vfork();
	int status;
	(void)unused;
	if (child == 0) {
		pause_once();
		_exit(0);
	}
	require(waitpid(child, &status, 0) == child && status == 0);
}

/* ---- runs ---- */

static void write_truth(void)
{
	for (long i = 0; i < tasks; i++)
		dprintf(STDOUT_FILENO, "block %ld %d %ld %ld %lu\n", (long)truth[i].task, (int)truth[i].tid,
			(long)truth[i].start, (long)truth[i].end, (unsigned long)block);
	dprintf(STDOUT_FILENO, "done\n");
}

static int run_tasks(void *unused)
{
	const struct sley_task_options own = { .size = sizeof(own), .private_stack = 1, .detached = 1 };
	(void)unused;
	for (long i = 0; i < tasks; i++)
		require(sley_spawn_with(&own, planted, (void *)i, SLEY_BY_POINTER) > 0);
	if (is("vfork"))
		require(sley_join(sley_spawn(planted_vfork, NULL), SLEY_NEVER) == 0);
	while (__atomic_load_n(&blocked, __ATOMIC_ACQUIRE) < tasks)
		sley_sleep(sley_in(SLEY_MS(1)));
	write_truth();
	wait_for_line();
	close(gate[1]);
	return 0;
}

/* The worker of a run is the calling thread. */
static void run(int (*fn)(void *))
{
	struct sley_options options = { .size = sizeof(options), .workers = 1, .max_threads = TASKS_MOST };
	int result;
	require(sley_run(fn, NULL, &options, &result) == 0 && result == 0);
}

static int first(void *unused)
{
	(void)unused;
	dprintf(STDOUT_FILENO, "ready\n");
	wait_for_line();
	return is("spares") || is("vfork") ? run_tasks(NULL) : 0;
}

static void *run_there(void *unused)
{
	(void)unused;
	run(run_tasks);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	require(argc == 3);
	kind = argv[1];
	tasks = atol(argv[2]);
	require(tasks <= TASKS_MOST && !pipe(gate));
	run(first);
	if (is("thread")) {
		require(!pthread_create(&thread, NULL, run_there, NULL));
		pthread_join(thread, NULL);
	} else if (is("again")) {
		dprintf(STDOUT_FILENO, "between\n");
		wait_for_line();
		run(run_tasks);
	}
	return 0;
}
