/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Tests that are the same for all that find a blocked worker:
 *
 *   SOURCE_TEST(name) { ... }             is a TEST() for each source, test_NAME_SOURCE.
 *   SOURCE_TASK_TEST(name, 1, 2) { ... }  is a TASK_TEST() for each.
 *
 * A task that blocks calls source_enter() before and source_leave() behind: source `told` is told there, the others are
 * not. Test programs of the sources themselves are tests/unit/assist/SOURCE.c; that of bpf is tests/bpf/outside.c.
 */
#ifndef SOURCES_H
#define SOURCES_H

#include "tests/unit/run.h"

/*
 * No libsley_assist is built with a sanitizer. Each run loads the eBPF program, which takes a third of a second of a CPU,
 * so one compiler is enough.
 */
#if defined(SLEY_ASAN) || defined(SLEY_TSAN) || defined(__clang__)
#define SOURCE_BPF(X, name)
#else
#define SOURCE_BPF(X, name) X(bpf, name)
#endif

/* One line for each source. The name is the one that SLEY_ASSIST has, but for `told`, where that is off. */
#define EACH_SOURCE(X, name) \
	X(told, name) \
	X(tick, name) \
	X(idle, name) \
	SOURCE_BPF(X, name)

/* Skips the test if this source cannot be had here. On the test's own stack. */
void source_need(const char *name);

/* Runs from now on have this source; null: none, and what tasks say is not passed on. */
void source_use(const char *name);

/* In a run: waits until the source is at work, which bpf is not at once. */
void source_await(void);

/* The source in use. */
const char *source_name(void);

void source_enter(void);
void source_leave(void);

/* gate_block() with these calls around it. */
void source_block(void *gate);

#define SOURCE_ENTRY(source, name) \
	TEST_ENTRY(test_##name##_##source, __LINE__, NULL, NULL) \
	{ \
		source_need(#source); \
		source_use(#source); \
		each_##name(); \
		source_use(NULL); \
	}

#define SOURCE_TEST(name) \
	static void each_##name(void); \
	EACH_SOURCE(SOURCE_ENTRY, name) \
	static void each_##name(void)

#define SOURCE_TASK_TEST(name, ...) \
	static void body_##name(void); \
	static int main_##name(void *unused) \
	{ \
		source_await(); \
		body_##name(); \
		return 0; \
	} \
	SOURCE_TEST(name) \
	{ \
		static const int ways[] = { __VA_ARGS__ }; \
		run_ways(main_##name, ways, sizeof(ways) / sizeof(ways[0])); \
	} \
	static void body_##name(void)

#endif
