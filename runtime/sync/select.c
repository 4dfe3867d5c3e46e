/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Select: the first of several channel operations that can be done, as in Go's select.go.
 *
 * First a glance at each channel without its lock. If cases seem to be ready, a random one of them is tried, as an
 * operation of its own, with that channel's lock alone. What is ready is mostly seen at a glance. But a glance at one channel
 * after the other does not tell that none was ready at any one moment. So without success all channels are locked, in the
 * order of their addresses. If some cases can be done, a random one of them is done. Else a node of each case is linked,
 * and the task parks with one claim for all of them.
 *
 * The task locks all channels before it looks at any of them. So no other task can claim it through one channel while
 * it looks at another, and a rendezvous of two selects needs only one claim. Rejected: a claim of each of the two
 * tasks, as the second may fail when the first cannot be undone.
 *
 * All memory of that part is off the stack, in one record: nodes (struct wait_apart), the locking order, and a block for each
 * operation whose item does not fit a word. A record for n cases costs 40 n bytes during the wait.
 */
#include <errno.h>

#include "run/park.h"
#include "run/queue.h"
#include "run/report.h"
#include "run/thread.h"
#include "sync/chan.h"
#include "sync/select.h"

#define CASES_FEW 8
#define GLANCED   64 /* more cases are not glanced at: bits of a word */

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

/* By insertion. */
static void sort_few(const struct select *select)
{
	for (unsigned i = 1; i < select->channels; i++) {
		uint16_t moving = select->order[i];
		unsigned at = i;
		for (; at > 0 && channel(select, at - 1) > select->cases[moving].chan; at--)
			select->order[at] = select->order[at - 1];
		select->order[at] = moving;
	}
}

/* Heapsort, as it needs no memory: J. W. J. Williams, "Algorithm 232", CACM 7 (1964). */
static void sort(const struct select *select)
{
	unsigned n = select->channels;
	if (n <= CASES_FEW) {
		sort_few(select);
		return;
	}
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
	struct sley_chan *last = NULL;
	for (unsigned i = 0; i < select->channels; i++) {
		struct sley_chan *chan = channel(select, i);
		if (chan != last)
			lock_take(&chan->lock);
		last = chan;
	}
}

static void unlock_all(const struct select *select)
{
	struct sley_chan *last = NULL;
	for (unsigned i = select->channels; i-- > 0;) {
		struct sley_chan *chan = channel(select, i);
		if (chan != last)
			lock_drop(&chan->lock);
		last = chan;
	}
}

/* ---- operations that do not wait; with all locks held ---- */

static inline bool can(const struct sley_case *c)
{
	return c->op == SLEY_SEND ? chan_can_send(c->chan) : chan_can_recv(c->chan);
}

static inline int do_case(const struct sley_case *c, uint64_t id, struct task **woken)
{
	return c->op == SLEY_SEND ? chan_send_now(c->chan, id, c->from, woken)
				  : chan_recv_now(c->chan, id, c->into, woken);
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
		c->error = do_case(c, id, woken);
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

#define OTHER_KIND 1

static inline int check_case(const struct sley_case *c)
{
	if (unlikely(c->op != SLEY_SEND && c->op != SLEY_RECV))
		return OTHER_KIND;
	int error = check_shared(c->chan, "sley_select", "channel");
	if (unlikely(error))
		return error;
	if (unlikely(chan_lacks(c->chan, c->from))) /* the union makes this check `into` as well */
		return -EFAULT;
	if (c->op == SLEY_SEND)
		chan_search(c->chan, c->from, "sley_select");
	return 0;
}

/*
 * Checks the cases, and glances at them: *ready has a bit for each that seems to be ready. Returns 0, an error, or
 * OTHER_KIND: not all are channels.
 */
static ALWAYS_INLINE int check_cases(const struct sley_case *cases, int n, uint64_t *ready)
{
	*ready = 0;
	if (unlikely(n < 0 || n > CASES_MAX || (n > 0 && !cases)))
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		int error = check_case(&cases[i]);
		if (unlikely(error))
			return error;
		if (n <= GLANCED && cases[i].chan && can(&cases[i]))
			*ready |= (uint64_t)1 << i;
	}
	return 0;
}

/* The number of one of the bits, each equally likely. */
static unsigned choose_bit(uint64_t bits)
{
	if (bits & (bits - 1)) {
		for (unsigned n = random_here() % (unsigned)__builtin_popcountll(bits); n > 0; n--)
			bits &= bits - 1;
	}
	return (unsigned)__builtin_ctzll(bits);
}

/* Tries one of the cases that seem to be ready. Returns its index, or -EAGAIN. */
static inline int do_at_once(struct sley_case *cases, uint64_t ready, uint64_t id)
{
	if (!ready)
		return -EAGAIN;
	struct task *woken = NULL;
	unsigned i = choose_bit(ready);
	struct sley_case *c = &cases[i];
	lock_take(&c->chan->lock);
	int error = do_case(c, id, &woken);
	lock_drop(&c->chan->lock);
	if (error == -EAGAIN)
		return error;
	if (woken)
		task_ready(woken);
	c->error = error;
	return (int)i;
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

/* Not inlined, as sley_select() has used the thread's worker. */
NOINLINE static int select_waiting(struct task *task, void *cases, int64_t n, sley_time deadline, const void *pc)
{
	return select_run(task, cases, (int)n, true, deadline, pc);
}

int sley_select(struct sley_case *cases, int n, sley_time deadline)
{
	struct worker *worker = this_worker;
	uint64_t ready;
	int result = check_cases(cases, n, &ready);
	if (unlikely(result == OTHER_KIND))
		return select_any(cases, n, false, deadline, __builtin_return_address(0));
	if (unlikely(result))
		return result;
	if (unlikely(!worker || !worker->task || worker->budget == 0))
		return park_call(select_waiting, cases, n, deadline, __builtin_return_address(0));
	worker->budget--;
	result = do_at_once(cases, ready, worker->task->id);
	if (likely(result >= 0))
		return result;
	return select_waiting(worker->task, cases, n, deadline, __builtin_return_address(0));
}

int sley_try_select(struct sley_case *cases, int n)
{
	uint64_t ready;
	int result = check_cases(cases, n, &ready);
	if (unlikely(result == OTHER_KIND))
		return select_any_try(cases, n, false);
	if (result || (result = thread_visit()) != 0)
		return result;
	result = do_at_once(cases, ready, 0);
	if (result < 0)
		result = select_run(NULL, cases, n, false, 0, NULL);
	thread_depart();
	return result;
}
