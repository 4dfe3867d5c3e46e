/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A region without a runtime, written by hand: what a truthful process would publish, and then whatever lie a test
 * wants told. It is published by a child process, as asynctop sees only others.
 */
#ifndef TESTS_FAKE_REGION_H
#define TESTS_FAKE_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "sley/introspect.h"

#define FAKE_TASKS   64 /* records there is room for, unless the test asks for more */
#define FAKE_LIVE    5  /* tasks that a truthful fake has */
#define FAKE_WORKERS 2
#define FAKE_SITES   3

/* Writable views of the two memfds. */
struct fake {
	int fd, control_fd;
	size_t size;
	struct sley_region_header *header;
	struct sley_region_worker *workers;
	struct sley_region_block *blocks;
	uint64_t *counters; /* rows of SLEY_COUNTER_COUNT */
	uint64_t *live;
	struct sley_region_site *sites;
	struct sley_region_site_blocks *site_blocks;
	struct sley_region_task *tasks;
	struct sley_control *control;
	bool unsealed; /* a lie may ask for this */
};

/*
 * The truth: workers 0 (runs task index 0) and 1 (idle); tasks, by index: 0 "main" running, 1 "reader" waiting to read
 * fd 7, 2 unnamed sleeping until `created + 1 h`, 3 "joiner" joining task 1, 4 "ready" ready. Sites: 0 the overflow
 * one, 1 src/app.c:10 main -> serve, 2 src/app.c:20 serve -> work.
 */
void fake_make(struct fake *, uint32_t task_capacity);

uint64_t fake_id(uint32_t index);

typedef void fake_lie(struct fake *);

struct fake_options {
	fake_lie *lie;          /* applied before the region is sealed; null: none */
	fake_lie *each;         /* called again and again while the process lives; null: none */
	uint32_t task_capacity; /* 0: FAKE_TASKS */
	bool nobody;            /* give up root first */
};

/* Starts a process that publishes the region; waits until it has. */
pid_t fake_start(const struct fake_options *);

/* Kills it and reaps it. */
void fake_stop(pid_t);

#endif
