/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 *	look: in its task for HOG_NS ── its thread sleeps ──> it computes at most since now; looks become rarer
 *	           └─ runs, or wants to ──> hog: sampled, looked at again ── proven ──> counted at its end
 */
#include "session/hogs.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "session/stuck.h"
#include "source/look.h"
#include "source/profile.h"
#include "source/sampler.h"

#define PROVEN_NS (HOG_NS / 2) /* computing for so long between two looks */

struct hog {
	struct block_record record; /* number, times and delay are set at its end; registers and stack by a sample */
	struct profile *profile;    /* NULL: its thread cannot be sampled */
	bool sampled, proven;
	int64_t first_ns, last_ns; /* looks at its thread */
	int64_t next_ns;           /* the next one */
	struct computing first, last;
	int64_t seen_ns; /* when it was seen last to be in its task */
	struct sley_region_worker line;
	struct sley_region_block block;
};

static struct hog *hog_of(const struct watch *w, uint32_t worker)
{
	return w->dispatches[worker].hog;
}

static void forget_hog(struct dispatch *d)
{
	if (d->hog != NULL)
		profile_close(d->hog->profile);
	free(d->hog);
	d->hog = NULL;
}

void hogs_free(struct watch *w)
{
	for (uint32_t i = 0; i < SLEY_REGION_WORKERS; i++)
		forget_hog(&w->dispatches[i]);
}

/* Since when it may be computing; *early: perhaps for longer. */
static int64_t started(struct watch *w, const struct dispatch *d, bool *early)
{
	struct sley_region_task t;
	*early = false;
	if (d->slept_ns != 0)
		return d->slept_ns;
	if (region_task(&w->process.region, d->line.task, &t) && t.state == SLEY_TASK_RUNNING && t.since_ns > 0 &&
	    t.since_ns <= d->seen_ns)
		return t.since_ns;
	*early = true;
	return d->seen_ns;
}

/* SAMPLE_NONE: it cannot be told; SAMPLE_RUNNING; or another: the thread sleeps. */
static enum sample look_at_thread(struct watch *w, uint32_t worker, struct computing *c, int *event)
{
	uint32_t sample;
	int error = look_computing(w->process.pid, w->process.dir, w->read[worker].tid, &sample, c, event);
	return error ? SAMPLE_NONE : (enum sample)sample;
}

static void begin_hog(struct watch *w, uint32_t worker, int64_t now)
{
	struct dispatch *d = &w->dispatches[worker];
	struct sley_region_task t;
	struct computing c;
	enum sample sample;
	struct hog *hog;
	int event = -1;
	bool early;
	int64_t start = started(w, d, &early);
	if (now - start < HOG_NS || now < d->look_ns)
		return;
	d->look_ns = now + (now - start);
	sample = look_at_thread(w, worker, &c, &event);
	if (sample != SAMPLE_RUNNING) {
		d->slept_ns = sample == SAMPLE_NONE ? d->slept_ns : now;
		return;
	}
	hog = d->hog = xcalloc(1, sizeof(*hog));
	*hog = (struct hog){ .first_ns = now, .last_ns = now, .first = c, .last = c };
	hog->profile = event >= 0 ? profile_open(event) : NULL;
	hog->record.task = d->line.task;
	hog->record.site = d->line.site < SLEY_REGION_SITES ? d->line.site : 0;
	hog->record.worker = (uint16_t)worker;
	hog->record.dispatches = d->line.dispatches;
	hog->record.stack_top = d->line.stack_top;
	hog->record.syscall = SYSCALL_COMPUTING;
	hog->record.fd = -1;
	hog->record.start_ns = (uint64_t)start;
	hog->record.flags = early ? BLOCK_EARLY : 0;
	if (region_task(&w->process.region, d->line.task, &t))
		memcpy(hog->record.name, t.name, sizeof(hog->record.name));
}

static void sample_hog(const struct watch *w, struct hog *hog, int64_t until)
{
	int64_t offset = w->process.clock_offset_ns;
	if (hog->profile != NULL &&
	    profile_take(hog->profile, (uint64_t)(hog->first_ns - offset), (uint64_t)(until - offset), &hog->record))
		hog->sampled = true;
}

/*
 * Since it was looked at first, it has not slept once; or only a little. A thread that waits for a CPU is told so when it
 * has got one, so on a busy machine only the first is known.
 */
static bool has_computed(const struct hog *hog, int64_t ns)
{
	int64_t computed = (int64_t)(hog->last.ran_ns - hog->first.ran_ns + hog->last.waited_ns - hog->first.waited_ns);
	return (hog->last.sleeps != 0 && hog->last.sleeps == hog->first.sleeps) || computed >= ns / 4 * 3;
}

/* Its times and its delay until `end`. Each picture of it is a new one when it has a sample at last. */
static void weigh_hog(const struct watch *w, struct hog *hog, int64_t end)
{
	struct block_record *r = &hog->record;
	r->number = BLOCKERS_SAMPLED | r->dispatches << 1 | hog->sampled;
	r->cpu_ns = hog->last.waited_ns - hog->first.waited_ns;
	if (r->cpu_ns > (uint64_t)end - r->start_ns)
		r->cpu_ns = (uint64_t)end - r->start_ns;
	dispatch_weigh(&w->dispatches[r->worker], r, end, &hog->line, &hog->block);
}

/* As exactly as the process tells it: when its task left the thread, or the next one got it. */
static int64_t ended(struct watch *w, const struct hog *hog, int64_t now)
{
	const struct sley_region_worker *line = &w->read[hog->record.worker];
	struct sley_region_task t;
	if (line->mode == SLEY_WORKER_TASK && line->dispatches == hog->record.dispatches + 1 &&
	    region_task(&w->process.region, line->task, &t) && t.state == SLEY_TASK_RUNNING &&
	    t.since_ns >= hog->seen_ns && t.since_ns <= now)
		return t.since_ns;
	if (region_task(&w->process.region, hog->record.task, &t) && t.state != SLEY_TASK_RUNNING &&
	    t.since_ns >= hog->seen_ns && t.since_ns <= now)
		return t.since_ns;
	return hog->seen_ns;
}

static void end_hog(struct watch *w, uint32_t worker, int64_t end, hog_fn *take)
{
	struct hog *hog = hog_of(w, worker);
	sample_hog(w, hog, end);
	if (hog->proven) {
		hog->block.past = w->read_blocks[worker].past;
		weigh_hog(w, hog, end);
		hog->record.end_ns = (uint64_t)end;
		take(w, &hog->record);
	}
	forget_hog(&w->dispatches[worker]);
}

static bool is_noted(const struct watch *w, uint32_t worker)
{
	uint64_t note = w->read_blocks[worker].note;
	return SLEY_NOTE_STATE(note) == SLEY_BLOCK_HOG && SLEY_NOTE_DISPATCH(note) == w->read[worker].dispatches;
}

/* Whether it still computes. */
static bool go_on(struct watch *w, uint32_t worker, int64_t now)
{
	struct hog *hog = hog_of(w, worker);
	struct computing c;
	hog->proven |= is_noted(w, worker);
	if (now >= hog->next_ns) {
		enum sample sample = look_at_thread(w, worker, &c, NULL);
		if (sample != SAMPLE_RUNNING && sample != SAMPLE_NONE)
			return false;
		hog->last_ns = now;
		if (sample == SAMPLE_RUNNING) {
			hog->last = c;
			hog->proven |= now - hog->first_ns >= PROVEN_NS && has_computed(hog, now - hog->first_ns);
		}
		hog->next_ns = hog->proven ? now + (now - hog->first_ns) / 2 : now;
	}
	hog->seen_ns = now;
	hog->line = w->read[worker];
	hog->block = w->read_blocks[worker];
	if (!hog->sampled)
		sample_hog(w, hog, now);
	return true;
}

static void look_at_worker(struct watch *w, uint32_t worker, int64_t now, hog_fn *take)
{
	struct dispatch *d = &w->dispatches[worker];
	if (w->read[worker].mode != SLEY_WORKER_TASK)
		return;
	if (d->hog == NULL)
		begin_hog(w, worker, now);
	if (d->hog == NULL || go_on(w, worker, now))
		return;
	end_hog(w, worker, d->hog->seen_ns, take);
	d->slept_ns = now;
	d->look_ns = now;
}

void hogs_over(struct watch *w, uint32_t worker, int64_t now, hog_fn *take)
{
	if (hog_of(w, worker) != NULL)
		end_hog(w, worker, ended(w, hog_of(w, worker), now), take);
}

void hogs_look(struct watch *w, int n, int64_t now, hog_fn *take)
{
	for (int i = 0; i < n; i++)
		look_at_worker(w, (uint32_t)i, now, take);
}

void hogs_read(struct watch *w, struct model *m)
{
	for (uint32_t i = 0; i < m->worker_count; i++) {
		struct model_worker *worker = &m->workers[i];
		struct hog *hog = hog_of(w, i);
		if (hog == NULL || !hog->proven || worker->blocked_ns != MODEL_UNKNOWN || worker->stop != STOP_NONE)
			continue;
		worker->hog = true;
		worker->in_task_ns = m->time_ns - (int64_t)hog->record.start_ns;
		weigh_hog(w, hog, m->time_ns);
		blockers_stuck(&w->blockers, m, &hog->record);
	}
}
