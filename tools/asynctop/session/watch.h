/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * One watched process: its region, its lease, its key in the tracer, and the state kept between ticks. watch_tick()
 * takes a model of it.
 */
#ifndef ASYNCTOP_WATCH_H
#define ASYNCTOP_WATCH_H

#include "session/blockers.h"
#include "session/events.h"
#include "session/stacks.h"
#include "view/select.h"

/* The tools that all watched processes share. */
struct watch_tools {
	struct tracer *tracer; /* NULL: not available, for the reason given */
	char tracer_why[512];
	struct symbols *symbols; /* NULL: not available */
	char symbols_why[160];
	uint64_t next_key;
	int64_t min_block_ns; /* the shortest single block */
};

/* The wishes of the user; they may change at any tick. */
struct watch_wish {
	struct order tasks; /* order of the task table */
	struct filter *filters;
	unsigned filter_count;
	uint32_t rows;
	int64_t interval_ns;
	bool last;   /* there will be no other tick */
	bool stacks; /* those of parked tasks are to be read */
	pid_t detail_pid;
	uint64_t detail; /* the task of that process that is shown alone; 0: none */
};

/* The dispatch that a worker is in, and since when it was seen in it. */
struct dispatch {
	struct sley_region_worker line; /* as it was then */
	struct sley_region_block block; /* likewise */
	int64_t seen_ns;                /* 0: it runs no task */
	int64_t slept_ns;               /* time of the last look at which its thread slept; 0: there was none */
	int64_t look_ns;                /* no look at its thread before */
	struct hog *hog;                /* NULL: it is none (session/hogs.h) */
};

/* A thread that is no worker and holds a lock of libc: where it is in the call that blocks it. */
struct lock_thread {
	uint32_t tid; /* 0: none */
	uint64_t ip, sp;
	uint64_t key; /* the open question about its stack; 0: none */
	struct model_place place;
};

#define LOCK_THREADS 8

struct watch {
	struct process process;
	struct watch_tools *tools;
	struct blockers blockers;
	struct stacks stacks;
	struct model_detail *detail; /* NULL: no task is chosen (session/detail.h) */
	uint64_t detail_key;         /* the open question about its stack; 0: none */
	bool traced;
	uint32_t key; /* in the tracer */
	char trace_why[512];
	int64_t attached_ns;
	int64_t seen_ns;                                     /* time of the last tick at which its program ran */
	int64_t times_since_ns;                              /* since when the level is in force, as far as was seen */
	struct sley_region_worker read[SLEY_REGION_WORKERS]; /* as they were read last */
	struct sley_region_block read_blocks[SLEY_REGION_WORKERS];
	uint64_t threads[SLEY_REGION_WORKERS]; /* those that the tracer was told of */
	struct dispatch dispatches[SLEY_REGION_WORKERS];
	struct throttled throttled; /* its cgroup, when that was looked at first */
	bool throttle_known;
	uint64_t dispatched; /* by all workers, as seen last */
	int64_t moved_ns;    /* time at which that was seen to change */
	struct events events;
	bool last; /* the last tick was the last of all */
	struct trends *trends;
	struct lock_thread lock_threads[LOCK_THREADS]; /* session/futexes.h */
	unsigned next_lock_thread;                     /* whose place is taken next */
	struct model model;                            /* of the last tick */
};

enum watch_status {
	WATCH_OK,
	WATCH_GONE,    /* it ended or executed another program: the model is its last state */
	WATCH_INVALID, /* its region lies: process.region.why; the model is that of the tick before */
};

/* Takes over an open process. */
struct watch *watch_new(struct process *p, struct watch_tools *tools, uint32_t rows);
void watch_free(struct watch *w);

/* Keeps the lease alive, and the tracer in step with new workers; to be called more often than a lease lasts. */
void watch_renew(struct watch *w, const struct watch_wish *wish);

/* A look between ticks: since when times are stamped, and which workers do not come back from their tasks. */
void watch_look(struct watch *w);

/* Takes a new model. */
enum watch_status watch_tick(struct watch *w, const struct watch_wish *wish, double tool_cpu);

/* One single event of this process. */
void watch_event(struct watch *w, const struct block_record *r);

/* Puts symbols that were resolved since into the model. */
void watch_resolve(struct watch *w);

#endif
