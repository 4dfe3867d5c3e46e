/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Select over things of any kind: in turns, until a case is done or the wait has ended otherwise.
 *
 *     look    at each case, with the lock of its object alone; do one that can be done
 *     link    begin one wait, and link it to each object, in turn. An object that is ready by now is not linked: the task
 *             ends its own wait, unlinks, and looks again
 *     park    until somebody claims the wait
 *     unlink  from all objects
 *
 * There is one wait, so one claim. Who claims it through a channel, a semaphore, a future or the end of a task has done that
 * case's operation by then, under the lock of that object; the others find the wait claimed and do nothing. Events, timers
 * and descriptors only say that it is worth a look, as does a claim of the task itself: in its next turn it does what it
 * finds. Exactly one case has its effect in either way.
 *
 * A waker may claim the wait while the task still links the others. That is no state of its own: the task goes on, and its
 * park returns at once (task/wait.h).
 *
 * Two selects that meet on two channels may both find the other's node while they link, end their own waits, and find nobody
 * in the next turn. Each begins at a random case, so they do not meet so for ever. select.c, which locks all channels first,
 * needs no such turns; rejected here: its order is that of addresses of channels, and the locks of tasks, entries of the
 * reactor and objects of one rank must not be held at once.
 */
#include "sync/select.h"

#include <errno.h>

#include "base/block.h"
#include "base/check.h"
#include "base/race.h"
#include "run/park.h"
#include "run/report.h"

/* Whether the case can ever be done. */
static bool is_on(const struct sley_case *c)
{
	switch (c->op) {
	case SLEY_AT:
		return c->time != SLEY_NEVER;
	case SLEY_JOIN:
		return c->task != 0;
	case SLEY_READABLE:
	case SLEY_WRITABLE:
		return c->fd >= 0;
	default:
		return c->chan != NULL;
	}
}

static const struct select_kind *kind_of(const struct any *any, unsigned i)
{
	return &select_kinds[any->cases[i].op];
}

/* ---- before the call ---- */

static int any_check_case(const struct sley_case *c, const char *call)
{
	if (c->op < 0 || c->op >= SELECT_KINDS)
		return -EINVAL;
	const struct select_kind *kind = &select_kinds[c->op];
	if (!is_on(c))
		return 0;
	int error = kind->object ? check_shared(c->chan, call, kind->object) : 0;
	return error == 0 && kind->check ? kind->check(c, call) : error;
}

static int any_check(const struct sley_case *cases, int n, const char *call)
{
	int error = n < 0 || n > CASES_MAX || (n > 0 && !cases) ? -EINVAL : 0;
	for (int i = 0; error == 0 && i < n; i++)
		error = any_check_case(&cases[i], call);
	return error;
}

/* ---- the record ---- */

static bool has_descriptor(const struct sley_case *c)
{
	return (c->op == SLEY_READABLE || c->op == SLEY_WRITABLE) && is_on(c);
}

static size_t any_size(unsigned n, unsigned descriptors)
{
	return sizeof(struct any) + n * sizeof(struct any_case) + descriptors * sizeof(struct pollfd);
}

static void set_polled(struct any *any, unsigned i, unsigned place)
{
	const struct sley_case *c = &any->cases[i];
	short events = c->op == SLEY_READABLE ? POLLIN : POLLOUT;
	any->polled[place] = (struct pollfd){ .fd = c->fd, .events = events };
	any->at[i].polled = place;
}

static struct any *any_new(struct task *task, struct sley_case *cases, unsigned n, bool ordered)
{
	unsigned descriptors = 0, place = 0;
	for (unsigned i = 0; i < n; i++)
		descriptors += has_descriptor(&cases[i]);
	struct any *any = block_alloc(any_size(n, descriptors));
	if (!any)
		return NULL;
	*any = (struct any){ .task = task, .cases = cases, .n = n, .descriptors = descriptors, .ordered = ordered };
	any->polled = (struct pollfd *)(void *)&any->at[n];
	for (unsigned i = 0; i < n; i++) {
		any->at[i] = (struct any_case){ .node.owner = task };
		any->at[i].node.wait.next = &any->at[i].node.wait; /* it is not linked */
		if (has_descriptor(&cases[i]))
			set_polled(any, i, place++);
	}
	return any;
}

static void any_free(struct any *any)
{
	for (unsigned i = 0; i < any->n; i++) {
		if (any->at[i].held)
			kind_of(any, i)->leave(any, i);
	}
	block_free(any, any_size(any->n, any->descriptors));
}

/* ---- to look ---- */

/*
 * Looks at all cases. Returns the one to begin with: the first that seems ready, or one of these, each equally likely; n:
 * none does.
 */
static unsigned any_glance(struct any *any)
{
	unsigned found = 0, chosen = any->n;
	for (unsigned i = 0; i < any->n; i++) {
		bool ready = is_on(&any->cases[i]) && kind_of(any, i)->glance(any, i);
		any->at[i].ready = ready;
		if (ready && (++found == 1 || (!any->ordered && random_here() % found == 0)))
			chosen = i;
	}
	return chosen;
}

/* Does one case that can be done. Returns its index; -EAGAIN: there is none; or an error of the call. */
static int any_look(struct any *any)
{
	int error = any->descriptors > 0 ? select_poll(any) : 0;
	if (error)
		return error;
	unsigned chosen = any_glance(any);
	RACE_POINT(select_has_looked);
	for (unsigned k = 0; chosen < any->n && k < any->n; k++) {
		unsigned i = (chosen + k) % any->n;
		struct task *woken = NULL;
		int result = any->at[i].ready ? kind_of(any, i)->take(any, i, &woken) : NOT_DONE;
		if (woken)
			task_ready(woken);
		if (result == NOT_DONE)
			continue;
		any->cases[i].error = result;
		return (int)i;
	}
	return -EAGAIN;
}

/* ---- to wait ---- */

/* Links the wait to all objects. Returns 0; else the wait must not go on: what link() of case *at returned. */
static int any_link(struct any *any, unsigned *at)
{
	unsigned first = any->n > 0 ? random_here() % any->n : 0;
	for (unsigned k = 0; k < any->n; k++) {
		unsigned i = (first + k) % any->n;
		if (!is_on(&any->cases[i]))
			continue;
		int error = kind_of(any, i)->link(any, i);
		*at = i;
		if (error)
			return error;
		any->at[i].linked = true;
		RACE_POINT(select_has_linked);
	}
	return 0;
}

/* Unlinks all. Returns the index of the case that was done; -EAGAIN: none was. */
static int any_unlink(struct any *any, enum claim who)
{
	int done = -EAGAIN;
	for (unsigned i = 0; i < any->n; i++) {
		const struct select_kind *kind = kind_of(any, i);
		if (!any->at[i].linked)
			continue;
		any->at[i].linked = false;
		int result = kind->unlink ? kind->unlink(any, i, who) : NOT_DONE;
		if (result == NOT_DONE)
			continue;
		DCHECK(done < 0);
		any->cases[i].error = result;
		done = (int)i;
	}
	return done;
}

/* The deadline has ended the wait. Returns as any_wait(). */
static int at_deadline(struct any *any, sley_time deadline)
{
	int i = any->timed ? any_look(any) : -ETIMEDOUT;
	if (i != -EAGAIN)
		return i;
	return wait_deadline(any->task, deadline) > clock_now() ? -EAGAIN : -ETIMEDOUT;
}

/* One turn. Returns the index of the case that was done; -EAGAIN: it is worth another look; or the error of the call. */
static int any_wait(struct any *any, sley_time deadline, const void *pc)
{
	unsigned at = 0;
	any->until = deadline;
	any->timed = false;
	wait_begin(any->task, SLEY_WAIT_SELECT, 0, pc);
	int error = any_link(any, &at);
	enum claim who = error ? wait_give_up(any->task) : wait_park(any->task, any->until);
	int i = any_unlink(any, who);
	if (i >= 0)
		return i;
	if (who == CLAIM_DEADLINE)
		return at_deadline(any, deadline);
	if (who == CLAIM_CANCELLED || who == CLAIM_OVER)
		return wait_error(who);
	if (who != CLAIM_NONE || error == NOT_DONE)
		return -EAGAIN;
	if (error == -ENOMEM)
		return error;
	any->cases[at].error = error;
	return (int)at;
}

/* ---- the calls ---- */

static int run_any(struct task *task, struct sley_case *cases, int n, bool ordered, sley_time deadline, const void *pc)
{
	struct any *any = any_new(task, cases, (unsigned)n, ordered);
	if (!any)
		return -ENOMEM;
	int i;
	while ((i = any_look(any)) == -EAGAIN && (i = any_wait(any, deadline, pc)) == -EAGAIN)
		;
	any_free(any);
	return i;
}

static int run_fair(struct task *task, void *cases, int64_t n, sley_time deadline, const void *pc)
{
	return run_any(task, cases, (int)n, false, deadline, pc);
}

static int run_ordered(struct task *task, void *cases, int64_t n, sley_time deadline, const void *pc)
{
	return run_any(task, cases, (int)n, true, deadline, pc);
}

int select_any(struct sley_case *cases, int n, bool ordered, sley_time deadline, const void *pc)
{
	int error = any_check(cases, n, ordered ? "sley_select_ordered" : "sley_select");
	return error ? error : park_call(ordered ? run_ordered : run_fair, cases, n, deadline, pc);
}

int select_any_try(struct sley_case *cases, int n, bool ordered)
{
	int i = any_check(cases, n, ordered ? "sley_try_select_ordered" : "sley_try_select");
	if (i || (i = thread_visit()) != 0)
		return i;
	struct any *any = any_new(NULL, cases, (unsigned)n, ordered);
	i = any ? any_look(any) : -ENOMEM;
	if (any)
		any_free(any);
	thread_depart();
	return i;
}

int sley_select_ordered(struct sley_case *cases, int n, sley_time deadline)
{
	return select_any(cases, n, true, deadline, __builtin_return_address(0));
}

int sley_try_select_ordered(struct sley_case *cases, int n)
{
	return select_any_try(cases, n, true);
}
