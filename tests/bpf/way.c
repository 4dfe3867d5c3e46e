/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/bpf/way.h"

#include <stdlib.h>
#include <sys/wait.h>

#include "assist/outside.h"
#include "base/atomic.h"
#include "tests/unit/gate.h"
#include "tests/unit/run.h"

static struct gate gate;

static void pipe_prepare(void)
{
	gates_open(&gate, 1);
}

static void pipe_block(void)
{
	gate_block(&gate);
}

static void pipe_let_go(void)
{
	gate_let_go(&gate);
}

static void pipe_clear(void)
{
	gates_close(&gate, 1);
}

const struct way way_pipe = { pipe_prepare, pipe_block, pipe_let_go, pipe_clear };

static const struct way *way;
static unsigned other_ran; /* atomic */

static void blocker(void *unused)
{
	sley_time deadline = SOON;
	do {
		way->block();
		REQUIRE(sley_now() < deadline);
	} while (!load(&other_ran, acquire));
}

static void other(void *unused)
{
	store(&other_ran, 1, release);
	if (way->let_go)
		way->let_go();
}

void way_round(const struct way *with)
{
	sley_task tasks[2];
	way = with;
	if (way->prepare)
		way->prepare();
	store(&other_ran, 0, relaxed);
	REQUIRE((tasks[0] = sley_spawn(blocker, NULL)) > 0 && (tasks[1] = sley_spawn(other, NULL)) > 0);
	REQUIRE(sley_join(tasks[0], SLEY_NEVER) == 0 && sley_join(tasks[1], SLEY_NEVER) == 0);
	if (way->clear)
		way->clear();
}

bool way_watched(void)
{
	sley_time deadline = SOON;
	while (outside_state() == OUTSIDE_OPENS) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	return outside_state() == OUTSIDE_WATCHES;
}

int way_run(int (*main)(void *), unsigned workers)
{
	struct sley_options options = { .size = sizeof(options), .workers = workers };
	int result = -1;
	REQUIRE(sley_run(main, NULL, &options, &result) == 0);
	return result;
}

void way_scenario(const char *name)
{
	static char text[4000];
	test_need_root();
	setenv("SLEY_ASSIST", "bpf", 1);
	setenv("LD_LIBRARY_PATH", test_build_path(""), 1);
	int status = scenario_run(name, text, sizeof(text));
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT)
		test_skip("the kernel does not load the program");
	assert_string_equal(text, "");
	assert_int_equal(status, 0);
}
