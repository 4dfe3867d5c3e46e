/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Which threads are watched: all of a process, marked by an iterator when the watching begins, and by the kernel program
 * that sees them being made. The process's worker table tells which of them are workers, so that those that sleep are
 * known too. The iterator is run again only when the table has changed.
 *
 * All processes share the states of workers. When none is free, a process gets one from the process with the most
 * states, as long as that one still has more than itself afterwards. So a process with few workers is always watched
 * whole, and no other process can prevent it by its claims. Free states go to the processes ahead of their need: the
 * programs give them to threads that become workers before user space knows of these.
 */
#include "source/tracer_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- slots ---- */

static unsigned slots_of(const struct tracer_process *process)
{
	unsigned n = 0;
	for (unsigned i = 0; i < WATCH_WORKERS; i++)
		n += process->workers[i].used;
	return n;
}

static struct tracer_process *process_with_most_slots(struct tracer *tracer)
{
	struct tracer_process *most = tracer->processes;
	for (struct tracer_process *process = most; process; process = process->next)
		if (slots_of(process) > slots_of(most))
			most = process;
	return most;
}

/* As the programs know the process. */
static volatile struct watched_process *watched_of(struct tracer *tracer, const struct tracer_process *process)
{
	return &tracer->bpf->bss->watched[process->place];
}

static void release_slot(struct tracer *tracer, struct tracer_process *process, unsigned i)
{
	struct tracer_worker *worker = &process->workers[i];
	watched_of(tracer, process)->slots[i] = 0;
	worker->used = false;
	tracer->slot_used[worker->slot] = false;
	tracer->slots_free++;
}

/* Frees a slot of another process that has more than its part. */
static void reclaim_slot(struct tracer *tracer, const struct tracer_process *wants)
{
	struct tracer_process *most = process_with_most_slots(tracer);
	unsigned i = WATCH_WORKERS;
	if (slots_of(most) <= slots_of(wants) + 1)
		return;
	while (!most->workers[--i].used)
		;
	most->workers_dropped += most->workers[i].thread != 0;
	release_slot(tracer, most, i);
}

/* A state for worker `i`, if one is free. */
static bool take_slot(struct tracer *tracer, struct tracer_process *process, unsigned i)
{
	struct tracer_worker *worker = &process->workers[i];
	for (uint32_t slot = 0; slot < tracer->config.max_workers; slot++) {
		struct worker_state *state = &tracer->states[slot];
		if (tracer->slot_used[slot])
			continue;
		tracer->slot_used[slot] = true;
		tracer->slots_free--;
		state->phase = WORKER_UNBLOCKED;
		state->live = 0;
		memset(state->switches, 0, sizeof(state->switches));
		worker->slot = slot;
		worker->used = true;
		__atomic_thread_fence(__ATOMIC_RELEASE);
		watched_of(tracer, process)->slots[i] = slot + 1;
		return true;
	}
	return false;
}

/* States for the workers that may come before the next look. */
static void take_slots_ahead(struct tracer *tracer, struct tracer_process *process)
{
	uint32_t end = process->target.worker_count + WATCH_AHEAD;
	for (uint32_t i = 0; i < WATCH_WORKERS && i < end && i < process->target.workers.capacity; i++)
		if (!process->workers[i].used && !take_slot(tracer, process, i))
			break;
}

static void release_slots(struct tracer *tracer, struct tracer_process *process)
{
	for (unsigned i = 0; i < WATCH_WORKERS; i++)
		if (process->workers[i].used)
			release_slot(tracer, process, i);
}

/* ---- marking ---- */

/* Whether the line names another thread than the marked one, or the marked thread is gone. */
static bool outdated(const struct tracer *tracer, const struct tracer_worker *worker,
		     const struct sley_region_worker *line)
{
	return line->thread != worker->thread || line->tid != worker->tid ||
	       (worker->used && line->thread && !tracer->states[worker->slot].live) ||
	       (!worker->used && line->thread && tracer->slots_free);
}

/* Takes over the lines of the table. Returns whether a thread has to be marked or unmarked. */
static bool read_lines(struct tracer *tracer, struct tracer_process *process)
{
	bool changed = false;
	for (uint32_t i = 0; i < WATCH_WORKERS && i < process->target.worker_count; i++) {
		struct tracer_worker *worker = &process->workers[i];
		struct sley_region_worker line;
		if (!tracer_read_line(process, i, &line) || !outdated(tracer, worker, &line))
			continue;
		changed = true;
		worker->thread = line.thread;
		worker->tid = line.tid;
		if (line.thread && !worker->used && !tracer->slots_free)
			reclaim_slot(tracer, process);
		if (line.thread && !worker->used && !take_slot(tracer, process, i))
			process->workers_dropped++;
	}
	return changed;
}

static void write_request(struct tracer *tracer, const struct tracer_process *process, struct watch_request *request)
{
	memset(request, 0, sizeof(*request));
	request->process = process->key;
	request->place = process->place;
	for (unsigned i = 0; i < WATCH_WORKERS; i++) {
		const struct tracer_worker *worker = &process->workers[i];
		if (!worker->used || !worker->thread)
			continue;
		request->threads[request->count] = worker->thread;
		request->slots[request->count] = worker->slot;
		request->workers[request->count] = i;
		request->count++;
		tracer->states[worker->slot].live = 0;
	}
}

/* Removes the marks of its threads. */
static void forget_threads(struct tracer *tracer, const struct tracer_process *process)
{
	memset((void *)&tracer->bpf->bss->request, 0, sizeof(struct watch_request));
	tracer_mark_threads(tracer, process->target.pidfd);
}

static int mark(struct tracer *tracer, struct tracer_process *process)
{
	struct watch_request *request = (void *)&tracer->bpf->bss->request;
	int error;
	write_request(tracer, process, request);
	error = tracer_mark_threads(tracer, process->target.pidfd);
	if (error)
		return error;
	process->walked = true;
	if (process->marked && request->count && !request->marked) {
		forget_threads(tracer, process); /* they run another program */
		return -ESRCH;
	}
	process->marked |= request->marked > 0;
	return request->marked ? tracer_catch_blocked(tracer, process) : 0;
}

/* ---- the interface ---- */

static bool possible(const struct tracer_target *target)
{
	return target->workers.stride >= sizeof(struct sley_region_worker) && target->workers.offset < 1ULL << 40 &&
	       target->workers.stride <= 4096 &&
	       (target->blocks.capacity == 0 ||
		(target->blocks.stride >= sizeof(struct sley_region_block) && target->blocks.stride <= 4096));
}

int tracer_refresh(struct tracer *tracer, uint32_t key, uint32_t worker_count)
{
	struct tracer_process *process = tracer_find(tracer, key);
	bool changed;
	if (!process)
		return -ESRCH;
	process->target.worker_count = worker_count;
	changed = read_lines(tracer, process);
	take_slots_ahead(tracer, process);
	return changed || !process->walked ? mark(tracer, process) : 0;
}

/* Every process is sure of the same part of the ring. */
static void share_ring(struct tracer *tracer)
{
	uint32_t n = tracer->process_count ?: 1;
	__atomic_store_n(&tracer->bpf->bss->ring_share, tracer->config.ring_size / n, __ATOMIC_RELAXED);
}

static void write_watched(const struct tracer_process *process, volatile struct watched_process *watched)
{
	const struct tracer_target *target = &process->target;
	watched->line_stride = target->workers.stride;
	watched->lines = target->address + target->workers.offset;
	watched->block_stride = target->blocks.stride;
	watched->blocks = target->blocks.capacity ? target->address + target->blocks.offset : 0;
	watched->record_count = target->tasks.capacity;
	watched->records = target->address + target->tasks.offset;
	watched->worker_word = target->worker_word;
	watched->clock_offset_ns = target->clock_offset_ns;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	watched->process = process->key;
}

/* Puts the process among the others, with tables and an account. 0 or a negative errno: then it is not there. */
static int add_process(struct tracer *tracer, struct tracer_process *process)
{
	int error;
	while (process->place < WATCH_PROCESSES && tracer->place_used[process->place])
		process->place++;
	if (process->place == WATCH_PROCESSES)
		return -ENOSPC;
	error = tracer_open_tables(tracer, process);
	if (error) {
		tracer_close_tables(tracer, process);
		return error;
	}
	tracer->place_used[process->place] = true;
	tracer_clear_samples(tracer, process);
	write_watched(process, watched_of(tracer, process));
	process->next = tracer->processes;
	tracer->processes = process;
	tracer->process_count++;
	share_ring(tracer);
	return 0;
}

static void remove_process(struct tracer *tracer, struct tracer_process *process)
{
	struct tracer_process **link = &tracer->processes;
	while (*link != process)
		link = &(*link)->next;
	*link = process->next;
	watched_of(tracer, process)->process = 0;
	tracer->process_count--;
	share_ring(tracer);
	tracer_close_tables(tracer, process);
	tracer->place_used[process->place] = false;
}

int tracer_watch(struct tracer *tracer, const struct tracer_target *target, uint32_t *key)
{
	struct tracer_process *process;
	int error;
	if (!possible(target))
		return -EINVAL;
	process = calloc(1, sizeof(*process));
	if (!process)
		return -ENOMEM;
	process->key = ++tracer->last_key;
	process->target = *target;
	error = add_process(tracer, process);
	if (error) {
		free(process);
		return error;
	}
	error = tracer_refresh(tracer, process->key, target->worker_count);
	if (error) {
		tracer_unwatch(tracer, process->key);
		return error;
	}
	*key = process->key;
	return 0;
}

void tracer_unwatch(struct tracer *tracer, uint32_t key)
{
	struct tracer_process *process = tracer_find(tracer, key);
	if (!process)
		return;
	forget_threads(tracer, process);
	release_slots(tracer, process);
	remove_process(tracer, process);
	free(process);
}

unsigned tracer_workers(struct tracer *tracer, uint32_t key)
{
	const struct tracer_process *process = tracer_find(tracer, key);
	unsigned live = 0;
	for (unsigned i = 0; process && i < WATCH_WORKERS; i++)
		live += process->workers[i].used && tracer->states[process->workers[i].slot].live;
	return live;
}

/* ---- calibration ---- */

#define CALIBRATION_SLEEPS 5
#define CALIBRATION_TRIES  3

/* The flags that the kernel raised in each of some sleeps of the calling thread, which were clear before each. */
static uint64_t flags_of_sleeps(struct tracer *tracer, uint32_t slot)
{
	const volatile struct worker_state *state = &tracer->states[slot];
	const struct timespec while_ = { .tv_nsec = 20000 };
	uint64_t raised = ~0ULL;
	for (int i = 0; i < CALIBRATION_SLEEPS; i++) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &while_, NULL);
		raised &= state->in_flags & ~state->out_flags;
	}
	return raised;
}

/* A preemption on the way out of a sleep spoils one try. A kernel without such a flag spoils all. */
static uint64_t find_flags(struct tracer *tracer, uint32_t key)
{
	const struct tracer_process *self = tracer_find(tracer, key);
	uint64_t raised = 0;
	for (int i = 0; i < CALIBRATION_TRIES && self->workers[0].used; i++)
		raised |= flags_of_sleeps(tracer, self->workers[0].slot);
	return raised;
}

/* The calling thread plays a worker that is outside of runs. */
int tracer_calibrate(struct tracer *tracer)
{
	struct tracer_target target = { .workers = { .stride = sizeof(struct sley_region_worker), .capacity = 1 },
					.worker_count = 1 };
	struct sley_region_worker line = { .thread = (uint64_t)pthread_self() };
	uint32_t key;
	int error;
	target.region = memfd_create("asynctop", MFD_CLOEXEC);
	target.pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	if (target.region < 0 || target.pidfd < 0 || write(target.region, &line, sizeof(line)) != sizeof(line)) {
		error = -errno;
	} else {
		target.address = (uint64_t)&line;
		error = tracer_watch(tracer, &target, &key);
	}
	if (!error) {
		tracer->bpf->bss->resume_flags = find_flags(tracer, key);
		tracer_unwatch(tracer, key);
	}
	if (target.region >= 0)
		close(target.region);
	if (target.pidfd >= 0)
		close(target.pidfd);
	return error;
}
