/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The kinds of cases of a select: see select.h. */
#include <errno.h>

#include "life/join.h"
#include "reactor/entry.h"
#include "run/park.h"
#include "run/report.h"
#include "sync/chan.h"
#include "sync/future.h"
#include "sync/select.h"
#include "sync/sem.h"
#include "sync/timer.h"

static struct wait *node(struct any *any, unsigned i)
{
	return &any->at[i].node.wait;
}

/* ---- channels ---- */

static int chan_check(const struct sley_case *c, const char *call)
{
	if (chan_lacks(c->chan, c->from)) /* the union makes this check `into` as well */
		return -EFAULT;
	if (c->op == SLEY_SEND)
		chan_search(c->chan, c->from, call);
	return 0;
}

static bool chan_glance(struct any *any, unsigned i)
{
	const struct sley_case *c = &any->cases[i];
	return c->op == SLEY_SEND ? chan_can_send(c->chan) : chan_can_recv(c->chan);
}

static int chan_take(struct any *any, unsigned i, struct task **woken)
{
	const struct sley_case *c = &any->cases[i];
	uint64_t id = any->task ? any->task->id : 0;
	lock_take(&c->chan->lock);
	int error = c->op == SLEY_SEND ? chan_send_now(c->chan, id, c->from, woken)
				       : chan_recv_now(c->chan, id, c->into, woken);
	lock_drop(&c->chan->lock);
	return error == -EAGAIN ? NOT_DONE : error;
}

/* Whether another task waits in the list: a select does not meet itself. */
static bool others_wait(const struct sley_waiters *waiters, const struct task *task)
{
	for (const struct wait *wait = waiters->head; wait; wait = wait->next) {
		if (wait_owner(wait) != task)
			return true;
	}
	return false;
}

/* With the lock held, by a task that may have nodes in the lists. */
static bool chan_can(const struct sley_chan *chan, bool sending, const struct task *task)
{
	return chan->closed || (sending ? chan->count < chan->capacity : chan->count > 0) ||
	       others_wait(sending ? &chan->receivers : &chan->senders, task);
}

static struct sley_waiters *chan_waiters(const struct sley_case *c)
{
	return c->op == SLEY_SEND ? &c->chan->senders : &c->chan->receivers;
}

static void chan_free_block(struct sley_chan *chan, struct wait *wait)
{
	if (!chan_in_word(chan))
		block_free(wait->block, chan->item);
}

/* The channel is kept from being freed until leave(), also between the turns of the call. */
static int chan_link(struct any *any, unsigned i)
{
	const struct sley_case *c = &any->cases[i];
	struct sley_chan *chan = c->chan;
	struct wait *wait = node(any, i);
	bool sending = c->op == SLEY_SEND;
	if (!chan_in_word(chan) && !(wait->block = block_alloc(chan->item)))
		return -ENOMEM;
	lock_take(&chan->lock);
	chan->inside += !any->at[i].held;
	any->at[i].held = true;
	bool can = chan_can(chan, sending, any->task);
	if (!can) {
		if (sending)
			chan_copy(chan, chan_held(chan, wait), c->from);
		wait_link_apart(chan_waiters(c), &any->at[i].node);
		chan_note(chan, any->task->id, sending);
	}
	lock_drop(&chan->lock);
	if (can)
		chan_free_block(chan, wait);
	return can ? NOT_DONE : 0;
}

static int chan_unlink(struct any *any, unsigned i, enum claim who)
{
	const struct sley_case *c = &any->cases[i];
	struct wait *wait = node(any, i);
	lock_take(&c->chan->lock);
	if (wait_is_linked(wait))
		wait_unlink(chan_waiters(c), wait);
	else if (!wait_won(wait))
		c->chan->inside--; /* it was popped in vain */
	bool won = wait_won(wait);
	lock_drop(&c->chan->lock);
	if (won && c->op == SLEY_RECV && who == CLAIM_EVENT)
		chan_copy(c->chan, c->into, chan_held(c->chan, wait));
	chan_free_block(c->chan, wait);
	return won ? wait_error(who) : NOT_DONE;
}

static void chan_leave(struct any *any, unsigned i)
{
	struct sley_chan *chan = any->cases[i].chan;
	lock_take(&chan->lock);
	chan->inside--;
	lock_drop(&chan->lock);
}

/* ---- futures ---- */

static bool future_glance(struct any *any, unsigned i)
{
	const struct sley_future *future = any->cases[i].future;
	return future_state(future) == FUTURE_DONE || future->run != scheduler.run;
}

static int future_take(struct any *any, unsigned i, struct task **woken)
{
	const struct sley_case *c = &any->cases[i];
	(void)woken;
	if (future_state(c->future) != FUTURE_DONE)
		return c->future->run != scheduler.run ? -ENOTCONN : NOT_DONE;
	return future_outcome(c->future, c->into);
}

/* The call has a handle from its first wait on, so the caller's may be freed then. */
static int future_link(struct any *any, unsigned i)
{
	struct sley_future *future = any->cases[i].future;
	if (!any->at[i].held)
		future_hold(future);
	any->at[i].held = true;
	lock_take(&future->lock);
	bool done = future_state(future) == FUTURE_DONE;
	if (!done)
		wait_link_apart(&future->waiters, &any->at[i].node);
	lock_drop(&future->lock);
	return done ? NOT_DONE : 0;
}

static int future_unlink(struct any *any, unsigned i, enum claim who)
{
	const struct sley_case *c = &any->cases[i];
	(void)who;
	lock_take(&c->future->lock);
	wait_unlink(&c->future->waiters, node(any, i));
	bool won = wait_won(node(any, i));
	lock_drop(&c->future->lock);
	return won ? future_outcome(c->future, c->into) : NOT_DONE;
}

static void future_leave(struct any *any, unsigned i)
{
	struct todo todo = { 0 };
	future_drop(any->cases[i].future, &todo);
	todo_run(&todo);
}

/* ---- events ---- */

static bool event_glance(struct any *any, unsigned i)
{
	return load(&any->cases[i].event->set, relaxed);
}

/* With the lock, so that what was written before the event was set is visible. */
static int event_take(struct any *any, unsigned i, struct task **woken)
{
	struct sley_event *event = any->cases[i].event;
	(void)woken;
	lock_take(lock_of(&event->lock));
	bool set = event->set;
	lock_drop(lock_of(&event->lock));
	return set ? 0 : NOT_DONE;
}

static int event_link(struct any *any, unsigned i)
{
	struct sley_event *event = any->cases[i].event;
	lock_take(lock_of(&event->lock));
	bool set = event->set;
	if (!set)
		wait_link_apart(&event->waiters, &any->at[i].node);
	lock_drop(lock_of(&event->lock));
	return set ? NOT_DONE : 0;
}

static int event_unlink(struct any *any, unsigned i, enum claim who)
{
	struct sley_event *event = any->cases[i].event;
	(void)who;
	lock_take(lock_of(&event->lock));
	wait_unlink(&event->waiters, node(any, i));
	bool won = wait_won(node(any, i));
	lock_drop(lock_of(&event->lock));
	return won ? 0 : NOT_DONE;
}

/* ---- semaphores ---- */

static int sem_check(const struct sley_case *c, const char *call)
{
	(void)call;
	return c->permits < 1 ? -EINVAL : 0;
}

static bool sem_glance(struct any *any, unsigned i)
{
	const struct sley_case *c = &any->cases[i];
	lock_take(lock_of(&c->sem->lock));
	bool can = sem_can(c->sem, c->permits);
	lock_drop(lock_of(&c->sem->lock));
	return can;
}

static int sem_take_case(struct any *any, unsigned i, struct task **woken)
{
	const struct sley_case *c = &any->cases[i];
	(void)woken;
	lock_take(lock_of(&c->sem->lock));
	bool can = sem_can(c->sem, c->permits);
	if (can)
		c->sem->count -= c->permits;
	lock_drop(lock_of(&c->sem->lock));
	return can ? 0 : NOT_DONE;
}

static int sem_link(struct any *any, unsigned i)
{
	const struct sley_case *c = &any->cases[i];
	lock_take(lock_of(&c->sem->lock));
	bool can = sem_can(c->sem, c->permits);
	if (!can) {
		node(any, i)->word = (uint64_t)c->permits;
		wait_link_apart(&c->sem->waiters, &any->at[i].node);
	}
	lock_drop(lock_of(&c->sem->lock));
	return can ? NOT_DONE : 0;
}

static int sem_unlink(struct any *any, unsigned i, enum claim who)
{
	struct sley_sem *sem = any->cases[i].sem;
	struct task_list woken = { 0 };
	(void)who;
	lock_take(lock_of(&sem->lock));
	wait_unlink(&sem->waiters, node(any, i));
	bool won = wait_won(node(any, i));
	if (!won)
		sem_grant(sem, &woken); /* the waiters behind may want fewer permits */
	lock_drop(lock_of(&sem->lock));
	ready_woken(&woken);
	return won ? 0 : NOT_DONE;
}

/* ---- times ---- */

/* The wait ends at the time of a case, if not before. */
static void any_until(struct any *any, sley_time time)
{
	if (time == SLEY_NEVER || time > any->until)
		return;
	any->until = time;
	any->timed = true;
}

static bool timer_glance(struct any *any, unsigned i)
{
	struct sley_timer *timer = any->cases[i].timer;
	lock_take(lock_of(&timer->lock));
	sley_time due = timer_due(timer);
	lock_drop(lock_of(&timer->lock));
	return due != SLEY_NEVER && due <= clock_now();
}

static int timer_take_case(struct any *any, unsigned i, struct task **woken)
{
	struct sley_timer *timer = any->cases[i].timer;
	(void)woken;
	lock_take(lock_of(&timer->lock));
	bool taken = timer_take(timer, clock_now());
	lock_drop(lock_of(&timer->lock));
	return taken ? 0 : NOT_DONE;
}

/* Who starts the timer for an earlier time ends the wait; then the call looks again. */
static int timer_link(struct any *any, unsigned i)
{
	struct sley_timer *timer = any->cases[i].timer;
	lock_take(lock_of(&timer->lock));
	any_until(any, timer_due(timer));
	wait_link_apart(&timer->waiters, &any->at[i].node);
	lock_drop(lock_of(&timer->lock));
	return 0;
}

static int timer_unlink(struct any *any, unsigned i, enum claim who)
{
	struct sley_timer *timer = any->cases[i].timer;
	(void)who;
	lock_take(lock_of(&timer->lock));
	wait_unlink(&timer->waiters, node(any, i));
	lock_drop(lock_of(&timer->lock));
	return NOT_DONE;
}

static bool at_glance(struct any *any, unsigned i)
{
	return any->cases[i].time <= clock_now();
}

static int at_take(struct any *any, unsigned i, struct task **woken)
{
	(void)woken;
	return at_glance(any, i) ? 0 : NOT_DONE;
}

static int at_link(struct any *any, unsigned i)
{
	any_until(any, any->cases[i].time);
	return 0;
}

/* ---- tasks, and descriptors: for tasks alone ---- */

static int task_check(const struct sley_case *c, const char *call)
{
	(void)c;
	(void)call;
	return task_self() ? 0 : outside_error();
}

static bool join_glance(struct any *any, unsigned i)
{
	return join_ready(any->cases[i].task);
}

static int join_take(struct any *any, unsigned i, struct task **woken)
{
	(void)woken;
	int error = join_try(any->cases[i].task);
	return error == -EAGAIN ? NOT_DONE : error;
}

static int join_link_case(struct any *any, unsigned i)
{
	int error = join_link(any->cases[i].task);
	return error == -EAGAIN ? NOT_DONE : error;
}

static int join_unlink_case(struct any *any, unsigned i, enum claim who)
{
	(void)who;
	return join_unlink(any->cases[i].task) ? 0 : NOT_DONE;
}

static enum direction direction(const struct sley_case *c)
{
	return c->op == SLEY_WRITABLE ? WRITING : READING;
}

/*
 * The marks are cleared before the check, as before any try. The check does not consume the events, so they are set again
 * where there is one. See sley_poll().
 */
int select_poll(struct any *any)
{
	for (unsigned i = 0; i < any->n; i++) {
		const struct sley_case *c = &any->cases[i];
		if (c->op < SLEY_READABLE || c->fd < 0)
			continue;
		struct entry *entry = entry_find(c->fd);
		any->at[i].ready = entry_begin_try(entry, entry_flags(entry), direction(c));
	}
	int saved = errno, n;
	do
		n = poll(any->polled, any->descriptors, 0);
	while (n < 0 && errno == EINTR);
	int error = n < 0 ? -errno : 0;
	errno = saved;
	for (unsigned i = 0; i < any->n; i++) {
		const struct sley_case *c = &any->cases[i];
		if (c->op < SLEY_READABLE || c->fd < 0)
			continue;
		if (any->at[i].ready && (error || any->polled[any->at[i].polled].revents))
			reactor_maybe_more(c->fd, direction(c));
	}
	return error;
}

/* Whether the number no longer is that of the descriptor which the call has waited for. */
static bool is_another(struct any *any, unsigned i)
{
	return any->at[i].seen.waited && !reactor_is_same(any->cases[i].fd, &any->at[i].seen);
}

static bool fd_glance(struct any *any, unsigned i)
{
	return any->polled[any->at[i].polled].revents != 0 || is_another(any, i);
}

static int fd_take(struct any *any, unsigned i, struct task **woken)
{
	(void)woken;
	if (any->polled[any->at[i].polled].revents & POLLNVAL || is_another(any, i))
		return -EBADF;
	return any->polled[any->at[i].polled].revents ? 0 : NOT_DONE;
}

static int fd_link(struct any *any, unsigned i)
{
	const struct sley_case *c = &any->cases[i];
	int error = reactor_link(c->fd, direction(c), &any->at[i].seen);
	return error == -EAGAIN ? NOT_DONE : error;
}

static int fd_unlink(struct any *any, unsigned i, enum claim who)
{
	(void)who;
	reactor_unlink(any->cases[i].fd);
	return NOT_DONE;
}

/* ---- the table ---- */

const struct select_kind select_kinds[SELECT_KINDS] = {
	[SLEY_RECV] = { "channel", chan_check, chan_glance, chan_take, chan_link, chan_unlink, chan_leave },
	[SLEY_SEND] = { "channel", chan_check, chan_glance, chan_take, chan_link, chan_unlink, chan_leave },
	[SLEY_AWAIT] = { "future", NULL, future_glance, future_take, future_link, future_unlink, future_leave },
	[SLEY_EVENT] = { "event", NULL, event_glance, event_take, event_link, event_unlink, NULL },
	[SLEY_ACQUIRE] = { "semaphore", sem_check, sem_glance, sem_take_case, sem_link, sem_unlink, NULL },
	[SLEY_TIMER] = { "timer", NULL, timer_glance, timer_take_case, timer_link, timer_unlink, NULL },
	[SLEY_AT] = { NULL, NULL, at_glance, at_take, at_link, NULL, NULL },
	[SLEY_JOIN] = { NULL, task_check, join_glance, join_take, join_link_case, join_unlink_case, NULL },
	[SLEY_READABLE] = { NULL, task_check, fd_glance, fd_take, fd_link, fd_unlink, NULL },
	[SLEY_WRITABLE] = { NULL, task_check, fd_glance, fd_take, fd_link, fd_unlink, NULL },
};
