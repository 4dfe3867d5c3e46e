/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service for memcheck (tests/check/memcheck_test.sh): one that gives nothing to report although its tasks share
 * stacks, are copied out and in, go from worker to worker, and end or are cancelled at whatever depth; or one with a
 * mistake in a task.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sley.h>

#define TASKS 60
#define TURNS 30

static struct sley_chan *turns; /* of chars */
static volatile int sink;
static unsigned migrations; /* atomic: turns on another thread than the one before */

static void must(int error)
{
	if (error < 0) {
		fprintf(stderr, "a call answered %d\n", error);
		abort();
	}
}

/* ---- nothing to report ---- */

/* Frames of many sizes, whole after each wait; a task that stands deep is copied over one that stood high. */
__attribute__((noinline)) static int deep(unsigned depth, unsigned turn)
{
	char bytes[200];
	char *heap = malloc(40);
	int error;
	memset(bytes, (int)(depth + turn), sizeof(bytes));
	memset(heap, (int)turn, 40);
	if (depth > 0) {
		error = deep(depth - 1, turn);
	} else if (turn % 3 == 0) {
		error = sley_chan_send(turns, bytes, SLEY_NEVER);
	} else if (turn % 3 == 1) {
		char other;
		error = sley_chan_recv(turns, &other, SLEY_NEVER);
	} else {
		error = sley_sleep(sley_in(SLEY_US(100)));
	}
	for (unsigned i = 0; i < sizeof(bytes); i++)
		if (bytes[i] != (char)(depth + turn))
			abort();
	if (heap[39] != (char)turn)
		abort();
	free(heap);
	return error;
}

static void many_turns(void *arg)
{
	unsigned number = *(unsigned *)arg;
	pid_t thread = gettid();
	for (unsigned turn = 0; turn < TURNS * 3; turn++) {
		int error = deep((number + turn) % 20, turn);
		if (error == -ECANCELED)
			return;
		must(error);
		sley_yield();
		if (gettid() != thread)
			__atomic_fetch_add(&migrations, 1, __ATOMIC_RELAXED);
		thread = gettid();
	}
}

static void for_ever(void *arg)
{
	while (deep(*(unsigned *)arg % 20, 2) != -ECANCELED)
		continue;
}

static sley_task start(void (*fn)(void *), unsigned number)
{
	struct sley_task_options options = { .size = sizeof(options), .private_stack = number % 8 == 7 };
	sley_task id = sley_spawn_with(&options, fn, &number, sizeof(number));
	must(id < 0 ? (int)id : 0);
	return id;
}

static int clean(void *arg)
{
	sley_task ids[TASKS], ends[TASKS / 4], once;
	must(sley_chan_new(&turns, 1, 4));
	for (unsigned i = 0; i < TASKS; i++)
		ids[i] = start(many_turns, i);
	for (unsigned i = 0; i < TASKS / 4; i++)
		ends[i] = start(for_ever, i);
	for (unsigned i = 0; i < TASKS; i++) {
		must(sley_join(ids[i], SLEY_NEVER));
		once = start(many_turns, 0);
		must(sley_cancel(once));
		must(sley_join(once, SLEY_NEVER));
	}
	for (unsigned i = 0; i < TASKS / 4; i++) {
		must(sley_cancel(ends[i]));
		must(sley_join(ends[i], SLEY_NEVER));
	}
	return sley_chan_free(turns);
}

/* On four stacks; on so many that each task has one; and with stacks that cannot be accessed while their task waits. */
static int clean_runs(void)
{
	static const unsigned runs[][2] = { { 4, 0 }, { 0, 0 }, { 0, SLEY_RUN_STRICT_STACKS } };
	int result = 0, error = 0;
	for (unsigned i = 0; i < 3 && error == 0 && result == 0; i++) {
		struct sley_options options = {
			.size = sizeof(options), .workers = 2, .stack_slots = runs[i][0], .flags = runs[i][1]
		};
		error = sley_run(clean, NULL, &options, &result);
	}
	printf("%u migrations\n", migrations);
	return error || result;
}

/* ---- mistakes, on a stack that others have used, after it was copied out and in ---- */

static void neighbour(void *arg)
{
	for (int i = 0; i < 4; i++)
		must(deep(15, 2));
}

static void uninitialised(void *arg)
{
	int values[16];
	volatile int *bytes = values;
	bytes[0] = 1;
	must(sley_sleep(sley_in(SLEY_MS(1))));
	if (bytes[7] == 42) /* the uninitialised value */
		sink = 1;
}

static void freed(void *arg)
{
	static int *volatile block; /* volatile: the compiler, too, would find out */
	block = calloc(4, sizeof(*block));
	must(sley_sleep(sley_in(SLEY_MS(1))));
	free(block);
	sink = block[2]; /* the freed block */
}

static int plant(void *arg)
{
	void (*mistake)(void *) = arg;
	sley_task ids[9];
	/* all on one stack */
	for (unsigned i = 0; i < 9; i++)
		ids[i] = i == 4 ? sley_spawn(mistake, NULL) : sley_spawn(neighbour, NULL);
	for (unsigned i = 0; i < 9; i++) {
		must((int)(ids[i] < 0 ? ids[i] : 0));
		must(sley_join(ids[i], SLEY_NEVER));
	}
	return 0;
}

static int planted_run(void (*mistake)(void *))
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .stack_slots = 1 };
	int result = 0, error = sley_run(plant, (void *)mistake, &options, &result);
	return error || result;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (strcmp(what, "clean") == 0)
		return clean_runs();
	if (strcmp(what, "uninitialised") == 0)
		return planted_run(uninitialised);
	if (strcmp(what, "freed") == 0)
		return planted_run(freed);
	return 2;
}
