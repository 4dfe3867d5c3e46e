/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of child processes and signals. */
#include "tests/stress/matrix_rows_process.h"

#include <signal.h>
#include <unistd.h>

#include "tests/stress/matrix_pair.h"
#include "tests/stress/matrix_pool.h"
#include "tests/stress/stress.h"

/* ---- the end of a child, which ends with its input ---- */

static struct sley_process child;

static void child_open(void)
{
	static const struct sley_process_options options = { .size = sizeof(options), .in = SLEY_STDIO_PIPE };
	REQUIRE(sley_process_spawn(&child, (const char *const[]){ "cat", NULL }, &options, SLEY_NEVER) == 0);
}

/* Until it has ended, which it does at once; whoever waits for it may reap it before. */
static void child_ready(void)
{
	siginfo_t info;
	REQUIRE(sley_close(child.in) == 0);
	child.in = -1;
	while (waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
		continue;
}

static void child_end(void)
{
	if (child.in >= 0)
		child_ready();
	REQUIRE(sley_process_wait(&child, NULL, SLEY_NEVER) == 0 && sley_process_close(&child) == 0);
}

static void child_reset(void)
{
	child_end();
	child_open();
}

/* Its descriptor; the child itself goes on. */
static void child_close(void)
{
	REQUIRE(sley_close(child.pidfd) == 0);
}

static void child_reopen(void)
{
	child.pidfd = -1;
	REQUIRE(sley_process_close(&child) == 0 && waitpid(child.pid, NULL, 0) == child.pid);
	child_open();
}

static int child_call(sley_time deadline)
{
	int status = -1, error = sley_process_wait(&child, &status, deadline);
	REQUIRE(status == (error ? -1 : 0));
	return error;
}

/* ---- the start of a child, by the pool ---- */

static int spawn_call(sley_time deadline)
{
	struct sley_process process;
	int error = sley_process_spawn(&process, (const char *const[]){ "true", NULL }, NULL, deadline);
	REQUIRE(error == 0 || process.pidfd == -1);
	if (error == 0) {
		int mask = sley_cancel_mask(1); /* it may have been cancelled too late to matter */
		REQUIRE(sley_process_wait(&process, NULL, SLEY_NEVER) == 0 && sley_process_close(&process) == 0);
		sley_cancel_mask(mask);
	}
	return error;
}

/* ---- signals ---- */

static void signal_open(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ends[0] = sley_signal_open(&set);
	REQUIRE(ends[0] >= 0);
}

static void signal_end(void)
{
	REQUIRE(sley_close(ends[0]) == 0);
}

static void signal_ready(void)
{
	REQUIRE(kill(getpid(), SIGUSR1) == 0);
}

static int signal_call(sley_time deadline)
{
	return sley_signal_next(ends[0], NULL, deadline);
}

const struct matrix_row matrix_rows_process[] = {
	{ "process_wait", SLEY_WAIT_PROCESS, child_open, child_end, child_call, child_ready, child_reset, child_close,
	  child_reopen, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "process_spawn", SLEY_WAIT_OFFLOAD, pool_keep, pool_let_go, spawn_call, pool_let_go, pool_keep,
	  .in_thread = -EDEADLK, .always_waits = true },
	{ "signal_next", SLEY_WAIT_READ, signal_open, signal_end, signal_call, signal_ready, NULL, signal_end,
	  signal_open, .done = SIGUSR1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ NULL },
};
