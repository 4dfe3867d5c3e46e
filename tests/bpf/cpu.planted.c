/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service whose tasks compute, and measure themselves how long each had a CPU. Usage: cpu.planted
 *
 * It writes "ready". For a line of input it runs three tasks, from three spawn sites, at once on two workers. Each computes in
 * pieces of a millisecond and yields. Another task blocks its thread most of the time. When all are over it writes a line
 * for each of them, and it ends with its input. Tasks that are over stay until then.
 */
#include <sley.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PIECE   1000000
#define PAUSE   2000000
#define BLOCKED 500 /* times */

struct job {
	int64_t wanted, used; /* CPU time */
	sley_task task;
};

/* In the order of the answer. */
static struct job much = { .wanted = 1800000000 }, some = { .wanted = 900000000 }, little = { .wanted = 300000000 },
		  blocked = { 0 };

static void require(bool ok)
{
	if (!ok)
		abort();
}

static int64_t cpu_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void compute(struct job *job)
{
	while (job->used < job->wanted) {
		int64_t start = cpu_now(), now = start;
		while (now - start < PIECE)
			now = cpu_now();
		job->used += now - start;
		sley_yield();
	}
}

static void run_much(void *job)
{
	compute(job);
}

static void run_some(void *job)
{
	compute(job);
}

static void run_little(void *job)
{
	compute(job);
}

static void run_blocked(void *argument)
{
	const struct timespec pause = { .tv_nsec = PAUSE };
	struct job *job = argument;
	for (int i = 0; i < BLOCKED; i++) {
		int64_t start = cpu_now();
		nanosleep(&pause, NULL);
		job->used += cpu_now() - start;
		sley_yield();
	}
}

static void answer(const char *entry, struct job *job)
{
	dprintf(STDOUT_FILENO, "%s %lu %ld\n", entry, (unsigned long)job->task, (long)job->used);
}

static void wait_for_input(void)
{
	char text[16];
	sley_read(STDIN_FILENO, text, sizeof(text), SLEY_NEVER);
}

static int service(void *unused)
{
	(void)unused;
	dprintf(STDOUT_FILENO, "ready\n");
	wait_for_input();
	require((much.task = sley_spawn(run_much, &much)) > 0);
	require((some.task = sley_spawn(run_some, &some)) > 0);
	require((little.task = sley_spawn(run_little, &little)) > 0);
	require((blocked.task = sley_spawn(run_blocked, &blocked)) > 0);
	require(sley_join(much.task, SLEY_NEVER) == 0 && sley_join(some.task, SLEY_NEVER) == 0 &&
		sley_join(little.task, SLEY_NEVER) == 0 && sley_join(blocked.task, SLEY_NEVER) == 0);
	answer("run_much", &much);
	answer("run_some", &some);
	answer("run_little", &little);
	answer("run_blocked", &blocked);
	wait_for_input();
	return 0;
}

int main(void)
{
	struct sley_options options = { .size = sizeof(options), .name = "cpu", .workers = 2 };
	return sley_run(service, NULL, &options, NULL) ? 1 : 0;
}
