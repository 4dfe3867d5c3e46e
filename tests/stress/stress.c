/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "stress.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "run/idle.h"
#include "run/worker.h"
#include "tests/stress/replaced.h"

#define PATIENCE   60 /* seconds without progress */
#define DUMP_SHOWN ((size_t)32 << 10)

/* ---- the watchdog ---- */

static struct {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t ended;
	bool end;          /* protected by mutex */
	uint64_t progress; /* atomic */
} watchdog = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void stress_progress(void)
{
	replaced_progress(fetch_add(&watchdog.progress, 1, relaxed)); /* only ever compared with its own past */
}

bool stress_provoked(bool what)
{
	return what || replaced_shortly();
}

/* A hundred thousand tasks are too many to read: the first ones tell. */
static void dump(void)
{
	static char text[DUMP_SHOWN];
	int fd = memfd_create("dump", MFD_CLOEXEC);
	if (fd < 0 || sley_dump(fd) != 0)
		return;
	ssize_t n = pread(fd, text, sizeof(text), 0);
	fprintf(stderr, "no progress for %d s; %u workers idle; tasks:\n%.*s", PATIENCE, idle_count(), (int)n, text);
}

/* False: the run has ended; true: a second has passed. */
static bool second_passed(void)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	pthread_mutex_lock(&watchdog.mutex);
	while (!watchdog.end && pthread_cond_timedwait(&watchdog.ended, &watchdog.mutex, &until) == 0)
		;
	bool end = watchdog.end;
	pthread_mutex_unlock(&watchdog.mutex);
	return !end;
}

static void *watch(void *unused)
{
	uint64_t seen = load(&watchdog.progress, relaxed);
	int still = 0;
	while (second_passed()) {
		uint64_t now = load(&watchdog.progress, relaxed);
		still = now == seen ? still + 1 : 0;
		seen = now;
		if (still >= PATIENCE) {
			dump();
			abort();
		}
	}
	return unused;
}

static void watchdog_start(void)
{
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&watchdog.ended, &monotonic);
	pthread_condattr_destroy(&monotonic);
	watchdog.end = false;
	REQUIRE(pthread_create(&watchdog.thread, NULL, watch, NULL) == 0);
}

static void watchdog_stop(void)
{
	pthread_mutex_lock(&watchdog.mutex);
	watchdog.end = true;
	pthread_cond_signal(&watchdog.ended);
	pthread_mutex_unlock(&watchdog.mutex);
	pthread_join(watchdog.thread, NULL);
	pthread_cond_destroy(&watchdog.ended);
}

/* ---- the region, as a reader has it ---- */

/* Opens the memfd through /proc, for reading; -1: this process had no run yet. */
static int region_descriptor(void)
{
	static const char wanted[] = "/memfd:" SLEY_REGION_NAME " ";
	char path[300], link[64];
	int fd = -1;
	struct dirent *entry;
	DIR *directory = opendir("/proc/self/fd");
	assert_non_null(directory);
	while (fd < 0 && (entry = readdir(directory))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		if (n >= (ssize_t)sizeof(wanted) - 1 && memcmp(link, wanted, sizeof(wanted) - 1) == 0)
			fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	closedir(directory);
	return fd;
}

uint64_t stress_counter(enum sley_counter counter)
{
	struct sley_region_header header;
	uint64_t sum = 0, value;
	int fd = region_descriptor();
	if (fd < 0)
		return 0;
	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	assert_true(header.magic == SLEY_REGION_MAGIC);
	assert_int_equal(header.version, SLEY_REGION_VERSION);
	assert_true((uint32_t)counter < header.counter_count);
	assert_true(header.worker_count < header.counters.capacity);
	for (uint32_t row = 0; row <= header.worker_count; row++) {
		off_t place = (off_t)(header.counters.offset + (uint64_t)row * header.counters.stride +
				      counter * sizeof(value));
		assert_int_equal(pread(fd, &value, sizeof(value), place), sizeof(value));
		sum += value;
	}
	close(fd);
	return sum;
}

struct sley_region_task *stress_record(sley_task task)
{
	return &region.tasks[((uint64_t)task & SLEY_TASK_INDEX_MASK) - 1];
}

/* ---- runs ---- */

static void (*body_to_run)(void);
static uint64_t before[SLEY_COUNTER_COUNT]; /* the counters when the run began */

uint64_t stress_counted(enum sley_counter counter)
{
	return stress_counter(counter) - before[counter];
}

static int run_body(void *unused)
{
	(void)unused;
	replaced_begin();
	body_to_run();
	replaced_end();
	return 42;
}

void stress_run(void (*body)(void), const struct sley_options *options)
{
	int result = 0;
	replaced_open();
	body_to_run = body;
	for (unsigned i = 0; i < SLEY_COUNTER_COUNT; i++)
		before[i] = stress_counter((enum sley_counter)i);
	watchdog_start();
	assert_int_equal(sley_run(run_body, NULL, options, &result), 0);
	watchdog_stop();
	assert_int_equal(result, 42);
}

sley_task stress_started(sley_task task)
{
	REQUIRE(task > 0);
	return task;
}

void stress_join(sley_task task)
{
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
}

void stress_wait(struct sley_group *group)
{
	REQUIRE(sley_group_wait(group, SLEY_NEVER) == 0);
}

/* ---- plain threads ---- */

#define THREADS_MOST 16

static struct {
	pthread_t thread[THREADS_MOST];
	unsigned count;
	void (*fn)(unsigned);
	struct sley_group running;
} threads;

static void *thread_main(void *arg)
{
	threads.fn((unsigned)(uintptr_t)arg);
	REQUIRE(sley_group_done(&threads.running) == 0);
	return NULL;
}

void stress_threads_start(unsigned n, void (*fn)(unsigned))
{
	REQUIRE(n <= THREADS_MOST);
	threads.fn = fn;
	threads.count = n;
	REQUIRE(sley_group_add(&threads.running, n) == 0);
	for (unsigned i = 0; i < n; i++)
		REQUIRE(pthread_create(&threads.thread[i], NULL, thread_main, (void *)(uintptr_t)i) == 0);
}

void stress_threads_join(void)
{
	stress_wait(&threads.running); /* what is left of them after this does not depend on this worker */
	for (unsigned i = 0; i < threads.count; i++)
		REQUIRE(pthread_join(threads.thread[i], NULL) == 0);
}

void stress_until_idle(void)
{
	while (idle_count() < scheduler.target)
		sched_yield();
}
