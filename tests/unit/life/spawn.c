/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The life of a task as its calls show it: spawn in all its forms, join, yield, sleep, errno, and what each refuses. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/block.h"
#include "stack/slot.h"

static void nothing(void *arg)
{
}

static void set_flag(void *flag)
{
	store((unsigned *)flag, 1, release);
}

/* ---- spawn ---- */

/* The argument of spawn and go reaches the task as it is. */
TASK_TEST(argument, 2)
{
	static unsigned flag;
	flag = 0;
	sley_task task = sley_spawn(set_flag, &flag);
	REQUIRE(task > 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(load(&flag, acquire) == 1);
	flag = 0;
	REQUIRE(sley_go(set_flag, &flag) == 0);
	while (!load(&flag, acquire))
		sley_yield();
}

struct block {
	long double first; /* the type with the largest alignment */
	char rest[200];
};

static void check_block(void *arg)
{
	struct block *block = arg;
	volatile char here;
	REQUIRE((uintptr_t)block % _Alignof(max_align_t) == 0);
	REQUIRE(block->first == 1.5L);
	for (size_t i = 0; i < sizeof(block->rest); i++)
		REQUIRE(block->rest[i] == (char)i);
	REQUIRE((uintptr_t)block > (uintptr_t)&here - stack_size && (uintptr_t)block < (uintptr_t)&here + stack_size);
	for (int i = 0; i < 5; i++) {
		sley_yield();
		REQUIRE(block->first == 1.5L && block->rest[199] == (char)199);
	}
}

static void check_empty(void *arg)
{
	REQUIRE(arg != NULL);
}

static void spawner_of_copies(void *arg)
{
	struct block block = { .first = 1.5L };
	sley_task tasks[50];
	for (size_t i = 0; i < sizeof(block.rest); i++)
		block.rest[i] = (char)i;
	for (int i = 0; i < 50; i++) {
		tasks[i] = sley_spawn_copy(check_block, &block, sizeof(block));
		REQUIRE(tasks[i] > 0);
	}
	memset(&block, 0xff, sizeof(block)); /* theirs is a copy */
	for (int i = 0; i < 50; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(sley_join(sley_spawn_copy(check_empty, &block, 0), SLEY_NEVER) == 0);
}

static int main_copy(void *arg)
{
	REQUIRE(sley_join(sley_spawn(spawner_of_copies, NULL), SLEY_NEVER) == 0);
	return 0;
}

/*
 * spawn_copy takes its bytes from the spawner's own copying stack, before it returns, and puts them aligned onto the
 * task's own stack, where they stay over waits. A block of no bytes has an address all the same.
 */
TEST(copy)
{
	struct sley_options few = { .size = sizeof(few), .workers = 2, .stack_slots = 8 };
	run(main_copy, 2);
	run_with(main_copy, NULL, &few);
}

static struct sley_group copies;

static void check_and_count(void *arg)
{
	check_block(arg);
	REQUIRE(sley_group_done(&copies) == 0);
}

static void goer_of_copies(void *arg)
{
	struct block block = { .first = 1.5L };
	for (size_t i = 0; i < sizeof(block.rest); i++)
		block.rest[i] = (char)i;
	for (int i = 0; i < 50; i++)
		REQUIRE(sley_go_copy(check_and_count, &block, sizeof(block)) == 0);
	memset(&block, 0xff, sizeof(block)); /* theirs is a copy */
	REQUIRE(sley_group_wait(&copies, SOON) == 0);
}

/* go_copy does the same with tasks that nobody joins: their ids end with them. */
TASK_TEST(go_copy, 1, 2)
{
	unsigned before = live_tasks();
	REQUIRE(sley_group_add(&copies, 50) == 0);
	REQUIRE(sley_join(sley_spawn(goer_of_copies, NULL), SOON) == 0);
	while (live_tasks() > before)
		sley_yield();
}

/* A block of a quarter of the stack is taken, one byte more is -E2BIG. */
TASK_TEST(copy_limit, 1)
{
	static char block[256 << 10];
	REQUIRE(sley_go_copy(nothing, block, stack_size / 4 + 1) == -E2BIG);
	REQUIRE(sley_spawn_copy(nothing, block, stack_size / 4 + 1) == -E2BIG);
	sley_task task = sley_spawn_copy(nothing, block, stack_size / 4);
	REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0);
}

/* The name is cut at 16 bytes; a size of options that no release had is -EINVAL. */
TASK_TEST(options, 1)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "sixteen letters!and more" };
	sley_task task = sley_spawn_with(&options, nothing, NULL, SLEY_BY_POINTER);
	REQUIRE(task > 0);
	REQUIRE(memcmp(record_of(task)->name, "sixteen letters!", 16) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	options.size--;
	REQUIRE(sley_spawn_with(&options, nothing, NULL, SLEY_BY_POINTER) == -EINVAL);
	options.size += 8;
	REQUIRE(sley_spawn_with(&options, nothing, NULL, SLEY_BY_POINTER) == -EINVAL);
	options.size = 0;
	REQUIRE(sley_spawn_with(&options, nothing, NULL, SLEY_BY_POINTER) == -EINVAL);
}

/* No memory for the block: -ENOMEM, nothing is leaked, and the service goes on. */
TASK_TEST(copy_no_memory, 1)
{
	char bytes[100] = { 0 };
	store(&block_test_fail, 1, relaxed);
	REQUIRE(sley_spawn_copy(nothing, bytes, sizeof(bytes)) == -ENOMEM);
	unsigned alive = live_tasks();
	for (int i = 0; i < 1000; i++)
		REQUIRE(sley_spawn_copy(nothing, bytes, sizeof(bytes)) == -ENOMEM);
	REQUIRE(live_tasks() == alive);
	store(&block_test_fail, 0, relaxed);
	sley_task task = sley_spawn_copy(nothing, bytes, sizeof(bytes));
	REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0);
}

#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN)
static unsigned begun;

static void count_begun(void *arg)
{
	fetch_add(&begun, 1, relaxed);
}

static struct rlimit limit_data(rlim_t bytes)
{
	struct rlimit old, low;
	REQUIRE(getrlimit(RLIMIT_DATA, &old) == 0);
	low = old;
	low.rlim_cur = bytes;
	REQUIRE(setrlimit(RLIMIT_DATA, &low) == 0);
	return old;
}

static int main_no_memory(void *arg)
{
	struct sley_task_options private = { .size = sizeof(private), .private_stack = 1, .detached = 1 };
	unsigned spawned = 0;
	int64_t error;
	begun = 0;
	struct rlimit old = limit_data(4096); /* 0 would be ignored: mm/mmap.c, for Valgrind */
	while ((error = sley_go(count_begun, NULL)) == 0 && spawned < 1000000)
		spawned++;
	REQUIRE(error == -ENOMEM && spawned > 0);
	unsigned before = live_tasks();
	int private_error = (int)sley_spawn_with(&private, nothing, NULL, SLEY_BY_POINTER);
	/* those that could be spawned run without any more memory, and their entries serve the next ones */
	while (load(&begun, relaxed) < spawned)
		sley_yield();
	REQUIRE(sley_go(count_begun, NULL) == 0);
	for (int i = 0; i < 100 && private_error > 0; i++) /* some stacks are kept for reuse */
		private_error = (int)sley_spawn_with(&private, nothing, NULL, SLEY_BY_POINTER);
	REQUIRE(setrlimit(RLIMIT_DATA, &old) == 0);
	REQUIRE(private_error == -ENOMEM);
	REQUIRE(before == spawned + 1);
	REQUIRE(sley_spawn_with(&private, nothing, NULL, SLEY_BY_POINTER) > 0);
	return 0;
}

/* No memory for a task or a private stack: -ENOMEM from the call, and the service goes on. */
TEST(no_memory)
{
	test_need_kernel("qemu-user does not keep RLIMIT_DATA");
	run(main_no_memory, 1);
}
#endif

static int main_max_tasks(void *arg)
{
	static struct sley_chan *gate;
	sley_task tasks[9];
	REQUIRE(sley_chan_new(&gate, 0, 0) == 0);
	for (int i = 0; i < 9; i++) /* the tenth is this one */
		REQUIRE((tasks[i] = sley_spawn(nothing, NULL)) > 0);
	REQUIRE(sley_spawn(nothing, NULL) == -EAGAIN);
	REQUIRE(sley_go(nothing, NULL) == -EAGAIN);
	sley_yield();
	REQUIRE(sley_spawn(nothing, NULL) == -EAGAIN); /* they have ended but may still be joined */
	REQUIRE(sley_join(tasks[4], SLEY_NEVER) == 0);
	REQUIRE((tasks[4] = sley_spawn(nothing, NULL)) > 0);
	REQUIRE(sley_spawn(nothing, NULL) == -EAGAIN);
	for (int i = 0; i < 9; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(sley_chan_free(gate) == 0);
	return 0;
}

/* With max_tasks alive, spawn answers -EAGAIN; a join makes room for one. */
TEST(max_tasks)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1, .max_tasks = 10 };
	run_with(main_max_tasks, NULL, &options);
}

/* ---- join ---- */

static void join_self(void *arg)
{
	REQUIRE(sley_join(sley_self(), SLEY_NEVER) == -EDEADLK);
}

/* What join refuses: no id, itself, joined already, stale, detached. */
TASK_TEST(join_errors, 1)
{
	struct sley_task_options detached = { .size = sizeof(detached), .detached = 1 };
	REQUIRE(sley_join(0, SLEY_NEVER) == -ESRCH);
	REQUIRE(sley_join(-1, SLEY_NEVER) == -ESRCH);
	REQUIRE(sley_join(INT64_MIN, SLEY_NEVER) == -ESRCH);
	REQUIRE(sley_join(INT64_MAX, SLEY_NEVER) == -ESRCH);
	REQUIRE(sley_join((int64_t)1 << SLEY_TASK_INDEX_BITS, SLEY_NEVER) == -ESRCH); /* no index */
	sley_task task = sley_spawn(join_self, NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == -ESRCH); /* double */
	sley_task next = sley_spawn(nothing, NULL);
	REQUIRE(((next ^ task) & SLEY_TASK_INDEX_MASK) == 0 && next != task); /* the same entry, another generation */
	REQUIRE(sley_join(task, SLEY_NEVER) == -ESRCH);                       /* stale */
	REQUIRE(sley_join(next, SLEY_NEVER) == 0);
	task = sley_spawn_with(&detached, nothing, NULL, SLEY_BY_POINTER);
	REQUIRE(sley_join(task, SLEY_NEVER) == -EINVAL);
	sley_yield();
	REQUIRE(sley_join(task, SLEY_NEVER) == -ESRCH); /* its id ended with it */
}

struct joining {
	sley_task target;
	struct sley_chan *gate;
	int result[2];
};

static void wait_at_gate(void *gate)
{
	REQUIRE(sley_chan_recv(gate, NULL, SLEY_NEVER) == -EPIPE);
}

static void join_first(void *arg)
{
	struct joining *j = arg;
	j->result[0] = sley_join(j->target, SLEY_NEVER);
}

static void join_second(void *arg)
{
	struct joining *j = arg;
	j->result[1] = sley_join(j->target, SLEY_NEVER);
}

/* A second join at the same time is -EINVAL; one that timed out may be repeated. */
TASK_TEST(two_joins, 1, 2)
{
	static struct joining j;
	REQUIRE(sley_chan_new(&j.gate, 0, 0) == 0);
	j.target = sley_spawn(wait_at_gate, j.gate);
	sley_task first = sley_spawn(join_first, &j);
	await_state(first, SLEY_TASK_WAITING, SLEY_WAIT_JOIN);
	REQUIRE(sley_join(j.target, SLEY_NEVER) == -EINVAL); /* another is joining it */
	REQUIRE(sley_join(first, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_join(first, 0) == -ETIMEDOUT); /* may be joined again */
	REQUIRE(sley_chan_close(j.gate) == 0);
	REQUIRE(sley_join(first, SLEY_NEVER) == 0);
	REQUIRE(j.result[0] == 0);
	REQUIRE(sley_chan_free(j.gate) == 0);
}

static void end_at_once(void *arg)
{
}

/*
 * A task whose joiner has been woken but has not run yet cannot be joined by another.
 *
 * With one worker the order is certain:
 *
 *   first          target       second
 *   join: parks
 *                  ends: claims first, which goes behind second in the queue
 *                               join: the target has ended, but it is first's
 *   returns 0
 */
TASK_TEST(late_join, 1)
{
	static struct joining j;
	sley_task first = sley_spawn(join_first, &j);
	j.target = sley_spawn(end_at_once, NULL);
	sley_task second = sley_spawn(join_second, &j);
	REQUIRE(sley_join(first, SLEY_NEVER) == 0);
	REQUIRE(sley_join(second, SLEY_NEVER) == 0);
	REQUIRE(j.result[0] == 0);
	REQUIRE(j.result[1] == -EINVAL || j.result[1] == -ESRCH);
	/* the entry was freed once: two new tasks are two */
	sley_task a = sley_spawn(nothing, NULL), b = sley_spawn(nothing, NULL), c = sley_spawn(nothing, NULL);
	REQUIRE(a != b && b != c && a != c);
	REQUIRE(sley_join(a, SLEY_NEVER) == 0 && sley_join(b, SLEY_NEVER) == 0 && sley_join(c, SLEY_NEVER) == 0);
}

static unsigned joined;

static void join_race(void *arg)
{
	int error = sley_join(*(sley_task *)arg, SLEY_NEVER);
	REQUIRE(error == 0 || error == -EINVAL || error == -ESRCH);
	if (error == 0)
		fetch_add(&joined, 1, relaxed);
}

/* Of many joins at once exactly one gets the task, whatever their order with its end. */
TASK_TEST(join_race, 2, 4)
{
	long rounds = test_scale(5000);
	for (long i = 0; i < rounds; i++) {
		sley_task *target = malloc(sizeof(*target)), joiners[4];
		store(&joined, 0, relaxed);
		*target = sley_spawn(end_at_once, NULL);
		for (int k = 0; k < 4; k++)
			joiners[k] = sley_spawn(join_race, target);
		for (int k = 0; k < 4; k++)
			REQUIRE(sley_join(joiners[k], SLEY_NEVER) == 0);
		/* all may have come while it was being joined by one that ... but one has it in the end */
		REQUIRE(load(&joined, relaxed) == 1);
		free(target);
	}
	REQUIRE(live_tasks() == 1);
}

/* ---- yield, sleep, self, errno ---- */

static unsigned turns[3];

static void take_turns(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	for (unsigned i = 0; i < 1000; i++) {
		store(&turns[me], i, relaxed);
		sley_yield();
		for (unsigned k = 0; k < 3; k++) /* each runs once per round, in some order */
			REQUIRE(turns[k] + 1 >= i);
	}
	store(&turns[me], UINT32_MAX - 1, relaxed);
}

/* Yield lets the other ready tasks run first: with one worker nobody gets two turns ahead. */
TASK_TEST(yield, 1)
{
	sley_task tasks[3];
	memset(turns, 0, sizeof(turns));
	for (uintptr_t i = 0; i < 3; i++)
		tasks[i] = sley_spawn(take_turns, (void *)i);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
}

/* A sleep never ends early; one whose time has passed returns; times saturate. */
TASK_TEST(sleep, 1, 2)
{
	for (int i = 0; i < 20; i++) {
		sley_time until = sley_in(SLEY_US(50 * i));
		REQUIRE(sley_sleep(until) == 0);
		REQUIRE(sley_now() >= until);
	}
	REQUIRE(sley_sleep(0) == 0);
	REQUIRE(sley_sleep(INT64_MIN) == 0);
	REQUIRE(sley_in(SLEY_NEVER) == SLEY_NEVER && sley_in(SLEY_NEVER - 1) == SLEY_NEVER);
}

static void check_self(void *arg)
{
	REQUIRE(sley_self() == *(sley_task *)arg);
	sley_yield();
	REQUIRE(sley_self() == *(sley_task *)arg);
	sley_set_name("renamed");
	REQUIRE(strcmp(record_of(sley_self())->name, "renamed") == 0);
	sley_set_name(NULL);
	REQUIRE(record_of(sley_self())->name[0] == '\0');
}

static int main_self(void *arg)
{
	static sley_task task;
	task = sley_spawn(check_self, &task);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_self() > 0 && sley_self() != task);
	return 0;
}

/* sley_self() is the id that spawn returned, 0 outside; a task can name itself. */
TEST(self)
{
	assert_int_equal(sley_self(), 0);
	sley_set_name("nobody"); /* no effect */
	run(main_self, 1);
	assert_int_equal(sley_self(), 0);
}

static void keep_errno(void *arg)
{
	int mine = (int)(uintptr_t)arg;
	REQUIRE(errno == 0); /* a new task's */
	for (int i = 0; i < 200; i++) {
		errno = mine;
		if (i % 3 == 0)
			sley_sleep(sley_in(SLEY_US(10)));
		else
			sley_yield();
		REQUIRE(errno == mine);
		close(-1); /* and the thread's is left different for the next task */
		REQUIRE(errno == EBADF);
	}
	errno = mine;
}

static void keep_errno_round(void)
{
	enum { TASKS = 64 };
	sley_task tasks[TASKS];
	for (uintptr_t i = 0; i < TASKS; i++)
		tasks[i] = sley_spawn(keep_errno, (void *)(i + 1));
	for (int i = 0; i < TASKS; i++) {
		errno = 1000 + i;
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
		REQUIRE(errno == 1000 + i);
	}
}

/* Each task has an errno of its own, kept over waits and over the change of threads (which the counter shows). */
TASK_TEST(errno, 2, 4)
{
	uint64_t before = counter(SLEY_COUNTER_migrations);
	sley_time deadline = SOON;
	do { /* a busy machine may leave everybody where they were */
		REQUIRE(sley_now() < deadline);
		keep_errno_round();
	} while (counter(SLEY_COUNTER_migrations) < before + 100);
}

/* ---- outside of tasks ---- */

/* Outside of a run: no run to spawn into, and nothing to wait in. */
TEST_FIRST(outside)
{
	assert_int_equal(sley_spawn(nothing, NULL), -ENOTCONN);
	assert_int_equal(sley_go(nothing, NULL), -ENOTCONN);
	assert_int_equal(sley_spawn_copy(nothing, NULL, 0), -ENOTCONN);
	assert_int_equal(sley_go_copy(nothing, NULL, 0), -ENOTCONN);
	assert_int_equal(sley_join(1, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_sleep(0), -EDEADLK);
	sley_yield(); /* no effect */
}

static struct {
	unsigned flag, copied;
	int results[4];
} plain;

static void take_copy(void *arg)
{
	store(&plain.copied, *(unsigned *)arg, release);
}

static void *plain_thread(void *unused)
{
	char bytes[64 << 10] = { 0 };
	unsigned value = 77;
	plain.results[0] = sley_join(1, SLEY_NEVER);
	plain.results[1] = sley_sleep(0);
	plain.results[2] = (int)sley_spawn_copy(nothing, bytes, sizeof(bytes) + 1);
	plain.results[3] = sley_self() != 0;
	sley_yield();
	REQUIRE(sley_go(set_flag, &plain.flag) == 0);
	REQUIRE(sley_spawn_copy(take_copy, &value, sizeof(value)) > 0);
	return NULL;
}

/* During a run a plain thread may spawn, and gets -EDEADLK from what waits. */
TASK_TEST(plain_thread, 1, 2)
{
	pthread_t thread;
	plain.flag = plain.copied = 0;
	REQUIRE(pthread_create(&thread, NULL, plain_thread, NULL) == 0);
	sley_time deadline = SOON;
	while (!load(&plain.flag, acquire) || load(&plain.copied, acquire) != 77) {
		REQUIRE(sley_now() < deadline);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0); /* so that the spawns find the worker asleep, too */
	}
	pthread_join(thread, NULL);
	REQUIRE(plain.results[0] == -EDEADLK && plain.results[1] == -EDEADLK);
	REQUIRE(plain.results[2] == -E2BIG && plain.results[3] == 0);
}

static void ends(void *unused)
{
}

static int main_forgotten(void *unused)
{
	static char text[1024];
	sley_task task;
	capture_begin();
	for (int run = 0; run < 2; run++) {
		sley_time deadline = SOON;
		while ((task = sley_spawn(ends, NULL)) > 0) {
			REQUIRE(sley_now() < deadline);
			sley_yield();
		}
		REQUIRE(task == -EAGAIN);
	}
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "no task can be spawned: of 200 tasks (option max_tasks), ") == 1 &&
		occurrences(text, " as ends. Join them") == 1);
	return 0;
}

/* Nobody joins them, until there is room for no other: it is said where they come from, once. */
TEST(forgotten)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1, .max_tasks = 200 };
	run_with(main_forgotten, NULL, &options);
}
