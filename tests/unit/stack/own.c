/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Runs in which no two tasks share a stack: what they point to is there while they are parked. */
#include "tests/unit/run.h"

#include <stdlib.h>

#include "base/atomic.h"
#include "stack/slot.h"

#define TASKS 200

static unsigned *words[TASKS]; /* each on the stack of a task that waits */
static unsigned waiting;       /* atomic */
static struct sley_event event;

static void waits(void *number)
{
	unsigned i = *(unsigned *)number, word = i;
	words[i] = &word;
	fetch_add(&waiting, 1, release);
	REQUIRE(sley_event_wait(&event, SOON) == 0);
	REQUIRE(load(&word, relaxed) == i + TASKS); /* what another task has written there */
}

static int main_own(void *own)
{
	sley_task tasks[TASKS];
	waiting = 0;
	event = (struct sley_event)SLEY_EVENT_INIT;
	for (unsigned i = 0; i < TASKS; i++)
		REQUIRE((tasks[i] = sley_spawn_copy(waits, &i, sizeof(i))) > 0);
	await_at_least(&waiting, TASKS);
	for (unsigned i = 0; i < TASKS; i++) {
		await_state(tasks[i], SLEY_TASK_WAITING, SLEY_WAIT_EVENT);
		REQUIRE(load(words[i], relaxed) == i);
		store(words[i], i + TASKS, relaxed);
	}
	REQUIRE(sley_event_set(&event) == 0);
	for (unsigned i = 0; i < TASKS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	return 0;
}

/* By the option: with fewer stacks than tasks, and with more. */
TEST(option)
{
	struct sley_options options = { .size = sizeof(options), .flags = SLEY_RUN_OWN_STACKS };
	for (options.workers = 1; options.workers <= 4; options.workers *= 2) {
		options.stack_slots = 8;
		run_with(main_own, NULL, &options);
		options.stack_slots = 2 * TASKS;
		run_with(main_own, NULL, &options);
	}
}

/* By the environment, which also takes the option back. */
TEST(environment)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .stack_slots = 8 };
	setenv("SLEY_POSIX", "private", 1);
	run_with(main_own, NULL, &options);
	char text[256];
	setenv("SLEY_POSIX", "others", 1);
	capture_begin();
	int error = sley_run(main_own, NULL, &options, NULL);
	capture_end(text, sizeof(text));
	unsetenv("SLEY_POSIX");
	assert_int_equal(error, -EINVAL);
	assert_said(text, "SLEY_POSIX=others is unknown: remove it, or give private or off", 1);
}
