/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The records that blocked.bpf.c shares with user space: fixed width, the same on both sides.
 *
 * A *block* is the time that one system call or one page fault of a task takes from the task's thread. It begins when
 * the thread is switched out asleep. It ends when the thread is switched in for the last time before the task's code
 * goes on, however often it sleeps meanwhile.
 */
#ifndef SLEY_BPF_EVENTS_H
#define SLEY_BPF_EVENTS_H

#ifdef __bpf__
#include "kernel.h"
#else
#include <stdint.h>
#endif

#include "sley/introspect.h"

/* The causes for which a worker's thread is switched out. X(name, text, help) */
#define SWITCH_CAUSES(X) \
	X(IDLE, "idle", "the runtime had nothing to do and waited") \
	X(BLOCK, "block", "a task's system call slept") \
	X(FAULT, "fault", "a page fault slept") \
	X(PREEMPT, "preempt", "the kernel gave the CPU to another thread") \
	X(STOP, "stop", "a signal or a debugger stopped the thread, or its cgroup froze") \
	X(RUNTIME, "runtime", "the runtime itself slept: a lock, memory") \
	X(OUTSIDE, "outside", "the thread runs no sley code: before, between and after runs")

enum switch_cause {
#define SWITCH_CAUSE_ENUM(name, text, help) SWITCH_##name,
	SWITCH_CAUSES(SWITCH_CAUSE_ENUM)
#undef SWITCH_CAUSE_ENUM
		SWITCH_CAUSE_COUNT,
};

#define NO_SITE       UINT32_MAX /* no task ran; site 0 is a valid site */
#define SYSCALL_FAULT (-1)       /* block_record.syscall of a page fault */

/*
 * Bytes of a stack that are kept, whole pages. The frames of libc alone take 5 KB in getaddrinfo(), and 9.4 KB where
 * it tries search domains.
 */
#define BLOCK_STACK_PAGE 4096
#define BLOCK_STACK_MAX  (3 * BLOCK_STACK_PAGE)
#define BLOCK_MEMORY_MAX 128

#define BLOCK_EARLY 1u /* it had begun when the watching began: start_ns is the latter moment */

#define BLOCK_NAME 16 /* as in struct sley_region_task */

/* User registers by their DWARF numbers; on x86-64: rax rdx rcx rbx rsi rdi rbp rsp r8-r15 rip. */
#define BLOCK_REGS   17
#define BLOCK_REG_DI 5
#define BLOCK_REG_SP 7
#define BLOCK_REG_IP 16

/* Who woke a thread. X(name, text, help) */
#define WAKERS(X) \
	X(UNKNOWN, "unknown", "not seen") \
	X(INTERRUPT, "interrupt", "a time that was over, or what a device or the network has brought") \
	X(KERNEL, "kernel", "a thread of the kernel") \
	X(PROCESS, "process", "another process") \
	X(THREAD, "thread", "a thread of the process, in no task") \
	X(TASK, "task", "a task of the process")

enum waker_kind {
#define WAKER_ENUM(name, text, help) WAKER_##name,
	WAKERS(WAKER_ENUM)
#undef WAKER_ENUM
		WAKER_COUNT,
};

/* Without a thread, the kind alone means something. */
struct waker {
	uint32_t kind; /* enum waker_kind */
	uint32_t site; /* spawn site of the task */
	uint64_t task; /* id */
	uint32_t pid;  /* process and thread, numbered as in the first pid namespace */
	uint32_t tid;
	char name[BLOCK_NAME]; /* of the task, as in struct block_record; else of the thread, with its NUL */
};

/* One block, with the data that tells its place. Times are CLOCK_MONOTONIC ns. */
struct block_record {
	uint64_t number; /* per worker, from 1: equal numbers of a worker are the same block */
	uint64_t start_ns;
	uint64_t end_ns;     /* 0: it has not ended */
	uint64_t blocked_ns; /* the part of end - start in which the thread slept */
	uint64_t cpu_ns;     /* the part of end - start in which it was runnable and waited for a CPU */
	struct waker waker;  /* who has ended its last sleep; meaningless until its end */
	uint64_t task;       /* id of the task */
	uint64_t dispatches; /* the worker's tick at the start */
	uint64_t elsewhere;  /* the worker's counters at the start, see struct sley_region_worker */
	uint64_t elsewhere_ns;
	uint64_t pinned_ns; /* likewise, see struct sley_region_block */
	uint64_t late;
	uint64_t late_ns;
	uint64_t late_found_ns;
	uint64_t before_ns; /* time of the blocks before it in the same dispatch */
	/* of the longest of these */
	uint64_t longest_ns; /* 0: there are none */
	uint64_t longest_end_ns;
	uint64_t longest_number;
	int32_t longest_syscall;
	uint32_t longest_place;
	uint64_t given_ns;   /* delay of `given_tasks`; by delay.h */
	uint64_t delayed_ns; /* sum over all tasks that waited behind the block; this and the next four: by delay.h */
	uint64_t noted_ns;   /* time at which the runtime noted it; 0: it did not */
	uint64_t handed_ns;  /* time at which another worker began a task in its place; 0: none did */
	uint32_t delayed_tasks; /* tasks that were ready on the worker at any moment of it, or late because of it */
	uint32_t replacement;   /* number plus 1 of the worker that was woken in its place; 0: none was */
	uint32_t queued;        /* tasks that were ready on the worker at the start */
	uint32_t pinned;        /* of those that are pinned to it, likewise */
	uint32_t late_tasks;    /* of those that were delayed: in no queue of it, found at its end; by delay.h */
	uint32_t given_tasks;   /* found at its end, and delayed by the longest block before it; by delay.h */
	uint32_t process;       /* the process's number from tracer_watch() */
	uint32_t site;          /* spawn site of the task */
	uint16_t worker;        /* index of the worker's line */
	uint16_t sleeps;        /* times that the thread was switched out; saturates */
	int32_t syscall;        /* number, or SYSCALL_FAULT */
	int32_t fd;           /* the first argument if it is an open descriptor, even if the call takes none; else -1 */
	uint64_t inode;       /* of fd, at the start of the block */
	uint64_t device;      /* as st_dev */
	uint32_t fs_magic;    /* as statfs.f_type */
	uint16_t fd_mode;     /* as st_mode */
	uint16_t memory_size; /* valid bytes in `memory` */
	uint64_t args[6];
	uint64_t regs[BLOCK_REGS];
	uint64_t stack_top;  /* one past the highest address of the task's stack, according to the process */
	uint32_t slot;       /* index of the worker's state in the kernel's array */
	uint32_t stack_size; /* valid bytes in `stack`, copied from regs[BLOCK_REG_SP] upwards */
	uint32_t flags;      /* BLOCK_* */
	uint32_t begun;      /* of those that were queued: begun by other workers before its end; by delay.h */
	/* return address in the program's own code behind the call, or the address of a fault there; 0: not found */
	uint64_t place;
	char name[BLOCK_NAME]; /* the task's name at that moment, perhaps without NUL; empty: it has none */
	/* memory behind a pointer argument: a path with its NUL (if not cut), an address, a time */
	uint8_t memory[BLOCK_MEMORY_MAX];
	uint8_t stack[BLOCK_STACK_MAX];
};

_Static_assert(sizeof(struct block_record) == 648 + BLOCK_STACK_MAX, "the layout is the same on both sides");

/*
 * The key of the sums of blocks. `place` is the lower half of block_record.place. It tells places apart, and does not
 * name them: one line may have several. Calls by several lines of a shared library have one, if one line of the program
 * called that.
 */
struct block_key {
	uint32_t process;
	uint32_t site;
	int32_t syscall;
	uint32_t place;
};

struct block_total {
	uint64_t count;
	uint64_t total_ns; /* sum of end - start */
	uint64_t blocked_ns;
	uint64_t cpu_ns;
	uint64_t max_ns;
	uint64_t delayed_tasks;
	uint64_t delayed_ns;
	uint64_t handed; /* blocks in which another worker took over */
	uint64_t sleeps;
};

/* The key of the counts of switches inside tasks. */
struct switch_key {
	uint32_t process;
	uint32_t worker;
	uint32_t site;
	uint32_t cause; /* enum switch_cause */
};

enum worker_phase {
	WORKER_UNBLOCKED, /* no block to report */
	WORKER_BLOCKED,   /* switched out by the block */
	WORKER_RESUMED,   /* it runs again: the block is over, unless the same call sleeps once more */
};

/*
 * One worker of a watched process. Only the programs write it: from the switches and wake-ups of the worker's thread,
 * which never run at once, but for a wake-up that comes in the midst of the switch out. The iterators write it too: `watch` sets `live`, and `catch_blocked` begins a block while the
 * thread sleeps. User space reads the state through a mapping.
 */
struct worker_state {
	uint32_t seq;   /* odd while `phase` and `block` change */
	uint32_t phase; /* enum worker_phase */
	uint32_t live;  /* the thread that is this worker now: its number in the kernel; 0: none that is known */
	uint16_t uninterruptible; /* its last sleep was uninterruptible */
	uint8_t over;             /* the call of a resumed block has returned: what it sleeps in next is another one */
	uint8_t restarts;         /* a signal has interrupted it: the kernel makes the call again */
	uint64_t out_ns;          /* time of the last switch out, while blocked */
	uint64_t wake_ns;         /* time of the wake-up since; 0: not woken yet */
	uint64_t out_flags;       /* flags of its thread_info at the last switch out and in */
	uint64_t in_flags;
	uint64_t switches[SWITCH_CAUSE_COUNT]; /* switches outside of tasks; switch_key counts those inside */
	struct sley_region_block replaced;     /* as it was read last */
	struct block_record block;
};

/*
 * Code for a system call's pointer argument that is worth reading: its index, and its size in bytes (a multiple of 8 up
 * to 128; 0: a string). A code of 0: no such argument.
 */
#define POINTER_ARG(argument, bytes) ((uint8_t)((argument) + 1 + ((bytes) / 8 << 3)))
#define POINTER_ARG_INDEX(code)      (((code)&7) - 1)
#define POINTER_ARG_BYTES(code)      ((uint32_t)(code) >> 3 << 3)
#define POINTER_ARG_CALLS            512 /* system calls below this number are known */

#define CPU_PERIOD_NS \
	1713337         /* between two samples of a CPU; out of step with the ticks of kernels, which switch threads */
#define CPU_TASKS 16384 /* of all processes: so many have their CPU times */

/* The key of the CPU times of tasks. */
struct cpu_key {
	uint64_t task;
	uint32_t process;
	uint32_t reserved;
};

#define WATCH_WORKERS   SLEY_REGION_WORKERS /* of one process */
#define WATCH_AHEAD     64                  /* so many workers more have a state before they are known */
#define WATCH_PROCESSES 64                  /* at a time */

/*
 * A watched process, in the place of its tables and its account. Addresses are the process's own. User space writes it
 * before it marks the first thread.
 */
struct watched_process {
	uint32_t process; /* its number; 0: the place is free */
	uint32_t line_stride, block_stride;
	uint32_t record_count;   /* public task records */
	uint64_t lines;          /* address of the first worker's line */
	uint64_t blocks;         /* and block; 0: there are none */
	uint64_t records;        /* and of the first record */
	int64_t worker_word;     /* see struct sley_region_header; 0: there is none */
	int64_t clock_offset_ns; /* what the process's CLOCK_MONOTONIC has more than the kernel's */
	/* by the worker's number: the index plus 1 of the state that it has, or would have; 0: none */
	uint32_t slots[WATCH_WORKERS];
};

/* A request to the marking iterator for the threads of a process: some of them, which are workers. */
struct watch_request {
	uint32_t process; /* 0: the threads are watched no more */
	uint32_t place;
	uint32_t count;
	uint32_t marked;                 /* answer: number of those threads that were found */
	uint64_t threads[WATCH_WORKERS]; /* thread pointers */
	uint32_t slots[WATCH_WORKERS];   /* indexes of their states */
	uint16_t workers[WATCH_WORKERS]; /* numbers of the workers */
};

/* The state of one of those threads, as `look_blocked` found it: asleep in a call or fault of user mode. */
struct sleeper {
	uint64_t switches; /* its number of context switches; 0: it does not sleep */
	uint64_t sp;
	uint64_t args[6];
	int32_t syscall;
	uint32_t reserved;
};

/*
 * The data of one sleeper for `catch_blocked`. User space has read it from the region and, where possible, from the
 * thread's memory. All of it belongs to this sleep if the thread's number of context switches is still the same.
 */
struct early_block {
	uint64_t switches;
	uint32_t slot;
	uint32_t stack_size;
	uint32_t memory_size;
	struct sley_region_worker line;
	struct sley_region_block replaced;
	char name[BLOCK_NAME];
	uint8_t memory[BLOCK_MEMORY_MAX];
	uint8_t stack[BLOCK_STACK_MAX];
};

/* The kinds of lost data of a process, with the reason. X(name, help) */
#define TRACE_DROPS(X) \
	X(ring, "single events: the process's share of the ring buffer was used up") \
	X(totals, "blocks: the process's table of (site, call, place) was full") \
	X(samples, "longest blocks: the process's room for their stacks was used up") \
	X(switches, "switches: the process's table of (worker, site, cause) was full") \
	X(lines, "switches: the worker's line could not be read") \
	X(workers, "workers: more than the process's share of the room for them")

struct trace_drops {
#define TRACE_DROP_FIELD(name, help) uint64_t name;
	TRACE_DROPS(TRACE_DROP_FIELD)
#undef TRACE_DROP_FIELD
};

/* A watched process's use of shared resources, and its losses. */
struct process_account {
	uint64_t ring_bytes; /* bytes put into the ring since user space emptied it last and cleared this */
	struct trace_drops drops;
};

#endif
