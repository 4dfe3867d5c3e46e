/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Select: the first of several channel operations that can be done, as in Go's select.go. All channels are locked, in
 * the order of their addresses. If some cases can be done at once, a random one of them is done. Else a node of each
 * case is linked, and the task parks with one claim for all of them.
 *
 * The task locks all channels before it looks at any of them. So no other task can claim it through one channel while
 * it looks at another, and a rendezvous of two selects needs only one claim. Rejected: a claim of each of the two
 * tasks, as the second may fail when the first cannot be undone.
 *
 * All memory is off the stack, in one record: nodes (struct wait_apart), the locking order, and a block for each
 * operation whose item does not fit a word. A record for n cases costs 40 n bytes during the wait.
 */
#include <errno.h>

#include "run/park.h"
#include "run/queue.h"
#include "run/report.h"
#include "run/thread.h"
#include "sync/chan.h"

#define CASES_MAX 65535

struct select {
	struct task *task;
	struct sley_case *cases; /* the caller's: accessed only while the task runs */
	unsigned n;
	unsigned channels; /* cases whose channel is not null */
	uint16_t *order;   /* indices of the cases with a channel, sorted by its address */
	struct wait_apart nodes[];
};

static struct sley_chan *channel(const struct select *select, unsigned i)
{
	return select->cases[select->order[i]].chan;
}

/* ---- the record ---- */

static size_t record_size(unsigned n)
{
	return sizeof(struct select) + n * (sizeof(struct wait_apart) + sizeof(uint16_t));
}

/* Lets the element sink to its place in the heap of [0, n). */
static void sift_down(const struct select *select, unsigned at, unsigned n)
{
	uint16_t *order = select->order, moving = order[at];
	unsigned below;
	while ((below = 2 * at + 1) < n) {
		if (below + 1 < n && channel(select, below + 1) > channel(select, below))
			below++;
		if (select->cases[moving].chan >= channel(select, below))
			break;
		order[at] = order[below];
		at = below;
	}
	order[at] = moving;
}

/* Heapsort, as it needs no memory: J. W. J. Williams, "Algorithm 232", CACM 7 (1964). */
static void sort(const struct select *select)
{
	unsigned n = select->channels;
	for (unsigned i = n / 2; i-- > 0;)
		sift_down(select, i, n);
	while (n > 1) {
		uint16_t last = select->order[--n];
		select->order[n] = select->order[0];
		select->order[0] = last;
		sift_down(select, 0, n);
	}
}

static struct select *record_new(struct task *task, struct sley_case *cases, unsigned n)
{
	struct select *select = block_alloc(record_size(n));
	if (!select)
		return NULL;
	*select = (struct select){ .task = task, .cases = cases, .n = n, .order = (uint16_t *)&select->nodes[n] };
	/* Begins at a random case, so that of several cases with one channel none is always the first in its queue. */
	unsigned at = n > 0 ? random_here() % n : 0;
	for (unsigned i = 0; i < n; i++) {
		struct wait_apart *node = &select->nodes[at];
		node->owner = task;
		node->wait = (struct wait){ .next = &node->wait };
		if (cases[at].chan)
			select->order[select->channels++] = (uint16_t)at;
		at = at + 1 == n ? 0 : at + 1;
	}
	sort(select);
	return select;
}

static void record_free(struct select *select)
{
	block_free(select, record_size(select->n));
}

static void free_block(struct select *select, unsigned i)
{
	struct sley_chan *chan = select->cases[i].chan;
	if (chan && !chan_in_word(chan))
		block_free(select->nodes[i].wait.block, chan->item);
}

static void free_blocks(struct select *select)
{
	for (unsigned i = 0; i < select->n; i++)
		free_block(select, i);
}

/* Allocates the blocks for items that do not fit a word. Returns false if there is no memory. */
static bool allocate_blocks(struct select *select)
{
	for (unsigned i = 0; i < select->n; i++) {
		struct sley_chan *chan = select->cases[i].chan;
		if (chan && !chan_in_word(chan) && !(select->nodes[i].wait.block = block_alloc(chan->item)))
			return false;
	}
	return true;
}

/* ---- locking: each channel once, also if it is in several cases ---- */

static void lock_all(const struct select *select)
{
	for (unsigned i = 0; i < select->channels; i++) {
		if (i == 0 || channel(select, i) != channel(select, i - 1))
			lock_take(&channel(select, i)->lock);
	}
}

static void unlock_all(const struct select *select)
{
	for (unsigned i = select->channels; i-- > 0;) {
		if (i == 0 || channel(select, i) != channel(select, i - 1))
			lock_drop(&channel(select, i)->lock);
	}
}

/* ---- operations that do not wait; with all locks held ---- */

static bool can(const struct sley_case *c)
{
	return c->op == SLEY_SEND ? chan_can_send(c->chan) : chan_can_recv(c->chan);
}

/* Chooses one of the cases that can be done, each equally likely. Returns null if there is none. */
static struct sley_case *choose(const struct select *select)
{
	struct sley_case *chosen = NULL;
	unsigned found = 0;
	for (unsigned i = 0; i < select->channels; i++) {
		struct sley_case *c = &select->cases[select->order[i]];
		if (can(c) && (++found == 1 || random_here() % found == 0))
			chosen = c;
	}
	return chosen;
}

/* Does one case that can be done. Returns it and the task to make ready, or null if there is none. */
static struct sley_case *do_one(const struct select *select, struct task **woken)
{
	struct sley_case *c;
	uint64_t id = select->task ? select->task->id : 0;
	/* If a waiter is claimed between the choice and the pop, its node is gone, and the choice is repeated. */
	while ((c = choose(select))) {
		c->error = c->op == SLEY_SEND ? chan_send_now(c->chan, id, c->from, woken)
					      : chan_recv_now(c->chan, id, c->into, woken);
		if (c->error != -EAGAIN)
			return c;
	}
	return NULL;
}

/* ---- waiting ---- */

static struct sley_waiters *case_waiters(const struct sley_case *c)
{
	return c->op == SLEY_SEND ? &c->chan->senders : &c->chan->receivers;
}

/* With all locks held. */
static void link_all(struct select *select)
{
	for (unsigned i = 0; i < select->channels; i++) {
		struct sley_case *c = &select->cases[select->order[i]];
		struct wait_apart *node = &select->nodes[select->order[i]];
		if (c->op == SLEY_SEND)
			chan_copy(c->chan, chan_held(c->chan, &node->wait), c->from);
		wait_link_apart(case_waiters(c), node);
		chan_note(c->chan, select->task->id, c->op == SLEY_SEND);
		c->chan->inside++;
	}
}

/*
 * Unlinks all nodes. Returns the case whose node was popped for the winning claim, with its item; null: a deadline or a
 * canceller won. Afterwards no node is linked, the blocks are freed, and the channels may be freed.
 */
static struct sley_case *unlink_all(struct select *select, enum claim who)
{
	struct sley_case *won = NULL;
	lock_all(select);
	for (unsigned i = 0; i < select->channels; i++) {
		struct sley_case *c = &select->cases[select->order[i]];
		struct wait *wait = &select->nodes[select->order[i]].wait;
		wait_unlink(case_waiters(c), wait);
		if (wait_won(wait)) {
			won = c;
			if (c->op == SLEY_RECV && who == CLAIM_EVENT)
				chan_copy(c->chan, c->into, chan_held(c->chan, wait));
		}
		free_block(select, select->order[i]);
		c->chan->inside--;
	}
	unlock_all(select);
	return won;
}

/* Parks until one case is done. All locks are held, and dropped. Returns the index of the case, or the error. */
NOINLINE static int wait_for_one(struct select *select, sley_time deadline, const void *pc)
{
	wait_begin(select->task, SLEY_WAIT_SELECT, 0, pc);
	link_all(select);
	unlock_all(select);
	enum claim who = wait_park(select->task, deadline);
	struct sley_case *c = unlink_all(select, who);
	if (who != CLAIM_EVENT && who != CLAIM_CLOSED)
		return wait_error(who);
	c->error = wait_error(who);
	return (int)(c - select->cases);
}

/* ---- the calls ---- */

static int check_cases(const struct sley_case *cases, int n)
{
	if (n < 0 || n > CASES_MAX || (n > 0 && !cases))
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		if (cases[i].op != SLEY_SEND && cases[i].op != SLEY_RECV)
			return -EINVAL;
		int error = check_shared(cases[i].chan, "sley_select", "channel");
		if (error)
			return error;
		if (chan_lacks(cases[i].chan, cases[i].from)) /* the union makes this check `into` as well */
			return -EFAULT;
		if (cases[i].op == SLEY_SEND)
			chan_search(cases[i].chan, cases[i].from, "sley_select");
	}
	return 0;
}

/* `wait`: park if no case can be done at once; else return -EAGAIN. */
static int select_run(struct task *task, struct sley_case *cases, int n, bool wait, sley_time deadline, const void *pc)
{
	struct task *woken = NULL;
	int result = -ENOMEM;
	struct select *select = record_new(task, cases, (unsigned)n);
	if (!select)
		return -ENOMEM;
	if (wait && !allocate_blocks(select))
		goto out;
	lock_all(select);
	struct sley_case *c = do_one(select, &woken);
	if (!c && wait) {
		result = wait_for_one(select, deadline, pc);
		goto out_waited;
	}
	unlock_all(select);
	if (woken)
		task_ready(woken);
	result = c ? (int)(c - cases) : -EAGAIN;
out:
	free_blocks(select);
out_waited:
	record_free(select);
	return result;
}

static int select_waiting(struct task *task, void *cases, int64_t n, sley_time deadline, const void *pc)
{
	return select_run(task, cases, (int)n, true, deadline, pc);
}

int sley_select(struct sley_case *cases, int n, sley_time deadline)
{
	int error = check_cases(cases, n);
	return error ? error : park_call(select_waiting, cases, n, deadline, __builtin_return_address(0));
}

int sley_try_select(struct sley_case *cases, int n)
{
	int error = check_cases(cases, n);
	if (error || (error = thread_visit()) != 0)
		return error;
	error = select_run(NULL, cases, n, false, 0, NULL);
	thread_depart();
	return error;
}
