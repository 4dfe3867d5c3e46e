/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The introspection region: the contract between a process that runs sley and whoever looks at it.
 *
 * A process that called sley_run() holds memfds, found as links in /proc/PID/fd:
 *
 *   memfd:sley           this layout, read-only for everybody else: it is sized and mapped first, then sealed against
 *                        shrinking, growing, new writable mappings and further seals
 *   memfd:sley-tasks     a part of the task records, likewise: see SLEY_REGION_PARTS
 *   memfd:sley-control   one page with struct sley_control: where a reader asks for more detail, under a lease
 *
 *      0            header (one page)
 *      workers      one 64-byte line per worker thread
 *      counters     rows of SLEY_COUNTERS: row 0 of threads that are no workers, row i + 1 of worker i; a counter's
 *      value
 *                   is the sum over the rows [0, worker_count]
 *      live         bitmap: bit i is set while task record i is in use
 *      sites        spawn sites, dense, [0, site_count)
 *      tasks        public task records, sparse: only those whose bit in `live` is set may be read
 *
 * Invariants
 *   - The runtime writes and never reads back: nothing here is followed by it, so nothing here can harm it.
 *   - Offsets, strides and capacities are fixed from before the header's magic is stored until the process ends.
 *   - Every word is written by one thread at a time with relaxed stores, unless its comment names more. A reader sees
 *     each word whole, but words of different age: it compares a task's `id` before and after reading the record.
 *   - A reader never touches a record whose `live` bit is clear: reading a hole of a memfd allocates it. (With pread it
 *     does not, but costs time all the same.)
 *   - A reader trusts nothing: it copies with pread, bounds every index and offset by the size of the file and the
 *     capacities here, ends every string itself and prints none of its bytes unescaped.
 *
 * Times are CLOCK_MONOTONIC in nanoseconds, sizes are bytes unless said otherwise.
 */
#ifndef SLEY_INTROSPECT_H
#define SLEY_INTROSPECT_H

#include <stdint.h>

#define SLEY_REGION_NAME    "sley" /* memfd_create() names */
#define SLEY_TASKS_NAME     "sley-tasks"
#define SLEY_CONTROL_NAME   "sley-control"
#define SLEY_REGION_MAGIC   0x316e677279656c73ULL /* "sleyrgn1" in little endian */
#define SLEY_CONTROL_MAGIC  0x316c746379656c73ULL /* "sleyctl1" */
#define SLEY_REGION_VERSION 3

/* A task id is generation << SLEY_TASK_INDEX_BITS | (index + 1), where index is the number of the task's record. */
#define SLEY_TASK_INDEX_BITS 24
#define SLEY_TASK_INDEX_MASK ((1u << SLEY_TASK_INDEX_BITS) - 1)

#define SLEY_REGION_WORKERS 256  /* capacity of the worker table */
#define SLEY_REGION_SITES   4096 /* site 0 stands for all that found no place */

/*
 * Pages of a sealed memfd cannot be given back, but a memfd can be. So the first SLEY_REGION_PART_RECORDS task records are
 * always in the region itself, and part p of the others, from 1, which are as many as all before it, may be in a memfd of
 * their own: as large as the region, and each record at the same offset. Parts that no task has needed for some seconds
 * get a new memfd, so that the memory of the old one is free. `parts` of the header tells which it is.
 */
#define SLEY_REGION_PART_RECORDS 65536u
#define SLEY_REGION_PARTS        8 /* besides the first records */

/* The part of record `index`; 0: the first records. Of a word in `parts`: the descriptor; -1: they are in the region. */
#define SLEY_REGION_PART(index) \
	((index) < SLEY_REGION_PART_RECORDS ? 0 : 32 - __builtin_clz((unsigned)(index) / SLEY_REGION_PART_RECORDS))
#define SLEY_PART_FD(word) ((int)((word)&UINT32_MAX) - 1)

/* Where a table lies in the region: record i at offset + i * stride. */
struct sley_region_table {
	uint64_t offset;
	uint32_t stride;
	uint32_t capacity; /* records; for `live` the number of 64-bit words */
};

enum sley_region_phase {
	SLEY_PHASE_NONE, /* no sley_run() is under way */
	SLEY_PHASE_RUNNING,
};

/* At offset 0. `magic` is stored last (release): a header without it is not one. */
struct sley_region_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size; /* sizeof(struct sley_region_header) */
	uint64_t size;        /* of the whole region */
	uint64_t address;     /* where the process has it mapped */
	int64_t created_ns;
	int32_t pid;    /* in the process's own pid namespace */
	uint32_t clock; /* CLOCK_MONOTONIC */
	struct sley_region_table workers;
	struct sley_region_table counters;
	struct sley_region_table live;
	struct sley_region_table sites;
	struct sley_region_table tasks;
	uint64_t stacks_begin; /* the reserved range of the copying slots; 0, 0 before the first run */
	uint64_t stacks_end;
	uint64_t stack_size;    /* of one slot, without its guard */
	uint32_t slots;         /* copying slots in that range */
	uint32_t counter_count; /* counters in a row */
	char name[32];          /* of the service: option `name`, else the command's; NUL-terminated */
	/* these change during a run */
	uint32_t phase;        /* enum sley_region_phase */
	uint32_t worker_count; /* workers [0, worker_count) are in use, and so many rows of counters and one more */
	uint32_t site_count;   /* sites [0, site_count) are complete */
	uint32_t task_high;    /* no record from here on was ever used */
	uint32_t level;        /* enum sley_level in force */
	uint32_t reserved;
	/* of part i + 1: how often its memfd was replaced << 32 | (descriptor + 1); 0: it has none. Stored (release) when
	   none of its records is in use */
	uint64_t parts[SLEY_REGION_PARTS];
};

enum sley_worker_mode {
	SLEY_WORKER_GONE,    /* no thread: not started, or ended */
	SLEY_WORKER_RUNTIME, /* in the scheduler, on the worker's own stack */
	SLEY_WORKER_TASK,    /* in the code of task `task` */
	SLEY_WORKER_IDLE,    /* in the runtime's own idle wait: the reactor or the parking place */
};

/*
 * One worker thread. A line of its own, so that one 64-byte read by an eBPF program gets it whole. Written by the
 * worker alone, but for `queue`, which a thief also stores after stealing here, and the two `elsewhere` words, which
 * the others add to.
 *
 * `elsewhere` makes what a block delayed countable: with q tasks queued at its start s, and k of them begun by other
 * workers at times t_i before its end e, the block delayed q tasks for (q - k) * (e - s) + (sum of t_i) - k * s.
 */
struct sley_region_worker {
	uint64_t thread;       /* the thread pointer (fs base on x86-64): names the thread in every pid namespace */
	uint32_t tid;          /* gettid(), in the process's own pid namespace */
	uint16_t mode;         /* enum sley_worker_mode */
	uint16_t index;        /* of this record */
	uint64_t task;         /* id of the task that it runs, 0: none */
	uint32_t site;         /* spawn site of that task */
	uint32_t queue;        /* tasks that are ready here: run-next and the deque */
	uint64_t dispatches;   /* tasks resumed so far: the worker's tick */
	uint64_t stack_top;    /* one past the highest address of the running task's stack */
	uint64_t elsewhere;    /* tasks made ready here that another worker began; atomic add */
	uint64_t elsewhere_ns; /* sum of the times of those beginnings, while the level is at least SLEY_LEVEL_TIMES */
};

enum sley_task_state {
	SLEY_TASK_FREE,    /* the record is not in use */
	SLEY_TASK_READY,   /* in a run queue; includes spawned and never run */
	SLEY_TASK_RUNNING, /* on worker `worker` */
	SLEY_TASK_WAITING, /* parked; what for is in wait_kind and wait_object */
	SLEY_TASK_SLOT,    /* would run, but another tenant is on its stack slot */
	SLEY_TASK_ENDED,   /* its function returned; kept until it is joined */
	SLEY_TASK_STATES,
};

/* X(name, text, what wait_object is) */
#define SLEY_WAITS(X) \
	X(NONE, "", none) \
	X(SLEEP, "sleep", deadline) /* when it ends, ns */ \
	X(READ, "read", fd) \
	X(WRITE, "write", fd) \
	X(ACCEPT, "accept", fd) \
	X(DIAL, "dial", fd) \
	X(POLL, "poll", fd) \
	X(JOIN, "join", task) /* a task id */ \
	X(MUTEX, "mutex", address) \
	X(SEND, "send", address) /* of the channel */ \
	X(RECV, "recv", address) \
	X(GROUP, "group", address) \
	X(SELECT, "select", none) \
	X(OFFLOAD, "offload", address) /* of the function */ \
	X(PROCESS, "process", fd)      /* its pidfd */ \
	X(FUTURE, "future", address) \
	X(GENERATOR, "generator", address) \
	X(SCOPE, "scope", address) \
	X(COND, "cond", address) \
	X(RDLOCK, "rdlock", address) \
	X(WRLOCK, "wrlock", address) \
	X(SEM, "sem", address) \
	X(ONCE, "once", address) \
	X(BARRIER, "barrier", address) \
	X(RESOLVE, "resolve", none) \
	X(MONITOR, "monitor", address) \
	X(EVENT, "event", address)

enum sley_wait_kind {
#define SLEY_WAIT_ENUM(name, text, object) SLEY_WAIT_##name,
	SLEY_WAITS(SLEY_WAIT_ENUM)
#undef SLEY_WAIT_ENUM
		SLEY_WAIT_KINDS,
};

/*
 * One task. wait_kind, wait_object and wait_pc keep the last wait after it is over: for a running task they say where
 * it last gave its thread back to the runtime. A task that called sley_yield() has its wait_pc there and kind NONE.
 */
struct sley_region_task {
	uint64_t id;       /* 0 while the record changes owner */
	uint8_t state;     /* enum sley_task_state */
	uint8_t wait_kind; /* enum sley_wait_kind */
	uint16_t worker;   /* which runs it, or made it ready */
	uint32_t site;     /* where it was spawned */
	uint64_t wait_object;
	uint64_t wait_pc;        /* return address of the sley call that waited or yielded last */
	int64_t since_ns;        /* when `state` was entered; 0: not known (level below SLEY_LEVEL_TIMES then) */
	uint32_t parent_deepest; /* two numbers: SLEY_TASK_PARENT() and SLEY_TASK_DEEPEST() of it */
	uint16_t live16;         /* live stack bytes when it last parked, in units of 16, saturating */
	uint16_t image16;        /* size of its image block in units of 16, 0: resident or never copied out */
	char name[16];           /* NUL-padded, not necessarily terminated */
};

/* The index of the task that spawned it, plus 1; 0: none. */
#define SLEY_TASK_PARENT(word) ((word)&SLEY_TASK_INDEX_MASK)

/*
 * The deepest that its stack is known to have been, in pages of 4096 bytes, saturating at 255: what it parked with, and
 * what the runtime saw when it looked in idle time. A call that came and went since then, or that others on the same
 * stack may have made, is not in it.
 */
#define SLEY_TASK_DEEPEST(word) ((word) >> SLEY_TASK_INDEX_BITS)

/* One spawn site. Strings are NUL-terminated, cut at the end of the text's least telling part (a path at its front). */
struct sley_region_site {
	uint32_t line;
	uint16_t live16;  /* the most live bytes that a task of it has parked with, in units of 16, saturating */
	uint16_t deepest; /* the deepest that the stack of one is known to have been, in pages of 4096, saturating */
	uint64_t spawned; /* atomic adds; these three count while the level is at least SLEY_LEVEL_TIMES */
	uint64_t waits;   /* times that a task of this site parked */
	uint64_t yields;  /* times that one yielded */
	char file[112];
	char function[56]; /* that spawns */
	char entry[56];    /* that the task runs */
};

/* Counters, each with what it counts. X(name, help) */
#define SLEY_COUNTERS(X) \
	X(spawned, "tasks spawned") \
	X(ended, "tasks ended") \
	X(yields, "times a task yielded") \
	X(waits, "times a task parked") \
	X(copies, "tenant changes of a slot that saved the live bytes of the resident") \
	X(copied_bytes, "live stack bytes saved to images") \
	X(migrations, "resumes of a task on another worker than the one it last ran on") \
	X(steals, "times that this worker stole from another") \
	X(stolen, "tasks that it got so") \
	X(overflows, "times that the local deque was full and half of it went to the global queue") \
	X(slot_waits, "times that a task found its slot held and waited for it") \
	X(image_failures, "images that could not be allocated at once") \
	X(polls, "epoll_wait calls") \
	X(events, "events that they returned") \
	X(wakes, "system calls made to wake an idle worker") \
	X(timers, "deadlines that passed before their wait was over") \
	X(faults, "calls refused because a shared address was on a copying stack") \
	X(given_back, "bytes of deep stacks and unused memory given back to the kernel") \
	X(slot_blocks, "times that a task kept its stack for a second while others that share it wanted to run")

enum sley_counter {
#define SLEY_COUNTER_ENUM(name, help) SLEY_COUNTER_##name,
	SLEY_COUNTERS(SLEY_COUNTER_ENUM)
#undef SLEY_COUNTER_ENUM
		SLEY_COUNTER_COUNT,
};

enum sley_level {
	SLEY_LEVEL_STATES, /* always: states, waits, sites, counters */
	SLEY_LEVEL_TIMES,  /* since_ns, elsewhere_ns and the sites' totals: a clock reading per change of state */
};

/*
 * The control page. Any process that may open it for writing asks for a level by storing `level` and then `lease_ns`,
 * the time until which it wants it. The runtime looks at it every few milliseconds when busy and at least four times
 * a second when idle, clamps both (level to the highest it knows, the lease to SLEY_LEASE_MAX_NS from now) and falls
 * back to SLEY_LEVEL_STATES when the lease is over: a tool that dies leaves nothing on. Two tools that ask at once
 * share the page: the later lease wins.
 */
#define SLEY_LEASE_MAX_NS 60000000000LL

struct sley_control {
	uint64_t magic;
	uint32_t version;
	uint32_t level;
	int64_t lease_ns;
};

#if !defined(__cplusplus) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct sley_region_worker) == 64, "a worker is one line");
_Static_assert(sizeof(struct sley_region_task) == 64, "a task is one line");
_Static_assert(sizeof(struct sley_region_site) == 256, "a site is four lines");
_Static_assert(sizeof(struct sley_region_header) <= 4096, "the header fits its page");
#endif

#endif
