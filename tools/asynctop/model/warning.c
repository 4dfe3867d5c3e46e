/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The sentences about tasks that wait for each other. */
#include "model/warning.h"

#include <inttypes.h>

#include "common/memory.h"
#include "model/verdict.h"
#include "model/waits.h"

void warning_add(struct model *m, const struct model_warning *w)
{
	m->warnings = xresize(m->warnings, m->warning_count + 1, sizeof(*m->warnings));
	m->warnings[m->warning_count++] = *w;
}

int warning_compare(const void *a, const void *b)
{
	const struct model_warning *x = a, *y = b;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->sum_ns != y->sum_ns)
		return x->sum_ns > y->sum_ns ? -1 : 1;
	return (x->tasks < y->tasks) - (x->tasks > y->tasks);
}

/* ---- parts of sentences ---- */

static bool is_thread(uint64_t id)
{
	return id != 0 && (id & SLEY_TASK_INDEX_MASK) == 0;
}

static void put_object(struct text *out, unsigned kind, uint64_t object)
{
	switch (waits_kind(kind)) {
	case SLEY_WAIT_MUTEX:
		text_printf(out, "mutex %#" PRIx64, object);
		break;
	case SLEY_WAIT_WRLOCK:
		text_printf(out, "rwlock %#" PRIx64, object);
		break;
	case SLEY_WAIT_SEND:
	case SLEY_WAIT_RECV:
		text_printf(out, "channel %#" PRIx64, object);
		break;
	default:
		text_printf(out, "%s %#" PRIx64, wait_kind_text(kind), object);
	}
}

/* "task 7 "flush" (spawned at log.c:30 by main)", or what else the holder of a lock is. */
static void put_who(struct text *out, const struct model *m, const struct model_link *l)
{
	if (is_thread(l->task))
		text_puts(out, "a thread that is no worker");
	else if (l->state == SLEY_TASK_FREE)
		text_printf(out, "task %" PRIu64, l->task);
	else
		verdict_put_task(out, m, l->task, l->name, l->site);
}

static void put_for(struct text *out, int64_t ns, bool at_least)
{
	char time[TEXT_SHORT];
	if (ns > 0)
		text_printf(out, " for %s%s", at_least ? "at least " : "", text_duration(time, ns));
}

static void put_called(struct text *out, const struct model_place *place)
{
	if (place->text[0] != '\0')
		text_printf(out, ", called in %s", place->text);
}

/* "waits for mutex 0x7f00 for 3.2s, called in f at x.c:1" */
static void put_wait(struct text *out, const struct model_link *l)
{
	switch (l->wait_kind) {
	case SLEY_WAIT_JOIN:
		text_printf(out, "waits for the end of task %" PRIu64, l->wait_object);
		break;
	case SLEY_WAIT_SLEEP:
		text_puts(out, "sleeps");
		break;
	case SLEY_WAIT_MUTEX:
	case SLEY_WAIT_RDLOCK:
	case SLEY_WAIT_WRLOCK:
		text_puts(out, "waits for ");
		put_object(out, l->wait_kind, l->wait_object);
		break;
	case SLEY_WAIT_SEND:
	case SLEY_WAIT_RECV:
		text_puts(out, l->wait_kind == SLEY_WAIT_SEND ? "waits to send to " : "waits to receive from ");
		put_object(out, l->wait_kind, l->wait_object);
		break;
	default:
		text_printf(out, "waits in %s", wait_kind_text(l->wait_kind));
	}
	put_for(out, l->in_state_ns, l->at_least);
	put_called(out, &l->place);
}

/* ---- deadlocks ---- */

static bool has_kind(const struct model_warning *w, uint32_t kind)
{
	for (unsigned i = 0; i < w->link_count; i++)
		if (w->links[i].wait_kind == kind)
			return true;
	return false;
}

static void put_next(struct text *out, const struct model_link *l, uint64_t next)
{
	if (l->wait_kind == SLEY_WAIT_SEND || l->wait_kind == SLEY_WAIT_RECV)
		text_printf(out, ", the other side of which is task %" PRIu64, next);
	else if (l->wait_kind != SLEY_WAIT_JOIN)
		text_printf(out, ", which task %" PRIu64 " holds", next);
}

/* Who uses a channel is known only from the past. */
static const char *deadlock_remedy(const struct model_warning *w)
{
	bool channel = has_kind(w, SLEY_WAIT_SEND) || has_kind(w, SLEY_WAIT_RECV);
	bool lock = has_kind(w, SLEY_WAIT_MUTEX) || has_kind(w, SLEY_WAIT_RDLOCK) || has_kind(w, SLEY_WAIT_WRLOCK);
	if (channel && lock)
		return "Do not send or receive with a lock held that the other side takes";
	if (channel && has_kind(w, SLEY_WAIT_JOIN))
		return "Close the channel, or take what is in it, before you join a task that uses it";
	if (channel)
		return "Let one of them use both channels at once, by sley_select()";
	if (has_kind(w, SLEY_WAIT_JOIN))
		return "Unlock before you join a task that takes the same lock";
	return "Take these locks in the same order everywhere, or give the waits deadlines";
}

static void put_deadlock(struct text *out, const struct model *m, const struct model_warning *w)
{
	bool channel = has_kind(w, SLEY_WAIT_SEND) || has_kind(w, SLEY_WAIT_RECV);
	text_printf(out, "%u tasks wait for each other, none of them can go on%s", w->link_count,
		    channel ? " unless another one uses the channel" : "");
	if (w->tasks > w->link_count)
		text_printf(out, ", and %" PRIu64 " more wait for them", w->tasks - w->link_count);
	for (unsigned i = 0; i < w->link_count; i++) {
		const struct model_link *l = &w->links[i], *next = &w->links[(i + 1) % w->link_count];
		text_puts(out, i ? "; " : ": ");
		put_who(out, m, l);
		text_puts(out, " ");
		put_wait(out, l);
		put_next(out, l, next->task);
	}
	text_printf(out, ". %s.", deadlock_remedy(w));
}

/* ---- what the holder does, and what to do about that ---- */

/* The remedies for what the holder of a lock does, or the receiver of a channel. */
struct remedies {
	const char *call, *compute, *thread;
};

static const struct remedies of_lock = {
	"Unlock it before that call",
	"Compute before you lock it, or split what it protects",
	"Look with gdb at what that thread does, and let it hold the lock for a shorter time",
};
static const struct remedies of_channel = {
	"Let it receive without that call in between, or more tasks receive",
	"Let more tasks receive, on other workers",
	"Look with gdb at what that thread does",
};

static const struct remedies of_pthread = {
	"Unlock it before that call, and use a lock of sley's, which parks the task in place of its thread",
	"Compute before you lock it, or split what it protects",
	"Look with gdb at what that thread does, and let it hold the lock for a shorter time",
};

static const struct remedies *remedies_of(const struct model_warning *w)
{
	if (w->kind == WARNING_PTHREAD)
		return &of_pthread;
	return w->kind == WARNING_CHANNEL ? &of_channel : &of_lock;
}

/* The call that blocks the task's thread, as asynctop has seen it; NULL: it has not. */
static const struct model_blocker *blocked_in(const struct model *m, const struct model_link *l)
{
	for (uint32_t i = 0; i < m->blocker_count; i++)
		if (m->blockers[i].in_progress > 0 && m->blockers[i].longest.task == l->task)
			return &m->blockers[i];
	return NULL;
}

static void put_blocked(struct text *out, const struct model *m, const struct model_warning *w,
			const struct model_link *l, int32_t syscall)
{
	const struct model_blocker *b = blocked_in(m, l);
	char name[SYSCALL_NAME_MAX];
	text_puts(out, " and blocks its thread in ");
	if (b != NULL)
		verdict_put_call(out, &b->longest);
	else
		text_puts(out, syscall_name(syscall, name));
	put_for(out, worker_blocked_ns(m, &m->workers[l->worker]), true);
	if (b != NULL)
		put_called(out, &b->longest.place);
	text_printf(out, ". %s", remedies_of(w)->call);
	if (b != NULL) {
		text_puts(out, "; ");
		verdict_put_remedy(out, &b->longest);
	}
}

static void put_running(struct text *out, const struct model *m, const struct model_warning *w,
			const struct model_link *l)
{
	const struct model_worker *worker = l->worker < m->worker_count ? &m->workers[l->worker] : NULL;
	const struct model_blocker *b = blocked_in(m, l);
	int32_t syscall;
	if (worker != NULL && worker->stop != STOP_NONE) {
		text_printf(out, " and its thread, that of worker %u, is stopped. Let that go on", l->worker);
	} else if (worker != NULL && worker_call(worker, &syscall)) {
		put_blocked(out, m, w, l, syscall);
	} else {
		text_puts(out, " and computes");
		put_for(out, worker == NULL ? MODEL_UNKNOWN : worker->in_task_ns, true);
		if (b != NULL && b->longest.place.text[0] != '\0')
			text_printf(out, ", seen in %s", b->longest.place.text);
		text_printf(out, ". %s", remedies_of(w)->compute);
	}
}

static void put_waiting(struct text *out, const struct model *m, const struct model_warning *w)
{
	const struct model_link *l = &w->links[1], *last = &w->links[w->link_count - 1];
	text_puts(out, " and ");
	put_wait(out, l);
	if (last != l) {
		text_puts(out, "; at the end of that chain ");
		put_who(out, m, last);
		text_puts(out, " ");
		if (last->state == SLEY_TASK_WAITING)
			put_wait(out, last);
		else
			text_printf(out, "is %s", task_state_text(last->state));
	}
	text_printf(out, ". %s", remedies_of(w)->call);
}

static void put_act(struct text *out, const struct model *m, const struct model_warning *w)
{
	const struct model_link *l = &w->links[1];
	if (is_thread(l->task)) {
		text_printf(out, ". %s", remedies_of(w)->thread);
		return;
	}
	switch (l->state) {
	case SLEY_TASK_RUNNING:
		put_running(out, m, w, l);
		break;
	case SLEY_TASK_READY:
		text_puts(out, " and is ready to run");
		put_for(out, l->in_state_ns, l->at_least);
		text_puts(out, ", but no worker runs it. Look at what keeps the workers");
		break;
	case SLEY_TASK_SLOT:
		text_puts(out, " and waits for its stack, which another task keeps. Give it a private stack");
		break;
	default:
		put_waiting(out, m, w);
	}
}

/* The task that could end the waits; NULL: it is not known. */
static const struct model_link *keeper(const struct model_warning *w)
{
	return w->link_count > 1 ? &w->links[1] : NULL;
}

static bool has_ended(const struct model_link *l)
{
	return !is_thread(l->task) && (l->state == SLEY_TASK_FREE || l->state == SLEY_TASK_ENDED);
}

/* "; the first, task 5 "conn", for 3.2s, called in f at x.c:1. ", or of the only one. */
static void put_first(struct text *out, const struct model *m, const struct model_warning *w)
{
	text_puts(out, w->tasks > 1 ? "; the first, " : ": ");
	put_who(out, m, &w->links[0]);
	text_puts(out, w->tasks > 1 ? "," : "");
	put_for(out, w->longest_ns, w->links[0].at_least);
	put_called(out, &w->links[0].place);
	text_puts(out, ". ");
}

/* ---- locks ---- */

static void put_lock_holder(struct text *out, const struct model *m, const struct model_warning *w)
{
	if (keeper(w) == NULL && w->readers > 0) {
		text_printf(out,
			    "%" PRIu64 " reader%s hold%s it; it does not know which. Look for tasks that wait or "
			    "compute with it locked for reading",
			    w->readers, w->readers == 1 ? "" : "s", w->readers == 1 ? "s" : "");
	} else if (keeper(w) == NULL) {
		text_puts(out,
			  "It goes from one to the next more slowly than they come. Hold it for a shorter time, or "
			  "split what it protects");
	} else if (has_ended(keeper(w))) {
		text_printf(out,
			    "Task %" PRIu64
			    " has ended without unlocking it, so they wait for ever. Unlock it on every way "
			    "out of that task; libsley-debug names the line that locked it",
			    keeper(w)->task);
	} else {
		text_puts(out, "Its holder is ");
		put_who(out, m, keeper(w));
		put_act(out, m, w);
	}
}

static void put_lock(struct text *out, const struct model *m, const struct model_warning *w)
{
	char sum[TEXT_SHORT];
	text_printf(out, "%" PRIu64 " task%s wait%s for ", w->tasks, w->tasks == 1 ? "" : "s",
		    w->tasks == 1 ? "s" : "");
	put_object(out, w->wait_kind, w->object);
	if (w->tasks > 1)
		text_printf(out, ", %s together", text_duration(sum, w->sum_ns));
	put_first(out, m, w);
	put_lock_holder(out, m, w);
	text_puts(out, ".");
}

/* ---- locks of libc ---- */

static void put_thread(struct text *out, const struct model_link *l)
{
	char name[SYSCALL_NAME_MAX];
	text_printf(out, "Its holder is thread %u", l->thread);
	if (l->worker != UINT32_MAX) {
		text_printf(
			out,
			", that of worker %u, which runs something else by now: a task that waits in sley has it: hold no lock "
			"of libc across a call that waits; libsley-debug names the line",
			l->worker);
		return;
	}
	text_puts(out, ", which is no worker");
	if (l->syscall >= 0)
		text_printf(out, ", in %s", syscall_name(l->syscall, name));
	put_called(out, &l->place);
	text_printf(out, ". %s", l->place.text[0] != '\0' ? of_lock.call : of_pthread.thread);
}

static bool is_in(const struct model_blocker *b, const struct model_link *l)
{
	return b->in_progress > 0 && b->site == l->site && b->syscall == l->syscall;
}

/* As blocked_in(). A row names one task of many: if there is one row only of such tasks in that call, it is that one. */
static const struct model_blocker *blocked_as(const struct model *m, const struct model_link *l)
{
	const struct model_blocker *found = NULL;
	unsigned rows = 0;
	for (uint32_t i = 0; i < m->blocker_count; i++) {
		if (!is_in(&m->blockers[i], l))
			continue;
		rows++;
		found = &m->blockers[i];
	}
	return rows == 1 ? found : blocked_in(m, l);
}

static void put_pthread(struct text *out, const struct model *m, const struct model_warning *w)
{
	const struct model_blocker *b = blocked_as(m, &w->links[0]);
	char sum[TEXT_SHORT], first[TEXT_SHORT];
	text_printf(out, "%" PRIu64 " task%s block%s for pthread ", w->tasks, w->tasks == 1 ? "" : "s",
		    w->tasks == 1 ? "s its thread" : " their threads");
	put_object(out, w->wait_kind, w->object);
	if (w->tasks > 1)
		text_printf(out, ", %s together; the first, ", text_duration(sum, w->sum_ns));
	else
		text_puts(out, ": ");
	put_who(out, m, &w->links[0]);
	text_printf(out, "%s for %s", w->tasks > 1 ? "," : "", text_duration(first, w->longest_ns));
	if (b != NULL)
		put_called(out, &b->longest.place);
	text_puts(out, ". ");
	if (w->links[1].task == 0) {
		put_thread(out, &w->links[1]);
	} else {
		text_printf(out, "Its holder is thread %u, which runs ", w->links[1].thread);
		put_who(out, m, &w->links[1]);
		put_act(out, m, w);
		text_puts(out,
			  ". If that task has not locked it, one that waits in sley has: hold no lock of libc across a "
			  "call that waits");
	}
	text_puts(out, ".");
}

/* ---- channels ---- */

static void put_channel(struct text *out, const struct model *m, const struct model_warning *w)
{
	text_printf(out, "%" PRIu64 " task%s wait%s to send to ", w->tasks, w->tasks == 1 ? "" : "s",
		    w->tasks == 1 ? "s" : "");
	put_object(out, w->wait_kind, w->object);
	if (w->capacity > 0)
		text_printf(out, ", which is full (%" PRIu64 " item%s)", w->capacity, w->capacity == 1 ? "" : "s");
	put_first(out, m, w);
	if (keeper(w) == NULL) {
		text_puts(out, "No task is known to receive from it. Start the one that does, or close the channel");
	} else if (has_ended(keeper(w))) {
		text_printf(out,
			    "Task %" PRIu64
			    ", which received from it, has ended. Close the channel when its receiver ends: "
			    "then senders get -EPIPE",
			    keeper(w)->task);
	} else {
		text_puts(out, "Its receiver is ");
		put_who(out, m, keeper(w));
		put_act(out, m, w);
	}
	text_puts(out, ".");
}

/* ---- queues of calls for other threads ---- */

static const struct pool {
	const char *name, *remedy;
} pools[] = {
	{ "offloaded calls",
	  "Let such calls end sooner, or offload fewer at a time; if they wait rather than compute, raise offload_threads" },
	{ "offloaded computations", "Let such calls compute less, or offload fewer at a time: the CPUs are the limit" },
	{ "names to resolve", "Look at the name server, give the calls deadlines, or raise name_threads" },
};

/* A call may be queued itself. */
static void put_queue(struct text *out, const struct model *m, const struct model_warning *w)
{
	const struct pool *pool = &pools[w->pool < sizeof(pools) / sizeof(pools[0]) ? w->pool : 0];
	text_printf(out,
		    "%" PRIu64 " task%s wait%s for a place in the queue of %s, which is full (%" PRIu64
		    " call%s, for at most %u thread%s)",
		    w->tasks, w->tasks == 1 ? "" : "s", w->tasks == 1 ? "s" : "", pool->name, w->capacity,
		    w->capacity == 1 ? "" : "s", w->threads, w->threads == 1 ? "" : "s");
	put_first(out, m, w);
	if (keeper(w) != NULL) {
		text_puts(out, "The call that has lasted longest, queued or running, is that of ");
		put_who(out, m, keeper(w));
		text_puts(out, ",");
		put_for(out, keeper(w)->in_state_ns, keeper(w)->at_least);
		put_called(out, &keeper(w)->place);
		text_puts(out, ". ");
	}
	text_printf(out, "%s.", pool->remedy);
}

/* ---- tasks that do not let others run, and places ---- */

static void put_not_yielding(struct text *out, const struct model *m, const struct model_warning *w)
{
	const struct model_link *l = &w->links[0];
	const struct model_blocker *b = blocked_in(m, l);
	put_who(out, m, l);
	text_printf(out, " has kept worker %u", l->worker);
	put_for(out, w->longest_ns, true);
	text_puts(out, " without a call that lets others run");
	if (b != NULL && b->longest.place.text[0] != '\0')
		text_printf(out, ", seen in %s", b->longest.place.text);
	if (w->tasks > 0)
		text_printf(out, "; %" PRIu64 " task%s behind it", w->tasks, w->tasks == 1 ? " is" : "s are");
	text_puts(out, ". Call sley_yield() now and then in its loop, or let sley_offload() do all of it.");
}

static void put_spawned(struct text *out, const struct model *m, uint32_t site)
{
	char text[160];
	text_printf(out, "running %s (spawned at %s)", model_site(m, site)->entry, model_site_text(m, site, text));
}

static void put_self_wake(struct text *out, const struct model *m, const struct model_warning *w)
{
	char yields[TEXT_SHORT], interval[TEXT_SHORT];
	text_printf(out, "%" PRIu64 " task%s ", w->tasks, w->tasks == 1 ? "" : "s");
	put_spawned(out, m, w->site);
	text_printf(out, " yielded %s times in %s and waited %" PRIu64 " times", text_count(yields, w->before),
		    text_duration(interval, w->interval_ns), w->others);
	put_for(out, w->longest_ns, true);
	if (w->place.text[0] != '\0')
		text_printf(out, ", last in %s", w->place.text);
	text_puts(out,
		  ": they keep a CPU busy with looking. Wait for what they look for (a channel, a condition, an event, "
		  "a descriptor), or sley_sleep() between two looks.");
}

static void put_growth(struct text *out, const struct model *m, const struct model_warning *w)
{
	char time[TEXT_SHORT];
	text_printf(out, "%" PRIu64 " tasks ", w->tasks);
	put_spawned(out, m, w->site);
	text_printf(out, " wait in %s", wait_kind_text(w->wait_kind));
	put_called(out, &w->place);
	text_printf(out,
		    ", %" PRIu64
		    " more than %s ago, and the number grows. More come than go on: look at what lets them go on, "
		    "give the wait a deadline, or bound how many there may be (sley_sem_acquire() before the spawn).",
		    w->tasks - w->before, text_duration(time, w->longest_ns));
}

void warning_put(struct text *out, const struct model *m, const struct model_warning *w)
{
	switch (w->kind) {
	case WARNING_DEADLOCK:
		put_deadlock(out, m, w);
		break;
	case WARNING_LOCK:
		put_lock(out, m, w);
		break;
	case WARNING_PTHREAD:
		put_pthread(out, m, w);
		break;
	case WARNING_CHANNEL:
		put_channel(out, m, w);
		break;
	case WARNING_QUEUE:
		put_queue(out, m, w);
		break;
	case WARNING_NOT_YIELDING:
		put_not_yielding(out, m, w);
		break;
	case WARNING_SELF_WAKE:
		put_self_wake(out, m, w);
		break;
	case WARNING_GROWTH:
		put_growth(out, m, w);
		break;
	default:
		break;
	}
}
