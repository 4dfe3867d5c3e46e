/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A helper's words on the control page, true and false ones. A thread of the test plays the helper; no program is loaded. */
#include "tests/unit/run.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "assist/outside.h"
#include "assist/tick.h"
#include "base/atomic.h"
#include "base/clock.h"
#include "base/futex.h"
#include "run/worker.h"

/* The tick is switched off by the tests themselves: a helper is listened to unless the source is `off`. */
__attribute__((constructor)) static void switch_on(void)
{
	setenv("SLEY_ASSIST", "tick", 1);
}

static uint64_t *words(void)
{
	return (void *)((char *)region.control + SLEY_CONTROL_WORDS);
}

static void lease(int64_t ns)
{
	store(&region.control->helper_ns, clock_now() + ns, relaxed);
}

static void ring(void)
{
	fetch_add(&region.control->bell, 1, release);
	futex_wake_shared(&region.control->bell, 1);
}

static void await_outside(enum outside_state state)
{
	sley_time deadline = SOON;
	while (outside_state() != state) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

/* Renews a lease of so long until a listener has seen it: on a busy machine it may be over before the watchdog looks. */
static void be_helped(int64_t ns)
{
	sley_time deadline = SOON;
	while (outside_state() != OUTSIDE_HELPED) {
		REQUIRE(sley_now() < deadline);
		lease(ns);
		sley_yield();
	}
}

/* From here on only the helper tells. */
static void begin(void)
{
	be_helped(SLEY_HELPER_LEASE_NS);
	tick_open(false);
}

static void end(void)
{
	store(&region.control->helper_ns, 0, relaxed);
	ring();
	await_outside(OUTSIDE_NONE);
	memset(words(), 0, sizeof(uint64_t) * SLEY_REGION_WORKERS);
}

/* ---- the helper ---- */

static unsigned suspects, stop; /* atomic */

/* Says of each worker that is in a task that it is blocked there, again and again. */
static void *suspect_all(void *unused)
{
	while (!load(&suspects, acquire))
		sched_yield();
	while (!load(&stop, acquire)) {
		for (unsigned i = 0; i < load(&scheduler.made, acquire); i++)
			store(&words()[i], load(&worker_get(i)->tick, relaxed), relaxed);
		lease(SLEY_HELPER_LEASE_NS);
		ring();
		sched_yield();
	}
	return NULL;
}

static pthread_t helper;

/* It says nothing until `suspects` is set. */
static void start_helper(void)
{
	store(&suspects, 0, relaxed);
	store(&stop, 0, relaxed);
	REQUIRE(pthread_create(&helper, NULL, suspect_all, NULL) == 0);
}

static void stop_helper(void)
{
	store(&stop, 1, release);
	pthread_join(helper, NULL);
}

/* ---- true words ---- */

static int ends[2];

static void block(void *unused)
{
	char byte;
	REQUIRE(read(ends[0], &byte, 1) == 1);
}

static void let_go(void *unused)
{
	REQUIRE(write(ends[1], "x", 1) == 1);
}

/* All workers are blocked until a task runs that is queued behind them: the helper's word is enough. */
TASK_TEST(told_by_a_helper, 1, 2)
{
	sley_task tasks[3];
	unsigned n = scheduler.target;
	begin();
	start_helper();
	store(&suspects, 1, release);
	for (int round = 0; round < 10; round++) {
		REQUIRE(pipe(ends) == 0);
		for (unsigned i = 0; i < n; i++)
			REQUIRE((tasks[i] = sley_spawn(block, NULL)) > 0);
		for (unsigned i = 0; i < n; i++)
			REQUIRE(sley_go(let_go, NULL) == 0);
		for (unsigned i = 0; i < n; i++)
			REQUIRE(sley_join(tasks[i], SOON) == 0);
		await_live(1);
		REQUIRE(close(ends[0]) == 0 && close(ends[1]) == 0);
	}
	stop_helper();
	end();
}

/* ---- false words ---- */

static bool has_listener(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	bool found = false;
	REQUIRE(tasks != NULL);
	while ((entry = readdir(tasks))) {
		char path[300], name[32] = "";
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		FILE *file = fopen(path, "re");
		if (!file)
			continue;
		found |= fgets(name, sizeof(name), file) && strcmp(name, "sley-assist\n") == 0;
		fclose(file);
	}
	closedir(tasks);
	return found;
}

static void compute(int64_t ns)
{
	int64_t until = clock_now() + ns;
	while (clock_now() < until)
		cpu_relax();
}

/* How often this thread has slept: for a page, or for a lock of a sanitizer or of an emulator, too. */
static long sleeps(void)
{
	struct rusage usage;
	REQUIRE(getrusage(RUSAGE_THREAD, &usage) == 0);
	return usage.ru_nvcsw;
}

/* A worker that computes is not noted, whatever a helper says of it. To make a thread and to wait for its end may block. */
TASK_TEST(false_words, 1)
{
	begin();
	start_helper();
	uint64_t blocks = counter(SLEY_COUNTER_blocks);
	long slept = sleeps();
	store(&suspects, 1, release);
	compute(500 * NS_PER_MS);
	blocks = counter(SLEY_COUNTER_blocks) - blocks;
	REQUIRE(blocks == 0 || sleeps() > slept);
	stop_helper();
	end();
}

/* Bells without words are heard 50 times in 10 ms at most. */
TASK_TEST(bells_in_vain, 1)
{
	begin();
	unsigned looks = load(&outside_looks, relaxed);
	int64_t since = clock_now(), now = since;
	for (; now - since < 500 * NS_PER_MS; now = clock_now())
		ring();
	looks = load(&outside_looks, relaxed) - looks;
	REQUIRE(looks > 0 && looks <= (unsigned)((clock_now() - since) / (10 * NS_PER_MS) + 2) * 51);
	end();
}

/* ---- leases ---- */

/* A lease that is over, or ends too late, is none; without a lease there is no listener. */
TASK_TEST(leases, 1)
{
	await_outside(OUTSIDE_NONE);
	REQUIRE(!has_listener());
	lease(SLEY_HELPER_LEASE_NS + NS_PER_SEC * 10);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(300))) == 0);
	REQUIRE(outside_state() == OUTSIDE_NONE);
	be_helped(300 * NS_PER_MS);
	await_outside(OUTSIDE_NONE); /* the helper is dead: nothing is rung */
}

static int main_off(void *unused)
{
	lease(SLEY_HELPER_LEASE_NS);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(300))) == 0);
	REQUIRE(outside_state() == OUTSIDE_NONE);
	return 0;
}

/* With the source `off` a helper is not listened to. */
TEST(off)
{
	setenv("SLEY_ASSIST", "off", 1);
	run(main_off, 1);
	switch_on();
	store(&region.control->helper_ns, 0, relaxed);
}

static int main_helped(void *unused)
{
	be_helped(SLEY_HELPER_LEASE_NS);
	return 0;
}

/* A run ends while a helper is there, and the next one listens to it, too. */
TEST(runs)
{
	for (int i = 0; i < 5; i++) {
		struct sley_options options = { .size = sizeof(options), .workers = 2 };
		run_with(main_helped, NULL, &options);
	}
}
