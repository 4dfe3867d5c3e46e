/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What the stress programs share: a run under a watchdog, random numbers, and the counters as a reader sees them.
 *
 * A lost wake-up shows as a hang. Every test calls stress_progress() whenever a piece of its work is done; if none is
 * for a minute the watchdog, a plain thread, prints what the tasks wait for and aborts.
 *
 * Objects that tasks share are statics: they must not lie on a copying stack.
 */
#ifndef STRESS_STRESS_H
#define STRESS_STRESS_H

#include "tests/test.h"

#include <sley.h>
#include <sley/introspect.h>

#include "base/atomic.h"
#include "base/compiler.h"

#define STRESS_WORKERS 8

/* Runs body() as the main task under the watchdog. Options as for sley_run(): STRESS_RUN(body, .workers = 2). */
#define STRESS_RUN(body, ...) \
	stress_run(body, &(struct sley_options){ .size = sizeof(struct sley_options), ##__VA_ARGS__ })
void stress_run(void (*body)(void), const struct sley_options *options);

/*
 * Whether chance has brought about what a test provokes. True also where nothing is expected of chance: in the short runs
 * with workers that are replaced.
 */
bool stress_provoked(bool what);

/* A piece of work is done. Any thread. */
void stress_progress(void);

/* The sum of a counter over its rows, read from the introspection region as another process would read it. */
uint64_t stress_counter(enum sley_counter counter);

/* How much it grew since the last STRESS_RUN() began. */
uint64_t stress_counted(enum sley_counter counter);

/* The public record of a task that has not been joined. Its words are atomic. */
struct sley_region_task *stress_record(sley_task task);

/* A run of random numbers of its own for each seed. */
static inline uint32_t stress_random(uint32_t *state)
{
	uint32_t x = *state * 2654435761u + 0x9e3779b9u;
	*state = x;
	x ^= x >> 16;
	x *= 0x85ebca6bu;
	return x ^ x >> 13;
}

/* Keeps the processor busy for a moment: moves one side of a race against the other. */
static inline void stress_spin(uint32_t rounds)
{
	while (rounds-- > 0)
		cpu_relax();
}

/* The joins and group waits that every test has, which must succeed. */
void stress_join(sley_task task);
void stress_wait(struct sley_group *group);

/* Starts fn(arg) as a task that must start. */
#define stress_spawn(fn, arg) stress_started(sley_spawn(fn, arg))
sley_task stress_started(sley_task task);

/*
 * Plain threads beside the workers. stress_threads_join() parks the calling task, not its thread, until all have ended.
 * One set at a time.
 */
void stress_threads_start(unsigned n, void (*fn)(unsigned number));
void stress_threads_join(void);

/* Waits, without parking, until every worker sleeps. Plain threads. */
void stress_until_idle(void);

#endif
