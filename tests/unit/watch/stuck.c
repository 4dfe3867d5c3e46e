/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A task that keeps its stack while others wait for it is reported, with who it is, what it does and how many wait; and so
 * is a task for which the end of the run waits.
 */
#include "watch/stuck.h"

#include "tests/unit/run.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "region/region.h"

#define THIS "tests/unit/watch/stuck.c"

static void nothing(void *arg)
{
}

static bool in_dump(const char *expected)
{
	char text[8192];
	int fd = memfd_create("dump", MFD_CLOEXEC);
	REQUIRE(fd >= 0 && sley_dump(fd) == 0);
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
	return strstr(text, expected) != NULL;
}

#ifndef SLEY_ASAN      /* there no two share a stack */
static unsigned go_on; /* atomic */
static int ends[2];

static void read_raw(void *arg)
{
	char byte;
	REQUIRE(read(ends[0], &byte, 1) == 1);
}

static void compute(void *arg)
{
	while (!load(&go_on, acquire))
		cpu_relax();
}

/* Two want the stack of the holder, until the watchdog has said so. */
static void keep_waiting(sley_task holder)
{
	uint64_t before = counter(SLEY_COUNTER_slot_blocks);
	sley_time deadline = SOON;
	sley_task waiters[2];
	char expected[100];
	await_state(holder, SLEY_TASK_RUNNING, SLEY_WAIT_NONE);
	for (int i = 0; i < 2; i++) {
		REQUIRE((waiters[i] = sley_spawn(nothing, NULL)) > 0);
		await_state(waiters[i], SLEY_TASK_SLOT, SLEY_WAIT_NONE);
	}
	snprintf(expected, sizeof(expected), "task %lld slot taken by task %lld, ", (long long)waiters[1],
		 (long long)holder);
	REQUIRE(in_dump(expected));
	for (int i = 0; i < 2; i++) /* tools find the holder by the end of its stack */
		REQUIRE(load(&record_of(waiters[i])->wait_object, relaxed) ==
			load(&region.workers[load(&record_of(holder)->worker, relaxed)].stack_top, relaxed));
	while (counter(SLEY_COUNTER_slot_blocks) == before) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	const struct sley_region_block *block = &region.blocks[load(&record_of(holder)->worker, relaxed)];
	uint32_t word = load(&block->slot_waiters, relaxed);
	const struct sley_region_task *shown = &region.tasks[SLEY_SLOT_WAITER(word) - 1];
	REQUIRE(SLEY_SLOT_WAITERS(word) == 2 && (shown == record_of(waiters[0]) || shown == record_of(waiters[1])));
	for (int i = 0; i < 10; i++) /* once for each time that it is kept */
		REQUIRE(sley_sleep(sley_in(SLEY_MS(5))) == 0);
	REQUIRE(counter(SLEY_COUNTER_slot_blocks) == before + 1);
	store(&go_on, 1, release);
	REQUIRE(write(ends[1], "x", 1) == 1);
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_join(waiters[i], SOON) == 0);
	REQUIRE(sley_join(holder, SOON) == 0);
	while (load(&block->slot_waiters, relaxed) > 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

static int main_read(void *arg)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "holder" };
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	for (int i = 0; i < 2; i++) {
		sley_task task = sley_spawn_with(&options, read_raw, NULL, SLEY_BY_POINTER); /* the reader's site */
		if (i == 0)
			fprintf(stderr, "holder is %lld\n", (long long)task);
		keep_waiting(task);
	}
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static int main_compute(void *arg)
{
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	go_on = 0;
	keep_waiting(sley_spawn(compute, NULL));
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void run_captured(int (*main)(void *), char *text, size_t size)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .stack_slots = 1 };
	store(&hold_long, SLEY_MS(30), relaxed);
	capture_begin();
	run_with(main, NULL, &options);
	capture_end(text, size);
}

/* A raw read of a pipe: the system call by its number; it is counted each time, and said once for the spawn site. */
TEST(read)
{
	char text[4096], expected[300];
	long long id = 0;

	test_need_kernel("/proc/self/syscall is qemu's");
	run_captured(main_read, text, sizeof(text));
	assert_int_equal(sscanf(text, "holder is %lld", &id), 1);
	snprintf(expected, sizeof(expected),
		 "sley: task %lld holder, spawned at %s:%u as read_raw, has kept its stack for ", id, __FILE__,
		 test_source_line(THIS, "/* the reader's "
					"site */"));
	assert_said(text, expected, 1);
	assert_said(text, " ms, in read(). 2 of the tasks that share the stack wait for that. ", 1);
	assert_said(text, "give it a private stack (option private_stack), or use sley_read() instead\n", 1);
	snprintf(expected, sizeof(expected), " as nothing, waits for the stack of task %lld\n", id);
	assert_said(text, expected, 2);
}

/* A task that does not come back by itself. */
TEST(compute)
{
	char text[4096];
	run_captured(main_compute, text, sizeof(text));
	assert_said(text, " ms, computing. 2 of the tasks that share the stack wait for that. ", 1);
	assert_said(text, ", or call sley_yield() now and then\n", 1);
}

static void write_byte(void *arg)
{
	REQUIRE(write(ends[1], "x", 1) == 1);
}

static int main_deadlock(void *arg)
{
	sley_task reader = sley_spawn(read_raw, NULL), writer;
	await_state(reader, SLEY_TASK_RUNNING, SLEY_WAIT_NONE);
	REQUIRE((writer = sley_spawn(write_byte, NULL)) > 0); /* the writer's site */
	fprintf(stderr, "reader is %lld, writer is %lld\n", (long long)reader, (long long)writer);
	REQUIRE(sley_join(reader, SLEY_NEVER) == 0 && sley_join(writer, SLEY_NEVER) == 0);
	return 0;
}

/* Another process, as a thread of this one might be what ends the deadlock: ends it when it has been told. */
static pid_t end_when_told(const char *told)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	char text[4096] = "";
	while (!strstr(text, told)) {
		ssize_t n = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
	}
	_exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
}

/*
 * A raw read of a pipe into which only a task would write that waits for the reader's stack: told with both, once nothing
 * else can run.
 */
TEST(deadlock)
{
	char text[4096], expected[300];
	long long reader = 0, writer = 0;
	int status;
	struct sley_options options = { .size = sizeof(options), .workers = 2, .stack_slots = 1 };
	test_need_kernel("qemu-user has a thread of its own in the process");
	store(&hold_long, SLEY_MS(30), relaxed);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	capture_begin();
	pid_t pid = end_when_told("no task can run until ");
	run_with(main_deadlock, NULL, &options);
	capture_end(text, sizeof(text));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(sscanf(text, "reader is %lld, writer is %lld", &reader, &writer), 2);
	snprintf(expected, sizeof(expected), "sley: no task can run until task %lld, ", reader);
	assert_said(text, expected, 1);
	assert_said(text, "in read(), gives back its stack. ", 1);
	snprintf(expected, sizeof(expected),
		 "sley: task %lld, spawned at %s:%u as write_byte, waits for the stack of task %lld\n", writer,
		 __FILE__,
		 test_source_line(THIS, "/* the writer's "
					"site */"),
		 reader);
	assert_said(text, expected, 2); /* once for the stack, once for the deadlock */
}

static void read_for_pinned(void *arg)
{
	const struct sley_task_options options = { .size = sizeof(options), .pinned = 1 };
	REQUIRE((*(sley_task *)arg = sley_spawn_with(&options, write_byte, NULL, SLEY_BY_POINTER)) > 0);
	read_raw(NULL);
}

static int main_deadlock_of_thread(void *arg)
{
	static sley_task writer;
	sley_task reader = sley_spawn(read_for_pinned, &writer);
	REQUIRE(sley_join(reader, SLEY_NEVER) == 0 && sley_join(writer, SLEY_NEVER) == 0);
	return 0;
}

/* The same with a writer that is pinned to the reader's thread. */
TEST(deadlock_of_thread)
{
	char text[4096];
	int status;
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	test_need_kernel("qemu-user has a thread of its own in the process");
	store(&hold_long, SLEY_MS(30), relaxed);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	capture_begin();
	pid_t pid = end_when_told("no task can run until ");
	run_with(main_deadlock_of_thread, NULL, &options);
	capture_end(text, sizeof(text));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
	assert_said(text, ", gives back its thread. ", 1);
	assert_said(text, " as write_byte, waits for the thread of task ", 2);
}

static int main_timer(void *arg)
{
	uint64_t before = counter(SLEY_COUNTER_slot_deadlocks), held = counter(SLEY_COUNTER_slot_blocks);
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	sley_task reader = sley_spawn(read_raw, NULL), waiter;
	await_state(reader, SLEY_TASK_RUNNING, SLEY_WAIT_NONE);
	REQUIRE((waiter = sley_spawn(nothing, NULL)) > 0);
	sley_time deadline = SOON;
	while (counter(SLEY_COUNTER_slot_blocks) == held) {
		REQUIRE(sley_now() < deadline);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(5))) == 0);
	}
	for (int i = 0; i < 10; i++)
		REQUIRE(sley_sleep(sley_in(SLEY_MS(5))) == 0);
	REQUIRE(write(ends[1], "x", 1) == 1);
	REQUIRE(sley_join(reader, SOON) == 0 && sley_join(waiter, SOON) == 0);
	REQUIRE(counter(SLEY_COUNTER_slot_deadlocks) == before);
	REQUIRE(close(ends[0]) == 0 && close(ends[1]) == 0);
	return 0;
}

/* While a timer is armed, something else can happen: no deadlock is told. */
TEST(timer)
{
	char text[4096];
	run_captured(main_timer, text, sizeof(text));
	assert_said(text, "no task can run", 0);
	assert_said(text, "has kept its stack for ", 1);
}
#endif

static sley_task pinned; /* atomic */
static int pinned_ends[2];

static void read_with_pinned(void *arg)
{
	const struct sley_task_options options = { .size = sizeof(options), .pinned = 1 };
	char byte;
	sley_task task = sley_spawn_with(&options, nothing, NULL, SLEY_BY_POINTER); /* the pinned one's site */
	store(&pinned, task, release);
	REQUIRE(read(pinned_ends[0], &byte, 1) == 1);
}

static int main_pinned(void *arg)
{
	uint64_t before = counter(SLEY_COUNTER_pinned_blocks);
	sley_time deadline = SOON;
	REQUIRE(pipe2(pinned_ends, O_CLOEXEC) == 0);
	sley_task task = sley_spawn(read_with_pinned, NULL);
	REQUIRE(task > 0);
	while (counter(SLEY_COUNTER_pinned_blocks) == before) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	const struct sley_region_block *block = &region.blocks[load(&record_of(task)->worker, relaxed)];
	sley_task waiter = load(&pinned, acquire);
	REQUIRE(waiter > 0 && load(&block->pinned, relaxed) == 1 && state_of(waiter) == SLEY_TASK_READY);
	REQUIRE(load(&record_of(waiter)->worker, relaxed) ==
		(load(&record_of(task)->worker, relaxed) | SLEY_TASK_PINNED));
	char expected[100];
	snprintf(expected, sizeof(expected), "task %lld ready pinned to the thread of task %lld, ", (long long)waiter,
		 (long long)task);
	REQUIRE(in_dump(expected));
	fprintf(stderr, "reader is %lld, pinned is %lld\n", (long long)task, (long long)waiter);
	REQUIRE(write(pinned_ends[1], "x", 1) == 1);
	REQUIRE(sley_join(task, SOON) == 0 && sley_join(waiter, SOON) == 0);
	REQUIRE(counter(SLEY_COUNTER_pinned_blocks) == before + 1);
	REQUIRE(close(pinned_ends[0]) == 0 && close(pinned_ends[1]) == 0);
	return 0;
}

/* A task that is pinned to the thread of a blocked one: counted, and told with both. */
TEST(pinned)
{
	char text[4096], expected[300];
	long long reader = 0, waiter = 0;
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	test_need_kernel("/proc/self/syscall is qemu's");
	store(&hold_long, SLEY_MS(30), relaxed);
	capture_begin();
	run_with(main_pinned, NULL, &options);
	capture_end(text, sizeof(text));
	const char *ids = strstr(text, "reader is ");
	assert_non_null(ids);
	assert_int_equal(sscanf(ids, "reader is %lld, pinned is %lld", &reader, &waiter), 2);
	snprintf(expected, sizeof(expected), "sley: task %lld, spawned at ", reader);
	assert_said(text, expected, 1);
	assert_said(text, " as read_with_pinned, has kept its thread for ", 1);
	assert_said(text, " ms, in read(). 1 of the tasks pinned to the thread waits for that. ", 1);
	snprintf(expected, sizeof(expected),
		 "sley: task %lld, spawned at %s:%u as nothing, waits for the thread of task %lld\n", waiter, __FILE__,
		 test_source_line(THIS, "/* the pinned one's "
					"site */"),
		 reader);
	assert_said(text, expected, 1);
}

static int main_alone(void *arg)
{
	uint64_t before = counter(SLEY_COUNTER_slot_blocks);
	usleep(200000); /* main's stack is nobody else's */
	REQUIRE(sley_join(sley_spawn(nothing, NULL), SOON) == 0);
	REQUIRE(counter(SLEY_COUNTER_slot_blocks) == before);
	return 0;
}

/* Who keeps a stack that nobody wants is left in peace. */
TEST(alone)
{
	char text[1000];
	store(&hold_long, SLEY_MS(30), relaxed);
	capture_begin();
	run(main_alone, 1);
	capture_end(text, sizeof(text));
	assert_string_equal(text, "");
}

/* ---- the end of a run ---- */

static struct {
	int ends[2];
	unsigned entered; /* atomic */
} gate;

static void block(void *unused)
{
	char byte;
	sley_block_enter();
	store(&gate.entered, 1, release);
	REQUIRE(read(gate.ends[0], &byte, 1) == 1);
	sley_block_leave();
}

/* Lets the task go when the report is there, and has been for a while. */
static void *let_go_when_told(void *unused)
{
	char text[1000];
	ssize_t n;
	do {
		sched_yield();
		n = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
	} while (!strchr(text, '\n'));
	usleep(50000); /* several looks: it is said once */
	REQUIRE(write(gate.ends[1], "x", 1) == 1);
	return NULL;
}

/* `pinned`: the task has this worker, and main ends on another one. */
static int main_ends(void *pinned)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "late", .pinned = pinned != NULL };
	REQUIRE(sley_spawn_with(&options, block, NULL, SLEY_BY_POINTER) > 0); /* the late one's site */
	await_at_least(&gate.entered, 1);
	return 0;
}

static void check_end(unsigned workers, void *pinned)
{
	struct sley_options options = { .size = sizeof(options), .workers = workers };
	char text[1000], expected[300];
	pthread_t thread;
	assert_int_equal(pipe2(gate.ends, O_CLOEXEC), 0);
	gate.entered = 0;
	capture_begin();
	assert_int_equal(pthread_create(&thread, NULL, let_go_when_told, NULL), 0);
	run_with(main_ends, pinned, &options);
	assert_int_equal(pthread_join(thread, NULL), 0);
	capture_end(text, sizeof(text));
	close(gate.ends[0]);
	close(gate.ends[1]);
	assert_said(text, "sley: the run is over, but sley_run() has waited ", 1);
	snprintf(expected, sizeof(expected), " late, spawned at %s:%u as block, which keeps its thread, in read(). ",
		 __FILE__,
		 test_source_line(THIS, "/* the late one's "
					"site */"));
	assert_said(text, expected, 1);
}

/* Main has returned and a task is in a call: it is named once, and sley_run() returns when the call does. */
TEST(end)
{
	test_need_kernel("/proc/self/syscall is qemu's");
	store(&end_long, SLEY_MS(30), relaxed);
	check_end(2, NULL);
}

/* The same where the task has the thread that has called sley_run(). */
TEST(end_of_first_worker)
{
	test_need_kernel("/proc/self/syscall is qemu's");
	store(&end_long, SLEY_MS(30), relaxed);
	check_end(1, &gate);
}
