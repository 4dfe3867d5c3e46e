/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The watched threads, and the workers that they are.
 *
 * The iterator `watch` comes to the process's first thread, and marks the process there; then it marks this and all other
 * threads, one by one. on_newtask marks those that are made afterwards. No thread is left out between the two: the kernel
 * puts a new thread at the end of the process's list, and calls on_newtask then. If this finds the process unmarked, the
 * walk has not passed the first thread, so it comes to the new one later. And a new thread does not run before on_newtask
 * is over, so its first switch out finds its mark.
 *
 * The walk also knows the workers that there are, which may sleep. It ends early if the thread at which it is ends just
 * then. Then a worker is not `live`, and user space walks again at its next look.
 *
 * A child process has a first thread of its own, after vfork() too, so it is not marked. A mark belongs to the thread, so
 * another thread with the same number has none.
 */
#ifndef SLEY_BPF_THREADS_H
#define SLEY_BPF_THREADS_H

#include "kernel.h"

#include <bpf/bpf_helpers.h>

#include "events.h"
#include "sley/introspect.h"

/* Set by user space at run time. */
struct watched_process watched[WATCH_PROCESSES] = {};
struct watch_request request = {};

/* A thread's mark. It dies with the thread; exec removes it. */
struct thread {
	uint32_t process; /* written last; 0: it is being made */
	uint32_t place;
	uint32_t slot;   /* index plus 1 of its state; 0: it is no worker. Written after `worker` */
	uint32_t worker; /* its number, if it is one */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

/* The mark of a process, at its first thread, which exists as long as the process does. */
struct process {
	uint32_t process; /* as above */
	uint32_t place;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct process);
} processes SEC(".maps");

static const struct watched_process *process_of(const struct thread *thread)
{
	return &watched[thread->place & (WATCH_PROCESSES - 1)];
}

static uint64_t line_of(const struct watched_process *process, uint32_t worker)
{
	return process->lines + (uint64_t)worker * process->line_stride;
}

/* All times of blocks are by the process's clock, as those that it tells itself. */
static uint64_t now_of(const struct thread *thread)
{
	return bpf_ktime_get_ns() + process_of(thread)->clock_offset_ns;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 512);
	__type(key, uint32_t);
	__type(value, struct worker_state);
} workers SEC(".maps");

/* The state of a worker's thread. User space takes a state back by removing it from the process's slots. */
static struct worker_state *state_of(const struct thread *thread)
{
	const struct watched_process *process = process_of(thread);
	uint32_t index = thread->slot - 1;
	if (process->process != thread->process || process->slots[thread->worker & (WATCH_WORKERS - 1)] != thread->slot)
		return NULL;
	return bpf_map_lookup_elem(&workers, &index);
}

/* The thread is a worker from now on. */
static void take_state(struct thread *thread, struct worker_state *state, const struct task_struct *task,
		       uint32_t worker, uint32_t slot)
{
	thread->worker = worker;
	barrier();
	thread->slot = slot;
	state->live = task->pid;
}

/* The current thread's mark, and its line, if it is a worker in a task; else null. */
static const struct thread *read_task(struct task_struct *current, struct sley_region_worker *line)
{
	const struct thread *thread = bpf_task_storage_get(&threads, current, NULL, 0);
	const struct watched_process *process = thread ? process_of(thread) : NULL;
	if (!process || !thread->slot || process->process != thread->process ||
	    bpf_probe_read_user(line, sizeof(*line), (void *)line_of(process, thread->worker)) ||
	    line->thread != current->thread.fsbase || line->mode != SLEY_WORKER_TASK)
		return NULL;
	return thread;
}

/* ---- marking ---- */

static struct thread *mark(struct task_struct *task, uint32_t process, uint32_t place)
{
	struct thread *thread;
	if (task->flags & (PF_EXITING | PF_IO_WORKER))
		return NULL;
	thread = bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread || thread->process == process)
		return thread;
	thread->slot = 0;
	thread->place = place;
	barrier();
	thread->process = process;
	return thread;
}

/* A search in the request's list. Called by the kernel's loop, which the verifier reads once: not each of its turns. */
struct search {
	uint64_t thread; /* 0: by slot */
	uint32_t slot;
	uint32_t found; /* index, or WATCH_WORKERS */
};

static long compare(uint32_t i, struct search *search)
{
	if (i >= WATCH_WORKERS ||
	    (search->thread ? request.threads[i] != search->thread : request.slots[i] != search->slot))
		return 0;
	search->found = i;
	return 1;
}

static uint32_t find(uint64_t thread, uint32_t slot)
{
	struct search search = { thread, slot, WATCH_WORKERS };
	bpf_loop(request.count, compare, &search, 0);
	return search.found;
}

#endif
