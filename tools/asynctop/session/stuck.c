/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Looking at threads that do not move. */
#include "session/stuck.h"

#include <string.h>

#include "delay.h"
#include "source/look.h"
#include "source/sampler.h"

#define STUCK_NS 40000000 /* a task that has its thread so long is looked at */

static enum stop stop_of(enum sample sample)
{
	return sample == SAMPLE_STOPPED  ? STOP_SIGNAL
	       : sample == SAMPLE_TRACED ? STOP_DEBUGGER
	       : sample == SAMPLE_FROZEN ? STOP_FREEZER
					 : STOP_NONE;
}

void dispatch_weigh(const struct dispatch *d, struct block_record *r, int64_t end,
		    const struct sley_region_worker *line, const struct sley_region_block *block)
{
	r->queued = d->line.queue < DELAYED_MOST ? d->line.queue : DELAYED_MOST;
	r->elsewhere = d->line.elsewhere;
	r->elsewhere_ns = d->line.elsewhere_ns;
	r->pinned = d->block.pinned < DELAYED_MOST ? d->block.pinned : DELAYED_MOST;
	r->pinned_ns = d->block.pinned_ns;
	r->late = d->block.late;
	r->late_ns = d->block.late_ns;
	r->late_found_ns = d->block.late_found_ns;
	r->before_ns = r->longest_ns = 0;
	weigh_delay(r, (uint64_t)end, line, block);
}

static void read_stuck(struct watch *w, struct model *m)
{
	static struct block_record r;
	for (uint32_t i = 0; i < m->worker_count; i++) {
		struct model_worker *worker = &m->workers[i];
		const struct dispatch *d = &w->dispatches[i];
		struct sley_region_task t;
		enum sample sample;
		if (worker->in_task_ns < STUCK_NS || worker->blocked_ns != MODEL_UNKNOWN)
			continue;
		sample = sampler_look(&w->process, &worker->line, &r);
		worker->stop = stop_of(sample);
		if (sample == SAMPLE_NONE && worker->block.stopped)
			worker->stop = STOP_SOMEBODY;
		if (sample != SAMPLE_BLOCKED)
			continue;
		r.number = BLOCKERS_SAMPLED | d->line.dispatches;
		r.flags = BLOCK_EARLY;
		r.start_ns = (uint64_t)d->seen_ns;
		dispatch_weigh(d, &r, m->time_ns, &worker->line, &worker->block);
		memset(r.name, 0, sizeof(r.name));
		if (region_task(&w->process.region, r.task, &t))
			memcpy(r.name, t.name, sizeof(r.name));
		worker->syscall = r.syscall;
		memcpy(worker->args, r.args, sizeof(worker->args));
		worker->blocked_ns = worker->in_task_ns;
		blockers_stuck(&w->blockers, m, &r);
	}
}

/* A process that is stopped as a whole may have no thread in a task: it shows in that nothing moves. */
static void read_stopped_idle(struct watch *w, struct model *m)
{
	bool look = m->time_ns - w->moved_ns >= STUCK_NS;
	for (uint32_t i = 0; look && i < m->worker_count; i++) {
		struct model_worker *worker = &m->workers[i];
		uint32_t sample;
		if (worker->line.mode == SLEY_WORKER_GONE || worker->line.mode == SLEY_WORKER_TASK)
			continue;
		look = look_state(w->process.pid, w->process.dir, worker->line.tid, &sample) == 0;
		worker->stop = look ? stop_of(sample) : STOP_NONE;
		look = worker->stop != STOP_NONE;
	}
}

void stuck_read(struct watch *w, struct model *m)
{
	read_stuck(w, m);
	read_stopped_idle(w, m);
}
