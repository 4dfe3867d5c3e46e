/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Many tasks that block their threads at random, with few spares: none is lost, and threads are no more than there may be. */
#include "stress.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "run/idle.h"
#include "tests/unit/assist/sources.h"

#define TASKS   10000
#define WORKERS 2
#define SPARES  64
#define MINUTE  SLEY_SEC(60)
/*
 * Threads besides workers and sentinels: the watchdogs of the runtime and of the test, the listener of an eBPF source, those
 * below, and the sanitizer's.
 */
#define OTHERS 6

static int question[2], answer[2]; /* pipes */
static char path[] = "/tmp/sley-blocks-XXXXXX";
static unsigned done, over; /* atomic */
static struct sley_group group;

static void sleep_for(long ns)
{
	struct timespec time = { .tv_nsec = ns };
	nanosleep(&time, NULL);
}

static void wait_for_answer(void)
{
	char byte = 0;
	REQUIRE(write(question[1], &byte, 1) == 1 && read(answer[0], &byte, 1) == 1);
}

static void wait_for_lock(uint32_t random)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0 && flock(fd, LOCK_EX) == 0);
	if (random % 4 == 0)
		sleep_for(random % 100000);
	REQUIRE(close(fd) == 0);
}

static void block(uint32_t random)
{
	source_enter();
	if (random % 3 == 0)
		sleep_for(random % 1000000);
	else if (random % 3 == 1)
		wait_for_answer();
	else
		wait_for_lock(random / 3);
	source_leave();
}

static void block_at_random(void *seed)
{
	uint32_t state = *(uint32_t *)seed;
	for (uint32_t n = 1 + stress_random(&state) % 2; n > 0; n--) {
		uint32_t random = stress_random(&state);
		block(random / 8);
		if (random % 8 == 0)
			sley_yield();
		else if (random % 8 == 1)
			REQUIRE(sley_sleep(sley_in(random % 1000)) == 0);
	}
	fetch_add(&done, 1, relaxed);
	stress_progress();
	REQUIRE(sley_group_done(&group) == 0);
}

static unsigned threads(void)
{
	unsigned n = 0;
	struct dirent *entry;
	DIR *directory = opendir("/proc/self/task");
	REQUIRE(directory != NULL);
	while ((entry = readdir(directory)))
		n += entry->d_name[0] != '.';
	closedir(directory);
	return n;
}

/* Looks how many threads there are. Then waits until all workers sleep, spares too. */
static void look(void)
{
	while (!load(&over, acquire)) {
		REQUIRE(load(&scheduler.started, relaxed) <= WORKERS + SPARES);
		REQUIRE(threads() <= WORKERS + SPARES + OTHERS + (unsigned)get_nprocs());
		sleep_for(1000000);
	}
	while (load(&scheduler.blocked, relaxed) > 0 || idle_awake() > 0)
		sched_yield();
}

/* Answers after a moment, in the order of the questions. */
static void answer_each(void)
{
	char byte;
	while (read(question[0], &byte, 1) == 1) {
		sleep_for(20000);
		REQUIRE(write(answer[1], &byte, 1) == 1);
	}
}

static void thread(unsigned number)
{
	if (number == 0)
		look();
	else
		answer_each();
}

static void one_round(uint32_t seed)
{
	const struct sley_task_options options = { .size = sizeof(options), .detached = 1 };
	uint32_t n = (uint32_t)test_scale(TASKS);
	store(&done, 0, relaxed);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t own = seed + i;
		REQUIRE(sley_group_add(&group, 1) == 0);
		stress_started(sley_spawn_with(&options, block_at_random, &own, sizeof(own)));
	}
	stress_wait(&group);
	REQUIRE(load(&done, relaxed) == n);
}

static void body(void)
{
	const char *deep = getenv("SLEY_CHECK_DEEP");
	sley_time end = sley_in(deep && *deep == '1' ? MINUTE : 0);
	store(&over, 0, relaxed);
	stress_threads_start(2, thread);
	uint32_t seed = 1;
	do {
		one_round(seed);
		seed += TASKS;
	} while (sley_now() < end);
	store(&over, 1, release);
	REQUIRE(close(question[1]) == 0);
	stress_threads_join();
}

/* One minute in make check-deep, else one round. */
SOURCE_TEST(blocks)
{
	int fd = mkstemp(path);
	assert_true(fd >= 0 && pipe2(question, O_CLOEXEC) == 0 && pipe2(answer, O_CLOEXEC) == 0);
	STRESS_RUN(body, .workers = WORKERS, .max_threads = SPARES);
	assert_true(stress_counted(SLEY_COUNTER_blocks) > 0);
	assert_true(close(question[0]) == 0 && close(answer[0]) == 0 && close(answer[1]) == 0);
	assert_true(close(fd) == 0 && unlink(path) == 0);
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
}
