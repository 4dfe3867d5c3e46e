/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service with planted mistakes, which measures them itself. tests/tools/truth.c compiles, runs and watches it, and
 * compare.py compares what asynctop says with the measurements.
 *
 * A case is a task with a spawn site of its own:
 *
 *	PLANTED(name, calls, ...) { ... BLOCK(fsync(fd)); ... }
 *
 * Its site is the line of PLANTED(), its entry is plant_NAME(), and unless an option says otherwise its name is NAME.
 * `calls` are the system calls in which it may block, by "|"; "": it blocks in none. BLOCK() stands on one line, in the
 * function that is the place of the block.
 *
 * The measured time is longer than the block by what the thread computed around it. The truth is between the two clocks'
 * difference, and that less the thread's CPU time; a thread that was preempted meanwhile has no such lower bound.
 */
#ifndef TESTS_TRUTH_SERVICE_H
#define TESTS_TRUTH_SERVICE_H

#include <sley.h>

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Options of PLANTED(), such as .unnamed = true. */
struct planted {
	const char *name;
	const char *calls;
	void (*run)(void *);
	bool unnamed; /* its name is that of its function */
	bool early;   /* it begins before anybody watches */
	bool stuck;   /* it ends when all has been looked at */
	bool many;    /* a BLOCK() of it makes several calls that block */
	bool pauses;  /* it computes for long, so that the kernel gives its CPU to others */
	bool waits;   /* it waits in calls of sley, so that its thread sleeps for others, too */
	bool hog;     /* its BLOCK() computes, and no call blocks */
	bool alone;   /* it runs when all others are over, and only where there is one worker */
	int tasks;    /* 0: 1 */
	struct sley_site site;
	struct planted *next; /* owned by planted_add() */
};

void planted_add(struct planted *);

#define PLANTED(name_, calls_, ...) \
	static void plant_##name_(void *unused); \
	__attribute__((constructor)) static void add_##name_(void) \
	{ \
		static struct planted planted = { .name = #name_, \
						  .calls = calls_, \
						  .run = plant_##name_, \
						  .site = { __FILE__, "spawn", "plant_" #name_, __LINE__, 0 }, \
						  ##__VA_ARGS__ }; \
		planted_add(&planted); \
	} \
	static void plant_##name_(__attribute__((unused)) void *unused)

/* ---- measuring ---- */

struct reading {
	int64_t begin_ns, end_ns;
	int64_t cpu_ns;   /* of the thread, in between */
	int64_t least_ns; /* if the end was not seen: how long it took at least */
	long sleeps;      /* voluntary context switches */
	long preemptions; /* involuntary ones */
	long faults;      /* page faults that read */
	uint64_t task;
	int thread;
	unsigned line;
	const char *function;
};

struct reading *reading_begin(const char *function, unsigned line);
void reading_end(struct reading *);

/* A call that blocks. */
#define BLOCK(call) \
	do { \
		struct reading *reading_ = reading_begin(__func__, __LINE__); \
		call; \
		reading_end(reading_); \
	} while (0)

/* Before a call that blocks for so long and is the last of its function, so that its end cannot be measured. */
#define BLOCK_LAST(least_us) (reading_begin(__func__, __LINE__ + 1)->least_ns = (least_us)*1000LL)

/* ---- help for cases ---- */

#define PAUSE_US 4000 /* after which blocked tasks go on */

/* Another thread calls fn(arg) after so long. The call does not block. */
void later(long us, void (*fn)(void *arg), void *arg);

/* The same, to write a byte to a descriptor. */
void write_later(int fd);

/* Closes a descriptor. For other threads: it may block. */
void close_it(void *fd);

/* Runs fn(arg) on another thread, and waits until it is over. The call does not block the thread. */
void on_thread(void (*fn)(void *arg), void *arg);

/* A case's own descriptors: sley's calls wait for what is not ready, and these are never in its hands. */
void make_pipe(int ends[2]);
void make_pair(int ends[2]);
void fill(int fd);
void drain(int fd);

/* Ends a case that cannot be had here. The task goes on: return from it. */
void not_here(const char *why);

/* A task that a block has made late, by its own clock. */
struct late {
	int64_t due_ns, begun_ns; /* when it could have run, and when it did */
};

/* Tells of tasks that the calling task's last block has made late, when they have run; `waited_ns`: see below, meanwhile. */
void say_late(const struct late *tasks, unsigned n, int64_t waited_ns);

/* For how long the process's threads have waited for a CPU so far, together; 0: the kernel does not count that. */
int64_t waited_for_cpu(void);

/* Tells that the early case is about to block, and on which thread. */
void say_blocked(void);

/* A file whose fsync() and pages take long; -1: there is none. */
extern int slow_file;

/* The read ends of pipes that get a byte when the early, and the stuck cases are to go on. */
extern int early_gate, stuck_gate;

extern const struct timespec pause_time;

#endif
