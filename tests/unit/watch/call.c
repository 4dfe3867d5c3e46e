/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The calls of blocked tasks in the region. */
#include "tests/unit/run.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/worker.h"

__attribute__((constructor)) static void switch_on(void)
{
	setenv("SLEY_ASSIST", "tick", 1);
}

static int ends[2];
static char byte;
static unsigned turn, blocks_on; /* atomic; number of the worker, plus 1 */

static void block(void *unused)
{
	for (unsigned i = 1; i <= 2; i++) {
		await_at_least(&turn, i);
		store(&blocks_on, worker_self()->number + 1, release);
		REQUIRE(syscall(SYS_read, ends[0], &byte, 1) == 1);
	}
}

/* The second line of the worker in the region, once it has a call. */
static struct sley_region_block *named(void)
{
	struct sley_region_block *line;
	await_at_least(&blocks_on, 1);
	line = worker_get(load(&blocks_on, relaxed) - 1)->block;
	for (sley_time end = SOON; !load(&line->call, acquire) && sley_now() < end;)
		sley_yield();
	return line;
}

/*
 * A task that blocks in a read of a pipe: the region shows the call with its arguments. When it is over it shows none, and
 * the call is found again when the task blocks again.
 */
static int main_read(void *unused)
{
	sley_task task;
	REQUIRE(pipe(ends) == 0);
	store(&turn, 0, relaxed);
	REQUIRE((task = sley_spawn(block, NULL)) > 0);
	for (unsigned i = 1; i <= 2; i++) {
		store(&blocks_on, 0, relaxed);
		store(&turn, i, release);
		struct sley_region_block *line = named();
		REQUIRE(SLEY_NOTE_STATE(load(&line->note, relaxed)) == SLEY_BLOCK_BLOCKED);
		REQUIRE(load(&line->call, relaxed) == SYS_read + 1);
		REQUIRE(load(&line->args[0], relaxed) == (uint64_t)ends[0]);
		REQUIRE(load(&line->args[1], relaxed) == (uint64_t)(uintptr_t)&byte && load(&line->pc, relaxed) != 0);
		REQUIRE(write(ends[1], "x", 1) == 1);
		for (sley_time end = SOON; load(&line->call, relaxed) && sley_now() < end;)
			sley_yield();
		REQUIRE(load(&line->call, relaxed) == 0);
	}
	REQUIRE(sley_join(task, SOON) == 0);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

TEST(read_of_a_pipe)
{
	test_need_kernel("/proc/self/syscall is qemu's");
	run(main_read, 1);
	run(main_read, 2);
}

/* The same for one who may read nothing of the process from outside, as nobody: nothing more is needed. */
static int as_nobody(void)
{
	if (setgid(65534) != 0 || setuid(65534) != 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
		return CANNOT;
	run(main_read, 2);
	return 0;
}

static const struct scenario scenarios[] = { { "as_nobody", as_nobody }, { NULL, NULL } };

TEST(as_nobody)
{
	char text[4096];
	test_need_kernel("/proc/self/syscall is qemu's");
	int status = scenario_run("as_nobody", text, sizeof(text));
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT)
		test_skip("this process may not become another user");
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
