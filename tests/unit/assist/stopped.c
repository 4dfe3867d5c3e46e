/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Threads that something outside stops. Another process does it here, as no thread can stop its own process and go on. */
#include "tests/unit/run.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "assist/tick.h"
#include "base/atomic.h"
#include "run/worker.h"

__attribute__((constructor)) static void switch_on(void)
{
	setenv("SLEY_ASSIST", "tick", 1);
}

/* ---- the other process ---- */

static int to[2], from[2]; /* pipes to it, and from it */
static pid_t outside;

static void begin_outside(void (*function)(void))
{
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	outside = fork();
	if (outside == 0) {
		close(to[1]);
		function();
		_exit(0);
	}
	close(to[0]);
	prctl(PR_SET_PTRACER, outside, 0, 0, 0); /* where only children may be traced */
}

static void end_outside(void)
{
	close(to[1]);
	waitpid(outside, NULL, 0);
	close(from[0]);
	close(from[1]);
}

/* Stops each thread whose number comes, says whether it did, and lets it go at the next message. */
static void trace(void)
{
	pid_t tid;
	int status;
	char done;
	while (read(to[0], &tid, sizeof(tid)) == sizeof(tid)) {
		done = ptrace(PTRACE_SEIZE, tid, NULL, NULL) == 0 && ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0 &&
		       waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status);
		if (write(from[1], &done, 1) != 1 || read(to[0], &tid, sizeof(tid)) != sizeof(tid))
			return;
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
		if (write(from[1], &done, 1) != 1)
			return;
	}
}

/* Stops the process that began it, and lets it go on, again and again. */
static void stop_and_continue(void)
{
	pid_t parent = getppid();
	char path[40], line[256], command;
	snprintf(path, sizeof(path), "/proc/%d/stat", parent);
	while (read(to[0], &command, 1) == 1) {
		char state = '?';
		kill(parent, SIGSTOP);
		for (int i = 0; i < 100000 && state != 'T'; i++) {
			FILE *file = fopen(path, "r");
			char *end = file && fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
			state = end ? end[2] : '?';
			if (file)
				fclose(file);
		}
		kill(parent, SIGCONT);
		if (write(from[1], &state, 1) != 1)
			return;
	}
}

/* Tells the other process, and returns its answer. */
static char tell(pid_t number, size_t size)
{
	char answer = 0;
	REQUIRE(write(to[1], &number, size) == (ssize_t)size && read(from[0], &answer, 1) == 1);
	return answer;
}

/* ---- the run ---- */

static unsigned over, computes_on; /* atomic; number of the worker, plus 1 */
static int ends[2];

static void compute(void *unused)
{
	store(&computes_on, worker_self()->number + 1, release);
	while (!load(&over, acquire))
		cpu_relax();
}

static void block(void *unused)
{
	char byte;
	REQUIRE(read(ends[0], &byte, 1) == 1);
}

static void begin_computing(sley_task *task, struct worker **worker)
{
	store(&over, 0, relaxed);
	store(&computes_on, 0, relaxed);
	store(&tick_hog, SLEY_SEC(1000), relaxed); /* it is no hog */
	REQUIRE((*task = sley_spawn(compute, NULL)) > 0);
	await_at_least(&computes_on, 1);
	*worker = worker_get(load(&computes_on, relaxed) - 1);
}

static void end_computing(sley_task task)
{
	store(&over, 1, release);
	REQUIRE(sley_join(task, SOON) == 0);
	store(&tick_hog, 10 * 1000 * 1000, relaxed);
}

/* Whether sley_dump() says so of that worker, and says it of no other. */
static bool dump_says_stopped(const struct worker *worker)
{
	char text[4096], who[40], *line, *rest = text;
	int fd = memfd_create("dump", MFD_CLOEXEC);
	REQUIRE(fd >= 0 && sley_dump(fd) == 0);
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	REQUIRE(n > 0 && close(fd) == 0);
	text[n] = '\0';
	snprintf(who, sizeof(who), "worker %u ", worker->number);
	unsigned said = 0, others = 0;
	while ((line = strsep(&rest, "\n"))) {
		bool stops = strstr(line, ", stopped by a signal or a debugger") != NULL;
		said += stops && strncmp(line, who, strlen(who)) == 0;
		others += stops && strncmp(line, who, strlen(who)) != 0;
	}
	return said == 1 && others == 0;
}

static bool cannot;

/*
 * A debugger holds a worker's thread in the midst of its task, while two other tasks block one after the other and are
 * found. The worker that is held is not noted, and the region and sley_dump() show that it is stopped.
 */
static int main_traced(void *unused)
{
	struct worker *worker;
	sley_task computes, blocks;
	REQUIRE(pipe(ends) == 0);
	begin_computing(&computes, &worker);
	cannot = !tell((pid_t)worker->line->tid, sizeof(pid_t));
	for (int i = 0; i < 3 && !cannot; i++) {
		uint64_t before = counter(SLEY_COUNTER_blocks);
		REQUIRE((blocks = sley_spawn(block, NULL)) > 0);
		for (sley_time end = SOON; counter(SLEY_COUNTER_blocks) == before && sley_now() < end;)
			sley_yield();
		REQUIRE(counter(SLEY_COUNTER_blocks) > before);
		REQUIRE(load(&worker->block->note, relaxed) == 0);
		REQUIRE(write(ends[1], "x", 1) == 1 && sley_join(blocks, SOON) == 0);
	}
	REQUIRE(cannot || (load(&worker->block->stopped, relaxed) == 1 && dump_says_stopped(worker)));
	tell((pid_t)worker->line->tid, sizeof(pid_t));
	for (sley_time end = SOON; load(&worker->block->stopped, relaxed) && sley_now() < end;)
		sley_yield();
	REQUIRE(load(&worker->block->stopped, relaxed) == 0);
	end_computing(computes);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

TEST(traced)
{
	struct sley_options options = { .size = sizeof(options), .workers = 3 };
	begin_outside(trace);
	run_with(main_traced, NULL, &options);
	end_outside();
	if (cannot)
		test_skip("this process may not be traced");
}

/*
 * The whole process is stopped and goes on, with a worker in the midst of its task: the worker is not noted, though no
 * time passed for its thread.
 */
static int main_stopped(void *unused)
{
	struct worker *worker;
	sley_task task;
	begin_computing(&task, &worker);
	for (int i = 0; i < 30; i++) {
		REQUIRE(tell(0, 1) == 'T');
		REQUIRE(load(&worker->block->note, relaxed) == 0);
	}
	end_computing(task);
	return 0;
}

TEST(stopped)
{
	begin_outside(stop_and_continue);
	run(main_stopped, 2);
	end_outside();
}
