/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A task that keeps its stack while others wait for it is reported, with who it is, what it does and how many wait. */
#include "watch/stuck.h"

#include "tests/unit/run.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"

#define THIS "tests/unit/watch/stuck.c"

static void nothing(void *arg)
{
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
	while (counter(SLEY_COUNTER_slot_blocks) == before) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	for (int i = 0; i < 10; i++) /* once for each time that it is kept */
		REQUIRE(sley_sleep(sley_in(SLEY_MS(5))) == 0);
	REQUIRE(counter(SLEY_COUNTER_slot_blocks) == before + 1);
	store(&go_on, 1, release);
	REQUIRE(write(ends[1], "x", 1) == 1);
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_join(waiters[i], SOON) == 0);
	REQUIRE(sley_join(holder, SOON) == 0);
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
	snprintf(expected, sizeof(expected),
		 " ms, in system call %ld, while 2 tasks that share it want to run: ", (long)SYS_read);
	assert_said(text, expected, 1);
	assert_said(text, "give it a private stack, or use a call that parks the task", 1);
}

/* A task that does not come back by itself. */
TEST(compute)
{
	char text[4096];
	run_captured(main_compute, text, sizeof(text));
	assert_said(text, " ms, computing, while 2 tasks that share it want to run: ", 1);
}
#endif

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
