/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What the unit tests of the runtime share: runs whose main is checked, stderr as text, the region's counters, and
 * scenarios, which are runs in a process of their own, for what a process does not survive or can do only once.
 */
#ifndef RUN_H
#define RUN_H

#include "tests/test.h"

#include <sley.h>
#include <sley/introspect.h>

#include "base/compiler.h" /* SLEY_ASAN and SLEY_TSAN: a test that forgot the header would run without its exceptions */

/* A deadline that only a bug meets. */
#define SOON sley_in(SLEY_SEC(30))

/* Runs `main` as the first task and asserts that the run went well and main returned 0. */
void run(int (*main)(void *), unsigned workers);

/* The same with all options. */
void run_with(int (*main)(void *), void *arg, const struct sley_options *options);

/* run() with 1, 2 and 4 workers; run_all(): also with 1 and 2 on two stacks, unless ASan gives each task its own. */
void run_each(int (*main)(void *));
void run_all(int (*main)(void *));

/* run_all(), and with 1 on one stack. */
void run_tight(int (*main)(void *));

/*
 * TASK_TEST(name, 1, 2) { ... } is a TEST() whose body runs as the first task, once with each of these numbers of workers.
 * A failed REQUIRE() ends it. EVERY_WAY in the place of the numbers: as run_all() does it. A body that takes an argument
 * is a function of its own, which a TEST() gives to run_with().
 */
#define TASK_TEST(name, ...) \
	static void body_##name(void); \
	static int main_##name(void *unused) \
	{ \
		body_##name(); \
		return 0; \
	} \
	TEST_ENTRY(test_##name, __LINE__, NULL, NULL) \
	{ \
		static const int ways[] = { __VA_ARGS__ }; \
		run_ways(main_##name, ways, sizeof(ways) / sizeof(ways[0])); \
	} \
	static void body_##name(void)

#define EVERY_WAY (-1)

void run_ways(int (*main)(void *), const int *ways, size_t n);

/* A counter of the region over all its rows, and how many tasks are alive by its bitmap: what others did can be read. */
uint64_t counter(enum sley_counter which);
unsigned live_tasks(void);

/* The public record of a living task. */
const struct sley_region_task *record_of(sley_task task);

/* Its state there, as it is now. */
enum sley_task_state state_of(sley_task task);

/* Yields until the task's record shows the state (and the wait, unless NONE). REQUIRE()s that it comes soon. */
void await_state(sley_task task, enum sley_task_state state, enum sley_wait_kind kind);

/* The same for a task that stays there for some time only, and may have ended before it is seen there. */
void await_state_or_end(sley_task task, enum sley_task_state state, enum sley_wait_kind kind);

/* Yields until the word, which is atomic, is at least `n`. REQUIRE()s that it comes soon. */
void await_at_least(const unsigned *word, unsigned n);

/* Yields until `n` tasks are alive. REQUIRE()s that it comes soon. */
void await_live(unsigned n);

/*
 * Waits until `n` workers sleep, without a scheduling point: each has looked for work for the last time, so it comes back
 * only when it is woken. One that is counted by idle_count() alone may still find work by itself. REQUIRE()s that it
 * comes soon. Any thread.
 */
void await_asleep(unsigned n);

/*
 * How many descriptors are open, without those of /proc: the runtime's monitor has one for a moment when it looks at
 * what a blocked thread does.
 */
unsigned open_descriptors(void);

/*
 * Makes connected sockets, one of which has the number `number`. It was closed just before; the runtime's watchdog may
 * have it first, for a moment, to look at what a thread does. Returns the other's number.
 */
int socketpair_at(int number);

/* Sends stderr into a file until capture_end(), which puts it into `text`, NUL-terminated, cut at `size`. */
void capture_begin(void);
void capture_end(char *text, size_t size);
void capture_peek(char *text, size_t size); /* what there is so far */

/* How often `needle` is in `text`. */
unsigned occurrences(const char *text, const char *needle);

/* A scenario: the process ends with what `main` returns. */
struct scenario {
	const char *name;
	int (*main)(void);
};

/* First thing in main(): if the process was started for a scenario, runs it and ends. The list ends with a null name. */
void scenario_main(int argc, char **argv, const struct scenario *scenarios);

/* Becomes this program again, for the scenario: for use in a forked child. Returns if that fails. */
void scenario_exec(const char *name);

/* Starts this program again for the scenario; its wait(2) status, with its stderr in `text`. */
int scenario_run(const char *name, char *text, size_t size);

/*
 * For a scenario: moves the process into a network of its own, whose loopback device is up. False: it may not. set: writes
 * a setting of that network, a file below /proc/sys/net.
 */
#define CANNOT 77 /* what a scenario then ends with */
bool own_network(void);
bool own_network_set(const char *file, const char *value);

/* Runs the scenario and asserts that it ended with 0; skips the test if it cannot be run here. */
void scenario_needs_network(const char *name);

/* Asserts that by this status it died of SIGSEGV. (The sanitizers have handlers of their own, which end it their way.) */
void assert_segv(int status);

/* Asserts that `needle` is in the text so many times; else the text is shown. */
void assert_said(const char *text, const char *needle, unsigned times);

#endif
