/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What is refused because it lies on a copying stack, how that is said, and what looks similar but is legal. */
#include "tests/unit/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stack/slot.h"

static void nothing(void *arg)
{
}

/* ---- each call refuses ---- */

static void refused(void *arg)
{
	struct sley_mutex mutex = SLEY_MUTEX_INIT;
	struct sley_group group = SLEY_GROUP_INIT;
	struct sley_chan *chan = (void *)&group; /* nobody can make one here, but a pointer can be wrong */
	struct sley_task_options options = { .size = sizeof(options) };
	uint64_t faults = counter(SLEY_COUNTER_faults);
	int value = 0;
	REQUIRE(stack_is_copying(&value));
	REQUIRE(sley_spawn(nothing, &value) == -EFAULT);
	REQUIRE(sley_go(nothing, &value) == -EFAULT);
	REQUIRE(sley_spawn_with(&options, nothing, &value, SLEY_BY_POINTER) == -EFAULT);
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == -EFAULT);
	REQUIRE(sley_mutex_trylock(&mutex) == -EFAULT);
	REQUIRE(sley_mutex_unlock(&mutex) == -EFAULT);
	REQUIRE(sley_group_add(&group, 1) == -EFAULT);
	REQUIRE(sley_group_done(&group) == -EFAULT);
	REQUIRE(sley_group_wait(&group, SLEY_NEVER) == -EFAULT);
	REQUIRE(sley_chan_send(chan, &value, SLEY_NEVER) == -EFAULT);
	REQUIRE(sley_chan_recv(chan, &value, SLEY_NEVER) == -EFAULT);
	REQUIRE(sley_chan_try_send(chan, &value) == -EFAULT);
	REQUIRE(sley_chan_try_recv(chan, &value) == -EFAULT);
	REQUIRE(sley_chan_close(chan) == -EFAULT);
	REQUIRE(sley_chan_free(chan) == -EFAULT);
	REQUIRE(counter(SLEY_COUNTER_faults) - faults == 15);
	REQUIRE(mutex.word == 0 && group.count == 0); /* untouched */
}

static int main_refused(void *arg)
{
	for (int i = 0; i < 3; i++) {
		sley_task task = sley_spawn(refused, NULL);
		REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0);
	}
	return 0;
}

/* Every call that takes a shared object, and a spawn by pointer, answers -EFAULT and counts; one line in all for the site. */
TEST(refused)
{
	char text[4096];
	capture_begin();
	run(main_refused, 1);
	capture_end(text, sizeof(text));
	assert_int_equal(occurrences(text, "\n"), 1);
}

/* ---- the line ---- */

static sley_task reporter;

static void report(void *arg)
{
	struct sley_mutex mutex = SLEY_MUTEX_INIT;
	int value;
	reporter = sley_self();
	if (arg)
		REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == -EFAULT);
	else
		REQUIRE(sley_spawn(nothing, &value) == -EFAULT);
}

static unsigned line_of_first, line_of_second;
static sley_task first_id;

static int main_line(void *arg)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "offender" };
	for (int i = 0; i < 3; i++) {
		line_of_first = __LINE__ + 1;
		sley_task task = sley_spawn_with(&options, report, &line_of_first, SLEY_BY_POINTER);
		REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0);
		first_id = first_id ? first_id : reporter; /* only the first says anything */
	}
	for (int i = 0; i < 3; i++) {
		line_of_second = __LINE__ + 1;
		sley_task task = sley_spawn(report, NULL);
		REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0);
	}
	return 0;
}

/* Once for each spawn site, on one line: the call, the task by id and name, the site by file, line and entry, the remedy. */
TEST(line)
{
	char text[4096], expected[256];
	capture_begin();
	run(main_line, 2);
	run(main_line, 1); /* not again in a later run */
	capture_end(text, sizeof(text));
	assert_int_equal(occurrences(text, "\n"), 2);
	assert_int_equal(occurrences(text, "sley: "), 2);
	char *second = strchr(text, '\n') + 1;
	assert_non_null(strstr(text, "sley_mutex_lock"));
	snprintf(expected, sizeof(expected), "task %lld offender", (long long)first_id);
	assert_non_null(strstr(text, expected));
	snprintf(expected, sizeof(expected), "%s:%u as report", __FILE__, line_of_first);
	assert_non_null(strstr(text, expected));
	assert_true(strstr(text, expected) < second);
	assert_non_null(strstr(text, "private stack"));
	snprintf(expected, sizeof(expected), "%s:%u as report", __FILE__, line_of_second);
	assert_non_null(strstr(second, expected));
	assert_non_null(strstr(second, "sley_spawn_copy"));
}

/* ---- what is legal ---- */

static void add_one(void *arg)
{
	++*(int *)arg;
}

static void done(void *group)
{
	REQUIRE(sley_group_done(group) == 0);
}

/* Objects and arguments on this stack. */
static void share_own_stack(void *arg)
{
	struct sley_mutex mutex = SLEY_MUTEX_INIT;
	struct sley_group group = SLEY_GROUP_INIT;
	int value = 0;
	sley_task task = sley_spawn(add_one, &value);
	REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0 && value == 1);
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0 && sley_mutex_unlock(&mutex) == 0);
	REQUIRE(sley_group_add(&group, 1) == 0);
	REQUIRE(sley_go(done, &group) == 0);
	REQUIRE(sley_group_wait(&group, SOON) == 0);
}

/* Main's stack and other private ones may hold what is shared. */
TASK_TEST(private, 1, 2)
{
	struct sley_task_options private = { .size = sizeof(private), .private_stack = 1 };
	uint64_t faults = counter(SLEY_COUNTER_faults);
	share_own_stack(NULL); /* main's stack is private */
	sley_task task = sley_spawn_with(&private, share_own_stack, NULL, SLEY_BY_POINTER);
	REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(counter(SLEY_COUNTER_faults) == faults);
}

static struct sley_chan *large, *small;

static void send_back(void *arg)
{
	char item[100];
	uint64_t word;
	REQUIRE(sley_chan_recv(large, item, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_send(large, item, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_recv(small, &word, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_send(small, &word, SLEY_NEVER) == 0);
}

static void check_copy(void *arg)
{
	REQUIRE(((char *)arg)[0] == 'x' && ((char *)arg)[99] == 'y');
}

static void use_own_buffers(void *arg)
{
	char item[100] = { 'x' }, back[100] = { 0 };
	uint64_t word = 12345, word_back = 0;
	int fd[2];
	item[99] = 'y';
	sley_task task = sley_spawn_copy(check_copy, item, sizeof(item));
	REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_send(large, item, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_recv(large, back, SLEY_NEVER) == 0);
	REQUIRE(memcmp(item, back, sizeof(item)) == 0);
	REQUIRE(sley_chan_send(small, &word, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_recv(small, &word_back, SLEY_NEVER) == 0);
	REQUIRE(word_back == 12345);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
	REQUIRE(sley_write_full(fd[0], item, sizeof(item), SLEY_NEVER) == sizeof(item));
	memset(back, 0, sizeof(back));
	REQUIRE(sley_read_full(fd[1], back, sizeof(back), SLEY_NEVER) == sizeof(back));
	REQUIRE(memcmp(item, back, sizeof(item)) == 0);
	REQUIRE(sley_close(fd[0]) == 0 && sley_close(fd[1]) == 0);
}

static int main_buffers(void *arg)
{
	uint64_t faults = counter(SLEY_COUNTER_faults);
	sley_task tasks[2];
	REQUIRE(sley_chan_new(&large, 100, 0) == 0 && sley_chan_new(&small, 8, 0) == 0);
	tasks[0] = sley_spawn(send_back, NULL);
	tasks[1] = sley_spawn(use_own_buffers, NULL);
	REQUIRE(sley_join(tasks[0], SLEY_NEVER) == 0 && sley_join(tasks[1], SLEY_NEVER) == 0);
	REQUIRE(sley_chan_free(large) == 0 && sley_chan_free(small) == 0);
	REQUIRE(counter(SLEY_COUNTER_faults) == faults);
	return 0;
}

/* A task's own buffers are legal wherever its own calls take or give bytes, whichever tasks share its slot. */
TEST(own_buffers)
{
	struct sley_options one_slot = { .size = sizeof(one_slot), .workers = 1, .stack_slots = 1 };
	run(main_buffers, 2);
#ifndef SLEY_ASAN
	run_with(main_buffers, NULL, &one_slot);
#else
	(void)one_slot;
#endif
}

/* Null, statics and the heap are legal. */
TASK_TEST(elsewhere, 1)
{
	static struct sley_mutex mutex;
	int *value = malloc(sizeof(*value));
	*value = 0;
	sley_task task = sley_spawn(add_one, value);
	REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0 && *value == 1);
	REQUIRE((task = sley_spawn(nothing, NULL)) > 0 && sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0 && sley_mutex_unlock(&mutex) == 0);
	free(value);
}
