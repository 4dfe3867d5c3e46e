/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Blocks that delay nobody: nothing is queued, and another worker waits in the reactor. */
#include "tests/unit/assist/sources.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/idle.h"
#include "run/worker.h"
#include "tests/unit/gate.h"

#define LOOK_MS 50 /* several ticks */

static struct gate gate;

/* Lets the task go when each source has had the time to look. */
static void *let_go(void *unused)
{
	while (!load(&gate.entered, acquire))
		sched_yield();
	usleep(LOOK_MS * 1000);
	gate_let_go(&gate);
	return unused;
}

/* All workers but this one sleep, and one of them in the reactor. */
static void await_quiet(void)
{
	sley_time deadline = SOON;
	while (idle_awake() > 1 || !idle_has_poller()) {
		REQUIRE(sley_now() < deadline);
		sched_yield();
	}
	await_asleep(load(&scheduler.started, relaxed) - 1);
}

/* Proves that nobody is woken for such a block. */
SOURCE_TASK_TEST(nobody_is_woken, 2)
{
	pthread_t thread;
	for (int round = 0; round < 6; round++) {
		gates_open(&gate, 1);
		REQUIRE(pthread_create(&thread, NULL, let_go, NULL) == 0);
		await_quiet();
		uint64_t wakes = counter(SLEY_COUNTER_wakes);
		source_block(&gate);
		wakes = counter(SLEY_COUNTER_wakes) - wakes;
		REQUIRE(wakes == 0);
		REQUIRE(pthread_join(thread, NULL) == 0);
		gates_close(&gate, 1);
	}
}
