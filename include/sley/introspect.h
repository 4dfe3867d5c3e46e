/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The introspection region: the contract between a process that runs sley and its observers.
 *
 * A process that called sley_run() holds memfds, found as links in /proc/PID/fd:
 *
 *   memfd:sley           This layout. Read-only for other processes: it is sized and mapped first, then sealed against
 *                        shrinking, growing, new writable mappings and further seals.
 *   memfd:sley-tasks     A part of the task records, sealed likewise: see SLEY_REGION_PARTS.
 *   memfd:sley-control   struct sley_control, where a reader asks for more detail, and a helper says which workers are
 *                        blocked, each under a lease. Sealed against shrinking and growing.
 *
 *      0            header (one page)
 *      workers      one 64-byte line per worker thread
 *      blocks       three more lines per worker thread: its block, and the worker in its place
 *      counters     rows of SLEY_COUNTERS: row 0 for the threads that are no workers, row i + 1 for worker i; the value
 *                   of a counter is the sum over the rows [0, worker_count]
 *      live         bitmap: bit i is set while task record i is in use, or kept for the next task, with the id 0
 *      sites        spawn sites, dense, [0, site_count)
 *      site_blocks  counters of the blocks of each spawn site, in the same places
 *      tasks        public task records, sparse: a reader may read only those whose bit in `live` is set
 *
 * Invariants
 *   - Only the runtime writes to the region: the seals keep other processes from writing. So the runtime trusts the
 *     fields that it reads back, for reports and in the watchdog. It follows one address: the watchdog finds the slot
 *     of a blocked worker by its `stack_top` (watch/stuck.c). No link between the runtime's own structures lies here.
 *   - Offsets, strides and capacities are constant from before the store of the header's magic until the process ends.
 *   - One thread at a time writes each word, with relaxed stores, unless the comment of the word says otherwise. A
 *     reader sees each word whole, but words of different age: it compares a task's `id` before and after it reads the
 *     record.
 *   - A reader never touches a record whose `live` bit is clear: a read of a hole through a mapping allocates memory.
 *     (A read by pread does not, but it costs time.)
 *   - A reader trusts nothing: it copies with pread, checks every index and offset against the size of the file and the
 *     capacities here, terminates every string itself and escapes each byte that it prints.
 *
 * Times are in CLOCK_MONOTONIC nanoseconds. Sizes are in bytes unless their comments say otherwise.
 */
#ifndef SLEY_INTROSPECT_H
#define SLEY_INTROSPECT_H

#include <stdint.h>

#define SLEY_REGION_NAME    "sley" /* memfd_create() names */
#define SLEY_TASKS_NAME     "sley-tasks"
#define SLEY_CONTROL_NAME   "sley-control"
#define SLEY_REGION_MAGIC   0x316e677279656c73ULL /* "sleyrgn1" in little endian */
#define SLEY_CONTROL_MAGIC  0x316c746379656c73ULL /* "sleyctl1" */
#define SLEY_REGION_VERSION 9

/* A task id is generation << SLEY_TASK_INDEX_BITS | (index + 1), where index is the number of the task's record. */
#define SLEY_TASK_INDEX_BITS 24
#define SLEY_TASK_INDEX_MASK ((1u << SLEY_TASK_INDEX_BITS) - 1)

#define SLEY_REGION_WORKERS 1024 /* capacity of the worker table */
#define SLEY_REGION_SITES   4096 /* site 0 stands for all sites that found no place */

/*
 * The pages of a sealed memfd cannot be given back, but a whole memfd can. So the task records are divided into parts.
 * The first SLEY_REGION_PART_RECORDS records always lie in the region itself. Part p, from 1, has as many records as
 * all parts before it, and may lie in a memfd of its own. That memfd is as large as the region, and has each record at
 * the same offset as the region. A part that no task has needed for some seconds gets a new memfd, which frees the
 * memory of the old one. `parts` in the header gives the current memfd of each part.
 */
#define SLEY_REGION_PART_RECORDS 65536u
#define SLEY_REGION_PARTS        8 /* besides the first records */

/*
 * SLEY_REGION_PART: the part of record `index`; 0: the first records. SLEY_PART_FD: the descriptor in a word of
 * `parts`; -1: the records lie in the region.
 */
#define SLEY_REGION_PART(index) \
	((index) < SLEY_REGION_PART_RECORDS ? 0 : 32 - __builtin_clz((unsigned)(index) / SLEY_REGION_PART_RECORDS))
#define SLEY_PART_FD(word) ((int)((word)&UINT32_MAX) - 1)

/* The place of a table in the region: record i is at offset + i * stride. */
struct sley_region_table {
	uint64_t offset;
	uint32_t stride;
	uint32_t capacity; /* records; for `live` the number of 64-bit words */
};

enum sley_region_phase {
	SLEY_PHASE_NONE, /* no sley_run() is under way */
	SLEY_PHASE_RUNNING,
};

/* The sources: each of them finds out by itself that a worker is blocked. X(name, text, help) */
#define SLEY_BLOCK_SOURCES(X) \
	X(TOLD, "told", "the code says so: sley_block_enter()") \
	X(TICK, "tick", "the runtime's monitor looks at the thread") \
	X(IDLE, "idle", "a thread of policy SCHED_IDLE runs where the worker has left its CPU") \
	X(BPF, "bpf", "an eBPF program sees the kernel switch the thread out")

enum sley_block_source {
	SLEY_SOURCE_NONE,
#define SLEY_SOURCE_ENUM(name, text, help) SLEY_SOURCE_##name,
	SLEY_BLOCK_SOURCES(SLEY_SOURCE_ENUM)
#undef SLEY_SOURCE_ENUM
		SLEY_SOURCES,
};

#define SLEY_REGION_HANDOVERS 32 /* buckets of `handovers` */

/* What lies at the stack pointer of a parked task. */
enum sley_context {
	SLEY_CONTEXT_OTHER, /* it is not said */
	SLEY_CONTEXT_X86_64, /* r15, r14, r13, r12, rbx, rbp, and the address at which the task will go on; then its frames */
};

/*
 * The runtime's own entry of a task, for a reader that may read the memory of the process: entry i belongs to record i.
 * The offsets are those of four words of 64 bits in an entry. Without stopping the process, what is read of a parked
 * task's stack is right if the entry's words and the record are the same before and after.
 */
struct sley_region_entries {
	uint64_t address; /* of entry 0; 0: no run is under way */
	uint32_t stride;
	uint32_t context; /* enum sley_context */
	uint16_t id;      /* as in the record */
	uint16_t wait;    /* changes with each wait */
	uint16_t sp;      /* stack pointer of the parked task */
	uint16_t image; /* address of a copy of the bytes from `sp` on, which are the right ones; 0: they are at `sp` */
};

/* At offset 0. `magic` is stored last (release): without it the header is not valid. */
struct sley_region_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size; /* sizeof(struct sley_region_header) */
	uint64_t size;        /* of the whole region */
	uint64_t address;     /* of the mapping in the process itself */
	int64_t created_ns;
	int32_t pid;    /* in the process's own pid namespace */
	uint32_t clock; /* CLOCK_MONOTONIC */
	struct sley_region_table workers;
	struct sley_region_table counters;
	struct sley_region_table live;
	struct sley_region_table sites;
	struct sley_region_table tasks;
	struct sley_region_table blocks;
	struct sley_region_table site_blocks;
	uint64_t stacks_begin; /* the reserved range of the copying slots; 0, 0 before the first run */
	uint64_t stacks_end;
	uint64_t stack_size;    /* of one slot, without its guard */
	uint32_t slots;         /* copying slots in that range */
	uint32_t counter_count; /* counters in a row */
	/*
	 * Addresses in the process of two words that tell whether work waits, for an eBPF program that runs in the
	 * process: 64 bits, 0 while no worker waits in the reactor; 32 bits, the length of the queue of all workers.
	 */
	uint64_t poller;
	uint64_t global_length;
	/*
	 * Offset from a thread's pointer to 32 bits of its own: the number plus 1 of the worker that the thread is; 0: it is
	 * none. They are set while the worker's line names the thread.
	 */
	int64_t worker_word;
	char name[32]; /* of the service: option `name`, else the name of the command; NUL-terminated */
	/* The fields below change during a run. */
	uint32_t phase;        /* enum sley_region_phase */
	uint32_t worker_count; /* workers [0, worker_count) are in use; rows [0, worker_count] of the counters */
	uint32_t site_count;   /* sites [0, site_count) are complete */
	uint32_t task_high;    /* records from here on were never used */
	uint32_t level;        /* enum sley_level that is in force */
	uint32_t target;       /* workers that are to run at the same time: option `workers` */
	uint32_t max_threads;  /* spares that there may be besides */
	uint32_t sources;      /* those that are at work: bits 1 << enum sley_block_source; atomic */
	/*
	 * Word i belongs to part i + 1: (number of times that its memfd was replaced) << 32 | (descriptor + 1); 0: it
	 * has no memfd. Stored (release) while none of the records of the part is in use.
	 */
	uint64_t parts[SLEY_REGION_PARTS];
	/*
	 * How long it took from the note of a block to the replacement's first task. Bucket i: hand-overs that took
	 * [2^i, 2^(i + 1)) ns; the last one: that, and longer. Atomic adds.
	 */
	uint64_t handovers[SLEY_REGION_HANDOVERS];
	struct sley_region_entries entries; /* constant during a run */
};

enum sley_worker_mode {
	SLEY_WORKER_GONE,    /* no thread: not started, or ended */
	SLEY_WORKER_RUNTIME, /* in the scheduler, on the worker's own stack */
	SLEY_WORKER_TASK,    /* in the code of task `task` */
	SLEY_WORKER_IDLE,    /* in the runtime's own idle wait: the reactor or the parking place */
};

/*
 * One worker thread. It has a line of its own, so that an eBPF program gets it whole with one 64-byte read. Only the
 * worker writes it, with two exceptions: a thief also stores `queue` after it has stolen here, and other workers change
 * the two `elsewhere` words.
 *
 * These give the delay that a block caused. Let q tasks be queued at the start s of the block. Other workers take some of
 * them out of the queue, and begin k of them at times t_i before its end e. Then the block delayed q tasks for
 * (q - k) * (e - s) + (sum of t_i) - k * s. Tasks that were taken in the same dispatch, but before s, are none of the q:
 * they are those that were taken and not begun at s, and they are begun first.
 */
struct sley_region_worker {
	uint64_t thread;       /* the thread pointer (fs base on x86-64): the same in every pid namespace */
	uint32_t tid;          /* gettid(), in the process's own pid namespace */
	uint16_t mode;         /* enum sley_worker_mode */
	uint16_t index;        /* of this record */
	uint64_t task;         /* id of the running task, 0: none */
	uint32_t site;         /* spawn site of the running task */
	uint32_t queue;        /* tasks that are ready here: run-next and the deque */
	uint64_t dispatches;   /* tasks resumed so far: the worker's tick */
	uint64_t stack_top;    /* one past the highest address of the running task's stack */
	uint64_t elsewhere;    /* SLEY_ELSEWHERE(): of the last dispatch in which others took tasks; atomic */
	uint64_t elsewhere_ns; /* sum of the times at which such tasks were begun, of all dispatches; atomic add */
};

/*
 * The low half of `dispatches`; tasks that other workers have taken out of this worker's queue during that dispatch; and
 * tasks of these that other workers have begun before it was over. The two numbers saturate.
 */
#define SLEY_ELSEWHERE(dispatch, taken, begun) ((uint64_t)(dispatch) << 32 | (uint64_t)(taken) << 16 | (begun))
#define SLEY_ELSEWHERE_DISPATCH(word)          ((uint32_t)((word) >> 32))
#define SLEY_ELSEWHERE_TAKEN(word)             ((uint32_t)((word) >> 16 & 0xffff))
#define SLEY_ELSEWHERE_BEGUN(word)             ((uint32_t)((word)&0xffff))

enum sley_block_state {
	SLEY_BLOCK_NONE,
	SLEY_BLOCK_BLOCKED, /* in a system call or a page fault, or the code has said that it will be */
	SLEY_BLOCK_HOG,     /* its task computes for long while work waits */
};

/* The parts of a note: `dispatches` of the worker, enum sley_block_source, enum sley_block_state. */
#define SLEY_NOTE(dispatch, source, state) ((uint64_t)(dispatch) << 8 | (uint64_t)(source) << 4 | (uint64_t)(state))
#define SLEY_NOTE_DISPATCH(note)           ((note) >> 8)
#define SLEY_NOTE_SOURCE(note)             ((unsigned)((note) >> 4 & 15))
#define SLEY_NOTE_STATE(note)              ((unsigned)((note)&15))

#define SLEY_BLOCK_RAN   0x80000000u /* in `replacement`: it has begun a task */
#define SLEY_BLOCK_FAULT 0xffffu     /* in `call`: a page fault */

/*
 * The last note of a worker that is over, with the words as they were then, for a reader that comes when the worker has
 * gone on. Kept by the worker, from SLEY_LEVEL_TIMES on.
 */
struct sley_region_past {
	uint64_t note; /* 0 while the others change */
	int64_t noted_ns;
	int64_t handed_ns; /* 0: no replacement has begun a task */
	int64_t over_ns;
	uint64_t elsewhere; /* of its line */
	uint64_t elsewhere_ns;
	uint64_t pinned_ns;
	uint32_t pinned;
	uint32_t replacement;
};

/*
 * More lines of a worker: its block. A worker that is noted is not among the `target` workers that are to run, so
 * another one is woken if work waits: its replacement. A note is made by any thread. It ends when the worker comes to
 * its next scheduling point, or when its task says so. Without a note the other words mean nothing, but `pinned`,
 * `stopped`, `slot_waiters`, and those of `late`. A reader compares `note` before and after it reads them.
 *
 * Other states follow from `mode`: a worker that is IDLE is in hand, for work or for the next block. If more than
 * `target` workers are neither IDLE nor GONE nor noted, so many of them will step back at their next scheduling points.
 */
struct sley_region_block {
	uint64_t note;     /* SLEY_NOTE(); 0: it is not noted. Atomic */
	int64_t noted_ns;  /* time of the note; 0: it was made just now */
	int64_t handed_ns; /* if SLEY_BLOCK_RAN: time at which the replacement began its first task since */
	/* number plus 1 of the worker that was woken for this one, and SLEY_BLOCK_RAN; 0: none was. Atomic */
	uint32_t replacement;
	uint32_t pinned; /* tasks that are ready and pinned to this worker: no other can run them */
	/* the call that blocks the task, read some 10 ms after the note, or later; a reader compares `call`, too */
	uint64_t args[2]; /* its first arguments */
	uint64_t pc;      /* the address at which the thread will go on */
	uint16_t call;    /* its number plus 1, or SLEY_BLOCK_FAULT; 0: not known; stored last (release) */
	/* 1: a signal or a debugger has stopped the thread in its task. No note: nobody takes its place */
	uint16_t stopped;
	/*
	 * Two numbers of tasks that wait for the stack of this worker's task, since it had kept that for a second:
	 * SLEY_SLOT_WAITER() and SLEY_SLOT_WAITERS(). 0: none
	 */
	uint32_t slot_waiters;
	/* sum of the times at which tasks were pushed to those of `pinned`, from SLEY_LEVEL_TIMES on */
	uint64_t pinned_ns;
	/*
	 * Tasks that were late as this worker was in one task for long, although in none of its queues, counted when they are
	 * found: SLEY_LATE() of the last dispatch with such tasks, atomic; sums of the times since when they could have run,
	 * and at which they were found, of all dispatches, atomic adds. From SLEY_LEVEL_TIMES on: see run/late.h
	 */
	uint64_t late;
	uint64_t late_ns;
	uint64_t late_found_ns;
	/*
	 * The counters of struct sley_region_worker as they were at the end of that dispatch: soon others take tasks in the next
	 * one. From SLEY_LEVEL_TIMES on
	 */
	uint64_t elsewhere;
	uint64_t elsewhere_ns;
	uint64_t unused[2];
	struct sley_region_past past;
};

/* The low half of `dispatches`, and the number of tasks. */
#define SLEY_LATE(dispatch, tasks) ((uint64_t)(dispatch) << 32 | (uint32_t)(tasks))
#define SLEY_LATE_DISPATCH(word)   ((uint32_t)((word) >> 32))
#define SLEY_LATE_TASKS(word)      ((uint32_t)(word))

/* The index of one of the tasks plus 1; how many there are, saturating at 255. */
#define SLEY_SLOT_WAITER(word)  ((word)&SLEY_TASK_INDEX_MASK)
#define SLEY_SLOT_WAITERS(word) ((word) >> SLEY_TASK_INDEX_BITS)

enum sley_task_state {
	SLEY_TASK_FREE,    /* the record is not in use */
	SLEY_TASK_READY,   /* in a run queue; includes spawned and never run */
	SLEY_TASK_RUNNING, /* on worker `worker` */
	SLEY_TASK_WAITING, /* parked; wait_kind and wait_object give the reason */
	SLEY_TASK_SLOT,    /* ready to run, but another tenant occupies its stack slot */
	SLEY_TASK_ENDED,   /* its function returned; kept until it is joined */
	SLEY_TASK_STATES,
};

/* X(name, text, meaning of wait_object) */
#define SLEY_WAITS(X) \
	X(NONE, "", none) \
	X(SLEEP, "sleep", deadline) /* time of its end, ns */ \
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
	X(EVENT, "event", address) \
	X(QUEUE, "queue", address) /* of the full queue of a pool: for a place in it */

enum sley_wait_kind {
#define SLEY_WAIT_ENUM(name, text, object) SLEY_WAIT_##name,
	SLEY_WAITS(SLEY_WAIT_ENUM)
#undef SLEY_WAIT_ENUM
		SLEY_WAIT_KINDS,
};

/*
 * One task. wait_kind, wait_object and wait_pc keep the last wait after it is over. So for a running task they say
 * where it last gave its thread back to the runtime. After sley_yield(), wait_pc is the place of that call and the kind
 * is NONE. In state SLOT, wait_object is the end of the stack that the task waits for, which is the `stack_top` of the
 * worker whose task keeps it; 0: it waits for memory.
 */
struct sley_region_task {
	uint64_t id;       /* 0 while the record changes owner */
	uint8_t state;     /* enum sley_task_state */
	uint8_t wait_kind; /* enum sley_wait_kind */
	uint16_t worker;   /* the worker that runs it, or that made it ready; SLEY_TASK_WORKER() and SLEY_TASK_PINNED */
	uint32_t site;     /* where it was spawned */
	uint64_t wait_object;
	uint64_t wait_pc;        /* return address of the last sley call that waited or yielded */
	int64_t since_ns;        /* time of entering `state`; 0: not known, as the level was below SLEY_LEVEL_TIMES */
	uint32_t parent_deepest; /* two numbers: SLEY_TASK_PARENT() and SLEY_TASK_DEEPEST() */
	uint16_t live16;         /* live stack bytes at its last park, in units of 16, saturating */
	uint16_t image16;        /* size of its image block in units of 16, 0: resident or never copied out */
	char name[16];           /* NUL-padded, not necessarily terminated */
};

/*
 * What the process's memory has at the `wait_object` of a wait for a mutex, an rwlock, a channel or a queue. An owner is the id of a task, or
 * a number whose index bits (SLEY_TASK_INDEX_MASK) are 0: a thread that is no worker. The object may change, or be freed,
 * at any time. What is read of it belongs to a wait if the wait's record is the same before and after.
 */
struct sley_object_mutex {
	uint64_t owner; /* SLEY_MUTEX_OWNER(); 0: it is free */
};

struct sley_object_rwlock {
	uint32_t lock;
	int64_t readers; /* that hold it */
	int64_t writer;  /* the owner; 0: none */
};

struct sley_object_chan {
	uint32_t lock, closed;
	uint64_t item, capacity; /* the size of an item, and how many there may be; 0: none, a receiver must wait */
	uint64_t count;
	/*
	 * The id of the task that has waited last to receive, or taken the item of a sender that waited; of the one that
	 * has waited last to send, or given an item to a receiver that waited. 0: none yet, or a thread
	 */
	uint64_t receiver, sender;
};

/* The pools of threads that run calls for tasks. */
enum sley_queue {
	SLEY_QUEUE_OFFLOAD, /* sley_offload(), files, processes */
	SLEY_QUEUE_COMPUTE, /* sley_offload_with(), option `cpu` */
	SLEY_QUEUE_NAMES,
};

struct sley_object_queue {
	uint32_t pool;    /* enum sley_queue */
	uint32_t limit;   /* its threads at most */
	uint32_t places;  /* how many calls may be queued */
	uint32_t length;  /* how many are */
	uint32_t threads; /* that there are */
};

#define SLEY_MUTEX_QUEUED      ((uint64_t)1 << 63) /* others wait */
#define SLEY_MUTEX_OWNER(word) ((word) & ~SLEY_MUTEX_QUEUED)

/* In `worker` of a task that is ready: it waits for this worker, as it is pinned to it. */
#define SLEY_TASK_PINNED       0x8000u
#define SLEY_TASK_WORKER(word) ((word) & ~SLEY_TASK_PINNED)

/* The index of the parent (the task that spawned this one) plus 1; 0: none. */
#define SLEY_TASK_PARENT(word) ((word)&SLEY_TASK_INDEX_MASK)

/*
 * The largest known depth of the task's stack, in pages of 4096 bytes, saturating at 255. The runtime learns it when
 * the task parks, and from inspections in idle time. It does not include a deeper call that returned after the last of
 * these, or that a co-tenant of the stack may have made.
 */
#define SLEY_TASK_DEEPEST(word) ((word) >> SLEY_TASK_INDEX_BITS)

/* One spawn site. Strings are NUL-terminated. A path that is too long loses its beginning, a name its end. */
struct sley_region_site {
	uint32_t line;
	uint16_t live16;  /* most live bytes with which one of its tasks parked, in units of 16, saturating */
	uint16_t deepest; /* largest known stack depth of its tasks, in pages of 4096, saturating */
	uint64_t spawned; /* atomic adds; `spawned`, `waits` and `yields` count from SLEY_LEVEL_TIMES on */
	uint64_t waits;   /* parks of tasks of this site */
	uint64_t yields;  /* yields of tasks of this site */
	char file[112];
	char function[56]; /* the function that spawns */
	char entry[56];    /* the function that the task runs */
};

/* The blocks of one spawn site's tasks. Atomic adds. */
struct sley_region_site_blocks {
	uint64_t noted;   /* times that a worker was noted in one of these tasks */
	uint64_t handed;  /* of these: those in which a replacement began a task */
	uint64_t in_vain; /* those for which a worker was woken that came late, or found nothing to do */
	uint64_t reserved;
};

/* The counters. X(name, help) */
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
	X(slot_blocks, "times that a task kept its stack for a second while others that share it wanted to run") \
	X(blocks, \
	  "times that this worker was found blocked, or said so, and was taken out of the count of those that run") \
	X(spares_refused, "times that the system refused a spare thread") \
	X(threads_short, "times that work waited for a second as all threads were blocked and no more could be made") \
	X(convoys, "times that many workers were blocked in the same futex for a second") \
	X(handovers, "times that this worker began a task in the place of a blocked one") \
	X(woken_in_vain, "times that one was woken for that, and came late or found nothing to do") \
	X(slot_deadlocks, \
	  "times that nothing could run before a blocked task gives back a stack or thread that others wait for") \
	X(pinned_blocks, "times that a task kept its thread for a second while tasks pinned to that wanted to run")

enum sley_counter {
#define SLEY_COUNTER_ENUM(name, help) SLEY_COUNTER_##name,
	SLEY_COUNTERS(SLEY_COUNTER_ENUM)
#undef SLEY_COUNTER_ENUM
		SLEY_COUNTER_COUNT,
};

enum sley_level {
	SLEY_LEVEL_STATES, /* always: states, waits, sites, counters */
	SLEY_LEVEL_TIMES,  /* also since_ns, site totals; costs a clock reading per change of state */
};

/*
 * The control page, at the beginning of its memfd. A process that may open it for writing asks for a level: it stores `level`, then the end of its
 * lease in `lease_ns`. The runtime reads the page every few milliseconds when busy and at least four times a second
 * when idle. It clamps the level to the highest that it knows. Without a lease that ends between now and
 * SLEY_LEASE_MAX_NS from now, the level is SLEY_LEVEL_STATES. So a tool that dies leaves nothing switched on. Tools
 * that ask at the same time share the page: the last store wins.
 */
#define SLEY_LEASE_MAX_NS 60000000000LL

struct sley_control {
	uint64_t magic;
	uint32_t version;
	uint32_t level;
	int64_t lease_ns;
	/* of a helper, see below */
	int64_t helper_ns; /* end of its lease */
	uint32_t bell;     /* a futex, not private */
	uint32_t reserved;
};

/*
 * A helper is a process that sees this one's threads being switched out, and may open the control page for writing
 * (`asynctop assist`). Behind the page are SLEY_REGION_WORKERS words of 64 bits. The helper stores in word i the dispatch
 * of worker i in which its task has blocked the thread, or 0. Then it adds 1 to `bell` and wakes a waiter of it
 * (FUTEX_WAKE). The runtime listens while `helper_ns` is between now and SLEY_HELPER_LEASE_NS from now, unless its source
 * is `off` or it has loaded a program itself. A word is a suspicion: the runtime compares it with the worker's tick and
 * looks at the state of the thread. So false words cost it time, 1/20 of a CPU at most, and nothing else. A helper that
 * dies is forgotten when its lease ends; the runtime's own sources are at work all the time.
 */
#define SLEY_CONTROL_WORDS   4096 /* offset of the words */
#define SLEY_CONTROL_SIZE    (SLEY_CONTROL_WORDS + 8 * SLEY_REGION_WORKERS)
#define SLEY_HELPER_LEASE_NS 5000000000LL

#if !defined(__cplusplus) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct sley_region_worker) == 64, "a worker is one line");
_Static_assert(sizeof(struct sley_region_block) == 192, "a worker's block is three lines");
_Static_assert(sizeof(struct sley_region_task) == 64, "a task is one line");
_Static_assert(sizeof(struct sley_region_site) == 256, "a site is four lines");
_Static_assert(sizeof(struct sley_region_site_blocks) == 32, "two sites share a line");
_Static_assert(sizeof(struct sley_region_header) <= 4096, "the header fits its page");
#endif

#endif
