/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The records that blocked.bpf.c shares with user space: fixed width, the same on both sides.
 *
 * A *block* is the time from the moment a task's thread is switched out asleep to the moment it is switched in for the
 * last time before the task's code goes on: one system call or one page fault, however often it sleeps meanwhile.
 */
#ifndef SLEY_BPF_EVENTS_H
#define SLEY_BPF_EVENTS_H

#ifdef __bpf__
#include "kernel.h"
#else
#include <stdint.h>
#endif

#include "sley/introspect.h"

/* Why a worker's thread was switched out. X(name, text, help) */
#define SWITCH_CAUSES(X) \
	X(IDLE, "idle", "the runtime had nothing to do and waited") \
	X(BLOCK, "block", "a task's system call slept") \
	X(FAULT, "fault", "a page fault slept") \
	X(PREEMPT, "preempt", "the kernel gave the CPU to another thread") \
	X(RUNTIME, "runtime", "the runtime itself slept: a lock, memory") \
	X(OUTSIDE, "outside", "the thread runs no sley code: before, between and after runs")

enum switch_cause {
#define SWITCH_CAUSE_ENUM(name, text, help) SWITCH_##name,
	SWITCH_CAUSES(SWITCH_CAUSE_ENUM)
#undef SWITCH_CAUSE_ENUM
		SWITCH_CAUSE_COUNT,
};

#define NO_SITE       UINT32_MAX /* no task ran; site 0 is a site */
#define SYSCALL_FAULT (-1)       /* block_record.syscall of a page fault */

#define BLOCK_STACK_STEP 1024 /* the stack is copied in steps of this size */
#define BLOCK_STACK_MAX  4096
#define BLOCK_MEMORY_MAX 128

#define BLOCK_EARLY 1u /* it was under way when the watching began: start_ns is that moment */

#define BLOCK_NAME 16 /* as in struct sley_region_task */

/* User registers by their DWARF numbers; on x86-64: rax rdx rcx rbx rsi rdi rbp rsp r8-r15 rip. */
#define BLOCK_REGS   17
#define BLOCK_REG_SP 7
#define BLOCK_REG_IP 16

/* One block, with what is needed to say where it happened. Times are CLOCK_MONOTONIC ns. */
struct block_record {
	uint64_t number; /* per worker, from 1: equal numbers of a worker are the same block */
	uint64_t start_ns;
	uint64_t end_ns;     /* 0: it has not ended */
	uint64_t blocked_ns; /* of end - start: asleep */
	uint64_t cpu_ns;     /* of end - start: runnable, waiting for a CPU */
	uint64_t task;       /* id of the task */
	uint64_t dispatches; /* the worker's tick then */
	uint64_t elsewhere;  /* the worker's counters at the start, see struct sley_region_worker */
	uint64_t elsewhere_ns;
	uint64_t delayed_ns;    /* of all tasks that waited behind it; known when it is finished */
	uint32_t delayed_tasks; /* tasks that were ready on the worker when it began */
	uint32_t process;       /* what tracer_watch() answered */
	uint32_t site;          /* spawn site of the task */
	uint16_t worker;        /* index of the worker's line */
	uint16_t sleeps;        /* times that it was switched out; saturates */
	int32_t syscall;        /* number, or SYSCALL_FAULT */
	int32_t fd;      /* first argument if that is an open descriptor, whether the call takes one or not; else -1 */
	uint64_t inode;  /* of fd, at the start of the block */
	uint64_t device; /* as st_dev */
	uint32_t fs_magic;    /* as statfs.f_type */
	uint16_t fd_mode;     /* as st_mode */
	uint16_t memory_size; /* bytes in `memory` */
	uint64_t args[6];
	uint64_t regs[BLOCK_REGS];
	uint64_t stack_top;  /* one past the highest address of the task's stack, as the process says */
	uint32_t slot;       /* which state the worker has in the kernel's array */
	uint32_t stack_size; /* bytes in `stack`, copied from regs[BLOCK_REG_SP] upwards */
	uint32_t flags;      /* BLOCK_* */
	uint32_t reserved;
	char name[BLOCK_NAME]; /* the task's at that moment, not necessarily terminated; empty: it has none */
	uint8_t memory
		[BLOCK_MEMORY_MAX]; /* what a pointer argument led to: a path with its NUL (if not cut), an address, a time */
	uint8_t stack[BLOCK_STACK_MAX];
};

_Static_assert(sizeof(struct block_record) == 480 + BLOCK_STACK_MAX, "the layout is the same on both sides");

/* What blocks are added up by. */
struct block_key {
	uint32_t process;
	uint32_t site;
	int32_t syscall;
	uint32_t reserved;
};

struct block_total {
	uint64_t count;
	uint64_t total_ns; /* sum of end - start */
	uint64_t blocked_ns;
	uint64_t cpu_ns;
	uint64_t max_ns;
	uint64_t delayed_tasks;
	uint64_t delayed_ns;
	uint64_t sleeps;
};

/* What switches of a thread inside a task are counted by. */
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
 * One watched thread. Written by the programs alone, and only from that thread's own switches and wake-ups, which never
 * run at once; `live` is also set by the marking iterator. User space reads it through a mapping.
 */
struct worker_state {
	uint32_t seq;             /* odd while `phase` and `block` change */
	uint32_t phase;           /* enum worker_phase */
	uint32_t live;            /* the thread exists and runs the program that was watched */
	uint32_t uninterruptible; /* its last sleep was */
	uint64_t out_ns;          /* when it was switched out last, while blocked */
	uint64_t wake_ns;         /* when it was woken since; 0: not yet */
	uint64_t out_flags;       /* of its thread_info at the last switch out and in */
	uint64_t in_flags;
	uint64_t switches[SWITCH_CAUSE_COUNT]; /* in no task; those in a task are counted by switch_key */
	struct block_record block;
};

/*
 * Which argument of a system call is a pointer worth reading, and how many bytes (a multiple of 8 up to 128; 0: a
 * string). A code of 0: none.
 */
#define POINTER_ARG(argument, bytes) ((uint8_t)((argument) + 1 + ((bytes) / 8 << 3)))
#define POINTER_ARG_INDEX(code)      (((code)&7) - 1)
#define POINTER_ARG_BYTES(code)      ((uint32_t)(code) >> 3 << 3)
#define POINTER_ARG_CALLS            512 /* system calls below this number are known */

#define WATCH_WORKERS   256 /* of one process: SLEY_REGION_WORKERS */
#define WATCH_PROCESSES 64  /* at a time */

/* What the marking iterator is to do with the threads of a process: watch those named, and no other. */
struct watch_request {
	uint32_t process;
	uint32_t place; /* of the process's tables and account, below WATCH_PROCESSES */
	uint32_t reserved;
	uint32_t count;
	uint32_t marked;       /* answer: how many threads are watched now */
	uint32_t record_count; /* the public task records: how many there may be, and where they are in the process */
	uint64_t records;
	uint64_t threads[WATCH_WORKERS]; /* thread pointers */
	uint64_t lines[WATCH_WORKERS];   /* addresses of the workers' lines in the process */
	uint32_t slots[WATCH_WORKERS];   /* of their states */
	uint16_t workers[WATCH_WORKERS]; /* indexes of the lines */
};

/* Of one of those threads, as `look_blocked` found it: asleep in user mode's call or fault. */
struct sleeper {
	uint64_t switches; /* its context switches so far; 0: it does not sleep */
	uint64_t sp;
	uint64_t args[6];
	int32_t syscall;
	uint32_t reserved;
};

/*
 * One of them, for `catch_blocked`: what user space has read of it since, from its region and, where that was to be had,
 * its memory. All of it is of this sleep if the thread still has as many context switches.
 */
struct early_block {
	uint64_t switches;
	uint32_t slot;
	uint32_t stack_size;
	uint32_t memory_size;
	struct sley_region_worker line;
	char name[BLOCK_NAME];
	uint8_t memory[BLOCK_MEMORY_MAX];
	uint8_t stack[BLOCK_STACK_MAX];
};

/* What was lost of a process, and why. X(name, help) */
#define TRACE_DROPS(X) \
	X(ring, "single events: the process's share of the ring buffer was used up") \
	X(totals, "blocks: the process's table of (site, call) was full") \
	X(samples, "longest blocks: the process's room for their stacks was used up") \
	X(switches, "switches: the process's table of (worker, site, cause) was full") \
	X(lines, "switches: the worker's line could not be read") \
	X(workers, "workers: more than the process's share of the room for them")

struct trace_drops {
#define TRACE_DROP_FIELD(name, help) uint64_t name;
	TRACE_DROPS(TRACE_DROP_FIELD)
#undef TRACE_DROP_FIELD
};

/* What a watched process has used of what all share, and what it has lost. */
struct process_account {
	uint64_t ring_bytes; /* put into the ring since user space emptied it last, which sets this back */
	struct trace_drops drops;
};

#endif
