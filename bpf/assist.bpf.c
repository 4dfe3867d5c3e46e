// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Copyright (c) 2026 the sley authors */
/*
 * Tells a process's runtime that a task has blocked its thread, at the moment at which the kernel switches it out.
 *
 *   switch out, asleep, in a task ──► levels[worker] = dispatch ──► does that matter now? ── yes ──► the bell
 *                                                                    └─ no ──► quiet + 1
 *   wake-up, or switch in ──────────► levels[worker] = 0, how long was it?
 *   switch in, from the idle wait ──► quiet > 0? ── yes ──► the bell
 *
 * The level is the truth; the bell (a record in a ring buffer) only wakes the thread that looks at the levels. A bell that
 * is late, doubled or lost does no harm: the level is looked at again, and the runtime's tick looks without a bell.
 *
 * It does not matter now if all of this holds: nothing is queued at any worker or for all; a worker waits in the reactor,
 * so new work is seen; and every other worker sleeps too, so nobody makes new work before one of them is switched in. Then
 * the bell comes at that switch. So a service at low load, whose workers block one at a time, pays for no bell.
 *
 * A block that is shorter than the way from the bell to a spare is over before the spare runs. So a site rings for its
 * next RINGS blocks after each long one, and no more. A site with 20 us blocks alone is silent, and one in which one
 * block in 100 is long rings mostly. What a silent site delays is found by the tick, as the runtime's own sources would.
 *
 * A stop by a signal, a debugger or the freezer is no block (assist-tick's rule too): these states have no such bits.
 *
 * The worker's line and the other words are the process's own, and read in its own address space: false ones make that
 * process's bells wrong.
 */
#include "kernel.h"

#pragma clang diagnostic ignored "-Wunused-parameter" /* BPF_PROG's own */

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "assist.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define LONG_NS 50000 /* about the time from a block until a spare runs a task */
#define RINGS   128
#define LINES   64 /* workers that are looked at; with more, the bell always rings */

/* Set by user space. */
struct assist_place place = {};
struct assist_request request = {};

uint64_t levels[ASSIST_WORKERS] = {};
uint32_t quiet = 0; /* workers that are blocked and did not ring; an estimate, never too small for long */
/* short blocks of a site since its last long one, or since the beginning; stays at RINGS */
uint8_t short_blocks[SLEY_REGION_SITES] = {};

/* A watched thread. */
struct thread {
	uint64_t line;
	uint32_t worker;
	uint32_t site;   /* of the task that blocks it */
	uint64_t out_ns; /* time of the switch out; 0: it is not blocked by a task */
	bool idle;       /* switched out in the runtime's idle wait */
	bool quiet;      /* counted there */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} bell SEC(".maps");

/* A full ring has a bell in it that is not taken out. */
static void ring(uint32_t worker)
{
	uint64_t record = worker;
	bpf_ringbuf_output(&bell, &record, sizeof(record), 0);
}

/* ---- whether it matters ---- */

/* The part of a line that tells what the worker is at. */
struct glance {
	uint32_t tid;
	uint16_t mode;
	uint16_t index;
	uint64_t task;
	uint32_t site;
	uint32_t queue;
};

/* Whether some worker has work, or is to be expected to make some: one that runs, other than this one. */
static bool others_need(uint32_t worker)
{
	for (uint32_t i = 0; i < LINES && i < place.count; i++) {
		struct glance glance;
		uint64_t at =
			place.lines + (uint64_t)i * place.stride + __builtin_offsetof(struct sley_region_worker, tid);
		if (i == worker || bpf_probe_read_user(&glance, sizeof(glance), (void *)at))
			continue;
		if (glance.mode != SLEY_WORKER_GONE && glance.queue > 0)
			return true;
		if (glance.mode == SLEY_WORKER_RUNTIME || (glance.mode == SLEY_WORKER_TASK && !levels[i]))
			return true;
	}
	return false;
}

static bool matters(const struct thread *thread, const struct sley_region_worker *line)
{
	uint64_t poller = 0;
	uint32_t length = 0;
	if (short_blocks[thread->site & (SLEY_REGION_SITES - 1)] >= RINGS)
		return false;
	if (line->queue > 0 || place.count > LINES)
		return true;
	if (bpf_probe_read_user(&poller, sizeof(poller), (void *)place.poller) || !poller)
		return true;
	if (bpf_probe_read_user(&length, sizeof(length), (void *)place.global_length) || length > 0)
		return true;
	return others_need(thread->worker);
}

/* ---- switches ---- */

static void blocked(struct thread *thread)
{
	struct sley_region_worker line;
	thread->idle = false;
	if (bpf_probe_read_user(&line, sizeof(line), (void *)thread->line))
		return;
	thread->idle = line.mode == SLEY_WORKER_IDLE;
	if (line.mode != SLEY_WORKER_TASK)
		return;
	thread->site = line.site;
	thread->out_ns = bpf_ktime_get_ns();
	levels[thread->worker & (ASSIST_WORKERS - 1)] = line.dispatches;
	thread->quiet = !matters(thread, &line);
	if (thread->quiet)
		__sync_fetch_and_add(&quiet, 1);
	else
		ring(thread->worker);
}

static void learn(const struct thread *thread, uint64_t took)
{
	uint8_t *n = &short_blocks[thread->site & (SLEY_REGION_SITES - 1)];
	if (took >= LONG_NS)
		*n = 0;
	else if (*n < RINGS)
		++*n;
}

/* At the first event after the block that is seen. */
static void unblocked(struct thread *thread)
{
	if (!thread->out_ns)
		return;
	levels[thread->worker & (ASSIST_WORKERS - 1)] = 0;
	if (thread->quiet)
		__sync_fetch_and_add(&quiet, -1);
	thread->quiet = false;
	learn(thread, bpf_ktime_get_ns() - thread->out_ns);
	thread->out_ns = 0;
}

/*
 * From here on the thread waits for a CPU, which is no block. It also ends the level of a thread whose switch in is not seen:
 * some kernels hide switches from a hypervisor's agent. Not sched_waking, which may run before the switch out is over.
 */
SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	struct thread *thread = bpf_task_storage_get(&threads, task, NULL, 0);
	if (thread)
		unblocked(thread);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	struct thread *thread;
	thread = bpf_task_storage_get(&threads, prev, NULL, 0);
	if (thread) {
		unblocked(thread);
		if (!preempt && prev_state & (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE))
			blocked(thread);
	}
	thread = bpf_task_storage_get(&threads, next, NULL, 0);
	if (thread) {
		unblocked(thread);
		if (thread->idle && quiet > 0)
			ring(thread->worker);
		thread->idle = false;
	}
	return 0;
}

/* The thread runs a new program: its memory is not the watched one. The other threads are dead by now. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	struct thread *thread = bpf_task_storage_get(&threads, task, NULL, 0);
	if (!thread)
		return 0;
	unblocked(thread);
	bpf_task_storage_delete(&threads, task);
	return 0;
}

/* ---- marking: as in blocked.bpf.c ---- */

/*
 * A thread may have been blocked when it was marked: then nobody has seen it being switched out. If it wakes up at this very
 * moment, the level stays until it is switched out the next time.
 */
static void catch_blocked(struct thread *thread, const struct task_struct *task, uint64_t dispatch)
{
	if (!dispatch || thread->out_ns || task->on_cpu ||
	    !(task->__state & (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)))
		return;
	thread->out_ns = bpf_ktime_get_ns();
	levels[thread->worker & (ASSIST_WORKERS - 1)] = dispatch;
	ring(thread->worker);
}

SEC("iter/task")
int watch(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct thread *thread;
	uint64_t pointer;
	if (!task)
		return 0;
	pointer = task->thread.fsbase;
	if (!pointer)
		return 0;
	for (uint32_t i = 0; i < ASSIST_WORKERS && i < request.count; i++) {
		if (request.threads[i] != pointer || task->flags & (PF_EXITING | PF_IO_WORKER))
			continue;
		request.marked++;
		thread = bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!thread)
			return 0;
		thread->line = place.lines + (uint64_t)i * place.stride;
		thread->worker = i;
		catch_blocked(thread, task, request.dispatches[i]);
		return 0;
	}
	bpf_task_storage_delete(&threads, task);
	return 0;
}
