/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The tracer: blocks and switches of the watched processes' workers, as the kernel saw them. It loads bpf/blocked.bpf.c
 * and reads its tables.
 *
 * Use: open one, watch each process, and at each tick call tracer_refresh() for each and tracer_poll() once, then read
 * the tables. Reading takes a snapshot: blocks that are over but that the kernel has not added up yet are included, so
 * counts are exact at any time. Not thread-safe. Everything the kernel holds is released with the tracer, also when
 * its owner dies.
 *
 * The data of the traced process (ids, sites, registers, stack, memory) is as untrusted as its region.
 */
#ifndef ASYNCTOP_TRACER_H
#define ASYNCTOP_TRACER_H

#include "events.h"
#include "sley/introspect.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tracer;

/* Zero means the default. */
struct tracer_config {
	/* Shorter blocks are no single events, but count in the totals. Default 1 ms. */
	uint64_t min_block_ns;
	/*
	 * Bytes for single events between two polls, a power of two, at least a page. Default 2 MiB. The watched processes
	 * share them: each has the same part of them for certain, and takes no more than is free.
	 */
	uint32_t ring_size;
	uint32_t max_workers; /* Default 1024 */
	/* of each process */
	uint32_t max_totals;   /* keys (site, call, place). Default 1024 */
	uint32_t max_samples;  /* longest blocks with their stacks. Default a quarter of max_totals */
	uint32_t max_switches; /* keys (worker, site, cause). Default 4096 */
};

/*
 * At most WATCH_PROCESSES are watched at a time. So the kernel's memory is bounded: 13 MiB for workers, 2 MiB for
 * the ring, 4 MiB for CPU times, and for each process 0.5 MiB, and up to 4 MiB of samples.
 */

/*
 * Loads and attaches the programs. `config` may be null. 0; -EPERM: no privilege; -ENOTSUP: the kernel lacks something
 * (BTF, task storage); else the error. `why` then gets one line without newline: the missing thing, and how to get it.
 */
int tracer_open(struct tracer **, const struct tracer_config *config, char *why, size_t why_size);

/* That line, for an error of loading other programs. Returns the error, or -ENOTSUP in its place. */
int tracer_explain(int error, char *why, size_t why_size);

/* Null is fine. */
void tracer_close(struct tracer *);

/* A process to watch. The descriptors stay the caller's and must stay open until tracer_unwatch(). */
struct tracer_target {
	int pidfd;               /* of the process */
	int64_t clock_offset_ns; /* see struct process: blocks have times by the process's clock */
	int64_t ahead_ns;
	int region;                       /* its memfd, open for reading */
	uint64_t address;                 /* header.address */
	struct sley_region_table workers; /* header.workers, checked against the region's size by the caller */
	struct sley_region_table blocks;  /* header.blocks, likewise; all zero: hand-overs are not known */
	struct sley_region_table tasks;   /* header.tasks, likewise; all zero: names are not taken */
	uint32_t worker_count;            /* header.worker_count */
	int64_t worker_word;              /* header.worker_word; 0: new workers are seen with tracer_refresh() only */
};

/*
 * Starts watching: `*process` becomes its key in all later calls; keys are not reused. Earlier events are not known,
 * except blocks that are under way: they are recorded as if they began now (BLOCK_EARLY). 0; -ESRCH: it is gone;
 * -ENOMEM; -EINVAL: an impossible table; -ENOSPC: WATCH_PROCESSES are watched already.
 */
int tracer_watch(struct tracer *, const struct tracer_target *, uint32_t *process);

/*
 * To be called at each tick with the header's worker_count. Threads that became workers since are watched already, as
 * long as they are at most WATCH_AHEAD more; this makes room for the next ones. As tracer_watch().
 */
int tracer_refresh(struct tracer *, uint32_t process, uint32_t worker_count);

/* Stops watching, and forgets all records of it. */
void tracer_unwatch(struct tracer *, uint32_t process);

/* How many of its threads are watched now; 0 after it has ended or executed another program. */
unsigned tracer_workers(struct tracer *, uint32_t process);

typedef void tracer_block_fn(void *context, const struct block_record *);

/*
 * Calls `each` for every block of at least min_block_ns that ended since the last poll, of any watched process, and for
 * every one that says what an earlier one has delayed (given_tasks). Returns their number or a negative errno. Once per
 * block, in each worker's order.
 */
int tracer_poll(struct tracer *, tracer_block_fn *each, void *context);

/*
 * A descriptor that polls readable when the ring is half full: tracer_poll() should then be called before the next
 * tick.
 */
int tracer_fd(struct tracer *);

/*
 * Blocks added up by (process, site, call, place). `longest` (its stack included) is null when there was no room to
 * keep it.
 */
struct tracer_total {
	struct block_key key;
	struct block_total total;
	const struct block_record *longest;
};

typedef void tracer_total_fn(void *context, const struct tracer_total *);

/* Calls `each` for every total of the process, in no order. 0 or a negative errno. */
int tracer_totals(struct tracer *, uint32_t process, tracer_total_fn *each, void *context);

/*
 * Calls `each` for every worker of the process that is blocked at this moment: end_ns is 0, start_ns says since when,
 * and the delay is that until now. These are not in the totals yet. 0 or a negative errno.
 */
int tracer_blocked(struct tracer *, uint32_t process, tracer_block_fn *each, void *context);

/* How often a worker's thread was switched out, by cause and by the spawn site of the task (NO_SITE: in no task). */
struct tracer_switch {
	struct switch_key key;
	uint64_t count;
};

typedef void tracer_switch_fn(void *context, const struct tracer_switch *);

/* Calls `each` for every count that is not zero. 0 or a negative errno. */
int tracer_switches(struct tracer *, uint32_t process, tracer_switch_fn *each, void *context);

/* CPU time of a task, or (0) of a spawn site, in samples of CPU_PERIOD_NS. */
struct tracer_cpu {
	uint64_t task;
	uint32_t site; /* NO_SITE: it is a task's */
	uint64_t ns;
};

typedef void tracer_cpu_fn(void *context, const struct tracer_cpu *);

/*
 * Calls `each` for every spawn site that had a CPU since the watching began, and for every task, as of the last tracer_poll(),
 * if it is among the CPU_TASKS of all processes that were seen last. 0 or a negative errno; -ENOTSUP: nothing is sampled.
 */
int tracer_cpu_times(struct tracer *, uint32_t process, tracer_cpu_fn *each, void *context);

/* Counts of the process's lost records. All zero if it is not watched. */
struct trace_drops tracer_drops(struct tracer *, uint32_t process);

/* The programs' own cost, while kernel.bpf_stats_enabled is set: runs and ns in all since they were loaded. */
struct tracer_cost {
	uint64_t runs;
	uint64_t ns;
};
struct tracer_cost tracer_cost(struct tracer *);

#endif
