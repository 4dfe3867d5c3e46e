/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service whose tasks park in places that a debugger must find. Usage: gdb.planted TASKS SLOTS.
 *
 * Task i is called "t<i>" and has called 1 + i % 7 functions: the k-th is turn_left() if bit k of i is set, else
 * turn_right(). The last one parks in one of four ways, by i % 4. Two have stacks of their own. When all are parked, main
 * spawns one that never runs as there is but one worker, and blocks that in a call of its own. It writes "ready" before,
 * and runs until its input ends. The name of the one that never runs is to steer the terminal, and to make a line of its own.
 */
#include <sley.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

struct step {
	unsigned number, k;
};

static struct sley_chan *chan;
static struct sley_mutex mutex = SLEY_MUTEX_INIT;
static struct sley_group group = SLEY_GROUP_INIT;
static volatile unsigned after; /* keeps calls from being the last thing that a function does */

static NOINLINE void park_in_sleep(unsigned number)
{
	sley_sleep(SLEY_NEVER);
	after = number;
}

static NOINLINE void park_in_chan(unsigned number)
{
	char item[100];
	sley_chan_recv(chan, item, SLEY_NEVER);
	after = number + (unsigned)item[number % sizeof(item)];
}

static NOINLINE void park_in_mutex(unsigned number)
{
	sley_mutex_lock(&mutex, SLEY_NEVER);
	after = number;
}

static NOINLINE void park_in_group(unsigned number)
{
	sley_group_wait(&group, SLEY_NEVER);
	after = number;
}

static void go_on(struct step step);

/* A large frame, and one without a frame pointer where the compiler can do that. */
static NOINLINE void turn_left(struct step step)
{
	volatile char frame[600];
	frame[step.number % sizeof(frame)] = 1;
	go_on(step);
	after = (unsigned)frame[step.number % sizeof(frame)];
}

#ifndef __clang__
__attribute__((optimize("omit-frame-pointer")))
#endif
static NOINLINE void
turn_right(struct step step)
{
	go_on(step);
	after = step.k;
}

static inline __attribute__((always_inline)) void park(unsigned number)
{
	static void (*const ways[])(unsigned) = { park_in_sleep, park_in_chan, park_in_mutex, park_in_group };
	ways[number % 4](number);
}

static inline __attribute__((always_inline)) void turn(struct step step)
{
	if (step.number >> step.k & 1)
		turn_left(step);
	else
		turn_right(step);
}

static NOINLINE void go_on(struct step step)
{
	step.k++;
	if (step.k > step.number % 7)
		park(step.number);
	else
		turn(step);
	after = step.k;
}

static void wander(void *arg)
{
	struct step step = { .number = (unsigned)(uintptr_t)arg };
	char name[16];
	snprintf(name, sizeof(name), "t%u", step.number);
	sley_set_name(name);
	turn(step);
	after = step.number;
}

static void never(void *arg)
{
	after = arg != NULL;
}

/* Where main is when the debugger looks: in a call that blocks its thread. */
static NOINLINE int block(void)
{
	char byte;
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return (int)after;
}

static int run(void *arg)
{
	const struct sley_task_options private = { .size = sizeof(private), .private_stack = 1, .detached = 1 };
	const struct sley_task_options late = { .size = sizeof(late), .name = "\33[1mlate\nt7", .detached = 1 };
	uintptr_t tasks = *(uintptr_t *)arg;
	if (sley_chan_new(&chan, 100, 0) != 0 || sley_mutex_lock(&mutex, SLEY_NEVER) != 0 ||
	    sley_group_add(&group, 1) != 0)
		return 1;
	for (uintptr_t i = 0; i < tasks; i++)
		if (sley_spawn_with(i < 2 ? &private : NULL, wander, (void *)i, SLEY_BY_POINTER) < 0)
			return 1;
	for (int i = 0; i < 1000; i++) /* every one runs until it parks; one yield lets many of them run */
		sley_yield();
	if (sley_spawn_with(&late, never, NULL, SLEY_BY_POINTER) < 0)
		return 1;
	_exit(block() != 0);
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .name = "gdb", .workers = 1, .max_tasks = 4096 };
	uintptr_t tasks = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	int error, result = 1;
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* the debugger is no ancestor */
	options.stack_slots = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 4;
	error = sley_run(run, &tasks, &options, &result);
	if (error)
		fprintf(stderr, "gdb.planted: %s\n", strerror(-error));
	return error ? 1 : result;
}
