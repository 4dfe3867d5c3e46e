/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "session/warnings.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "model/waits.h"
#include "model/warning.h"
#include "session/futexes.h"
#include "session/places.h"
#include "session/trends.h"
#include "source/look.h"

#define LOOKED_AT 128u /* objects, at a tick */
#define READS     512u /* of the process's memory, at a tick */

/* ---- who keeps what ---- */

struct reader {
	struct watch *watch;
	const struct model *model;
	unsigned reads;
};

static bool read_object(struct reader *r, uint64_t address, void *to, size_t size)
{
	const struct process *p = &r->watch->process;
	return r->reads++ < READS && look_bytes(p->pid, p->dir, address, to, size) == 0;
}

/* What an object tells besides its holder: see struct model_warning. */
struct facts {
	uint64_t readers, capacity;
	uint32_t pool, threads;
};

/* The task or thread that could end such a wait; 0: it is not known. */
static uint64_t holder_of(struct reader *r, uint32_t kind, uint64_t object, struct facts *facts)
{
	struct sley_object_mutex mutex;
	struct sley_object_rwlock rwlock;
	struct sley_object_chan chan;
	struct sley_object_queue queue;
	*facts = (struct facts){ 0 };
	switch (waits_kind(kind)) {
	case SLEY_WAIT_MUTEX:
		return read_object(r, object, &mutex, sizeof(mutex)) ? SLEY_MUTEX_OWNER(mutex.owner) : 0;
	case SLEY_WAIT_WRLOCK:
		if (!read_object(r, object, &rwlock, sizeof(rwlock)))
			return 0;
		facts->readers = rwlock.readers > 0 ? (uint64_t)rwlock.readers : 0;
		return rwlock.writer > 0 ? (uint64_t)rwlock.writer : 0;
	case SLEY_WAIT_SEND:
	case SLEY_WAIT_RECV:
		if (object == 0 || !read_object(r, object, &chan, sizeof(chan)))
			return 0;
		facts->capacity = chan.capacity;
		return kind == SLEY_WAIT_SEND ? chan.receiver : chan.sender;
	case SLEY_WAIT_QUEUE:
		if (read_object(r, object, &queue, sizeof(queue)))
			*facts = (struct facts){ .capacity = queue.places, .pool = queue.pool, .threads = queue.limit };
		return 0;
	case SLEY_WAIT_JOIN:
		return object;
	default:
		return 0;
	}
}

/* ---- links ---- */

static void fill_link(struct reader *r, struct model_link *l, uint64_t id)
{
	const struct model *m = r->model;
	struct sley_region_task t;
	*l = (struct model_link){ .task = id, .worker = UINT32_MAX, .in_state_ns = MODEL_UNKNOWN };
	if (!region_task(&r->watch->process.region, id, &t))
		return;
	model_task_name(m, &t, l->name);
	l->site = t.site;
	l->state = t.state;
	l->wait_kind = t.wait_kind;
	l->wait_object = t.wait_object;
	l->wait_pc = t.wait_pc;
	l->in_state_ns = waits_ns(m, &t);
	l->at_least = model_in_state(m, &t) == MODEL_UNKNOWN;
	for (uint32_t i = 0; t.state == SLEY_TASK_RUNNING && i < m->worker_count; i++)
		if (m->workers[i].line.mode == SLEY_WORKER_TASK && m->workers[i].line.task == id)
			l->worker = i;
}

/* Whether the task is still in the same wait, that has lasted for long: then all that was read of its object belongs to it. */
static bool still_waits(struct reader *r, const struct model_link *l)
{
	struct sley_region_task t;
	return l->in_state_ns >= WAITS_LONG_NS && region_task(&r->watch->process.region, l->task, &t) &&
	       t.state == SLEY_TASK_WAITING && t.wait_kind == l->wait_kind && t.wait_object == l->wait_object &&
	       t.wait_pc == l->wait_pc && waits_ns(r->model, &t) >= l->in_state_ns;
}

/* A cycle begins with the task whose id is the smallest, so that it is found again. */
static void turn(struct model_link *links, unsigned n)
{
	struct model_link turned[MODEL_LINKS];
	unsigned first = 0;
	for (unsigned i = 1; i < n; i++)
		if (links[i].task < links[first].task)
			first = i;
	for (unsigned i = 0; i < n; i++)
		turned[i] = links[(first + i) % n];
	memcpy(links, turned, n * sizeof(*links));
}

/*
 * Leaves the links from `from` on, if these are a deadlock. Tasks that only wait to receive from each other may be idle:
 * others may send to them.
 */
static bool is_deadlock(struct reader *r, struct model_warning *w, unsigned from)
{
	unsigned n = w->link_count - from;
	bool idle = true;
	if (n < 2) /* it was handed the lock just now */
		return false;
	for (unsigned i = from; i < w->link_count; i++) {
		if (!still_waits(r, &w->links[i]))
			return false;
		idle &= w->links[i].wait_kind == SLEY_WAIT_RECV;
	}
	if (idle)
		return false;
	memmove(w->links, w->links + from, n * sizeof(*w->links));
	w->link_count = n;
	turn(w->links, n);
	return true;
}

/* Follows the waits from a task on. Returns whether they are a deadlock. */
static bool follow_waits(struct reader *r, struct model_warning *w, uint64_t id)
{
	struct facts facts;
	while (id != 0 && w->link_count < MODEL_LINKS) {
		struct model_link *l = &w->links[w->link_count];
		for (unsigned i = 0; i < w->link_count; i++)
			if (w->links[i].task == id)
				return is_deadlock(r, w, i);
		fill_link(r, l, id);
		w->link_count++;
		id = 0;
		if (l->state != SLEY_TASK_WAITING)
			break;
		id = holder_of(r, l->wait_kind, l->wait_object, &facts);
		if (w->link_count == 1) {
			w->readers = facts.readers;
			w->capacity = facts.capacity;
			w->pool = facts.pool;
			w->threads = facts.threads;
		}
	}
	return false;
}

/* ---- warnings ---- */

/* The same deadlock, found from another of its objects. */
static struct model_warning *find_deadlock(struct model *m, const struct model_warning *w)
{
	for (uint32_t i = 0; i < m->warning_count; i++)
		if (m->warnings[i].kind == WARNING_DEADLOCK && m->warnings[i].links[0].task == w->links[0].task)
			return &m->warnings[i];
	return NULL;
}

static int64_t sum_of(int64_t a, int64_t b)
{
	int64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static void add_deadlock(struct model *m, struct model_warning *w)
{
	struct model_warning *same = find_deadlock(m, w);
	w->kind = WARNING_DEADLOCK;
	if (same == NULL) {
		warning_add(m, w);
		return;
	}
	same->tasks += w->tasks;
	same->sum_ns = sum_of(same->sum_ns, w->sum_ns);
	if (w->longest_ns > same->longest_ns)
		same->longest_ns = w->longest_ns;
	model_warning_free(w);
}

/* A call on another thread: it is looked for where others wait for a place. */
static bool is_only_looked_for(uint32_t kind)
{
	return kind == SLEY_WAIT_OFFLOAD || kind == SLEY_WAIT_RESOLVE;
}

/*
 * A join is no warning in itself. Nor is a lock that has just been handed to its first waiter, or a channel or queue for
 * which many tasks wait, none for long.
 */
static bool is_warning(const struct model_warning *w)
{
	bool passes = w->wait_kind == SLEY_WAIT_SEND || w->wait_kind == SLEY_WAIT_QUEUE;
	return (!passes || w->longest_ns >= WAITS_LONG_NS) && w->wait_kind != SLEY_WAIT_JOIN && w->link_count > 0 &&
	       w->links[0].state == SLEY_TASK_WAITING && w->links[0].wait_object == w->object && w->object != 0;
}

static enum warning kind_of(uint32_t wait_kind)
{
	switch (wait_kind) {
	case SLEY_WAIT_SEND:
		return WARNING_CHANNEL;
	case SLEY_WAIT_QUEUE:
		return WARNING_QUEUE;
	default:
		return WARNING_LOCK;
	}
}

/* Adds the task whose call in such a pool has lasted longest. What function it calls does not tell which pool runs it. */
static void add_longest_call(struct reader *r, struct model_warning *w, const struct tally_slot *worst, uint32_t count)
{
	uint32_t kind = w->pool == SLEY_QUEUE_NAMES ? SLEY_WAIT_RESOLVE : SLEY_WAIT_OFFLOAD;
	const struct tally_slot *longest = NULL;
	for (uint32_t i = 0; i < count; i++)
		if (worst[i].kind == kind && (longest == NULL || worst[i].longest_ns > longest->longest_ns))
			longest = &worst[i];
	if (longest == NULL)
		return;
	fill_link(r, &w->links[1], longest->first);
	if (w->links[1].state == SLEY_TASK_WAITING && w->links[1].wait_kind == kind)
		w->link_count = 2;
}

static void look_at(struct reader *r, struct model *m, const struct tally_slot *worst, uint32_t count, uint32_t which)
{
	const struct tally_slot *s = &worst[which];
	struct model_warning w = {
		.wait_kind = (uint8_t)s->kind,
		.object = s->what,
		.tasks = s->waiting,
		.longest_ns = s->longest_ns,
		.sum_ns = s->sum_ns,
		.links = xcalloc(MODEL_LINKS, sizeof(*w.links)),
	};
	if (follow_waits(r, &w, s->first)) {
		add_deadlock(m, &w);
	} else if (is_warning(&w)) {
		w.kind = kind_of(w.wait_kind);
		if (w.kind == WARNING_QUEUE)
			add_longest_call(r, &w, worst, count);
		warning_add(m, &w);
	} else {
		model_warning_free(&w);
	}
}

/* Tasks that compute for long, as session/hogs.c has proved. */
static void look_at_computing(struct reader *r, struct model *m, const struct model_worker *worker)
{
	struct model_warning w = { .kind = WARNING_NOT_YIELDING, .longest_ns = worker->in_task_ns, .link_count = 1 };
	if (!worker->hog || worker->in_task_ns < WAITS_LONG_NS)
		return;
	w.tasks = worker->line.queue;
	w.links = xcalloc(1, sizeof(*w.links));
	fill_link(r, w.links, worker->line.task);
	w.links->worker = worker->line.index;
	warning_add(m, &w);
}

void warnings_read(struct watch *w, struct model *m, const struct tally *waits)
{
	struct reader reader = { .watch = w, .model = m };
	uint32_t count;
	for (uint32_t i = 0; i < m->worker_count; i++)
		look_at_computing(&reader, m, &m->workers[i]);
	trends_read(w->trends, m);
	futexes_read(w, m);
	struct tally_slot *worst = waits_worst(waits, &count);
	for (uint32_t i = 0, n = 0; i < count && n < LOOKED_AT && worst[i].sum_ns >= WAITS_LONG_NS; i++) {
		if (is_only_looked_for(worst[i].kind))
			continue;
		look_at(&reader, m, worst, count, i);
		n++;
	}
	free(worst);
}

void warnings_resolve(struct watch *w, struct model *m)
{
	for (uint32_t i = 0; i < m->warning_count; i++) {
		struct model_warning *warning = &m->warnings[i];
		struct text text = { 0 };
		place_of_return(w, &warning->place, warning->site, warning->pc);
		for (unsigned k = 0; k < warning->link_count; k++) {
			futexes_place(w, &warning->links[k]);
			if (warning->links[k].state == SLEY_TASK_WAITING)
				place_of_return(w, &warning->links[k].place, warning->links[k].site,
						warning->links[k].wait_pc);
		}
		warning_put(&text, m, warning);
		free(warning->text);
		warning->text = text.data;
	}
	qsort(m->warnings, m->warning_count, sizeof(*m->warnings), warning_compare);
}
