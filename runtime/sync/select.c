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
 * When nothing was found, the wait begins, and each channel is unlocked as soon as its node is linked. An event may end the
 * wait while the next nodes are still being linked: that is as for any wait whose task has not left its stack yet.
 *
 * The winner of the claim tells which node it has popped (wait_claim_apart()). That channel is not accessed again, as it
 * may have been freed by then. From the others, their nodes are unlinked, one channel after the other.
 *
 * All memory of that part is off the stack, in one record: nodes, the locking order, and a block for each operation whose
 * item does not fit a word. A record for n cases costs 50 n bytes during the wait.
 */
#include <errno.h>

#include "base/race.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/report.h"
#include "run/thread.h"
#include "sync/chan.h"
#include "sync/select.h"

#define CASES_FEW 8
#define GLANCED   64 /* more cases are not glanced at: bits of a word */

struct node {
	struct wait_apart apart;
	struct sley_chan *chan;
	uint32_t item; /* the size of the channel's items */
	bool sends;
};

struct select {
	struct task *task;
	struct sley_case *cases; /* the caller's: accessed only while the task runs */
	unsigned n;
	unsigned channels;   /* cases whose channel is not null */
	bool wide;           /* some items do not fit a word: their nodes have blocks, or null */
	uint16_t *order;     /* indices of the cases with a channel, sorted by its address */
	struct node nodes[]; /* in that order */
};

static struct sley_case *case_at(const struct select *select, unsigned i)
{
	return &select->cases[select->order[i]];
}

static struct sley_chan *channel(const struct select *select, unsigned i)
{
	return case_at(select, i)->chan;
}

/* ---- the record ---- */

static size_t record_size(unsigned n)
{
	return sizeof(struct select) + n * (sizeof(struct node) + sizeof(uint16_t));
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

/* Begins at a random case, so that of several cases with one channel none is always the first in its queue. */
NOINLINE static unsigned order_many(struct select *select)
{
	unsigned at = random_here() % select->n;
	for (unsigned i = 0; i < select->n; i++) {
		if (select->cases[at].chan)
			select->order[select->channels++] = (uint16_t)at;
		at = at + 1 == select->n ? 0 : at + 1;
	}
	sort(select);
	return select->channels;
}

/* Inserts a case before those with higher channels; at a random place among those with the same one. */
NOINLINE static void order_insert(const struct sley_case *cases, unsigned which, uint16_t *order, unsigned at)
{
	for (; at > 0; at--) {
		const struct sley_chan *before = cases[order[at - 1]].chan;
		if (before < cases[which].chan || (before == cases[which].chan && random_here() & 1))
			break;
		order[at] = order[at - 1];
	}
	order[at] = (uint16_t)which;
}

/* By insertion. Returns the number of cases with a channel. */
static ALWAYS_INLINE unsigned order_few(const struct sley_case *cases, unsigned n, uint16_t *order)
{
	const struct sley_chan *highest = NULL;
	unsigned channels = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct sley_chan *chan = cases[i].chan;
		if (chan > highest) {
			order[channels++] = (uint16_t)i;
			highest = chan;
		} else if (chan) {
			order_insert(cases, i, order, channels++);
		}
	}
	return channels;
}

static struct select *record_new(struct task *task, struct sley_case *cases, unsigned n)
{
	struct select *select = block_alloc(record_size(n));
	if (!select)
		return NULL;
	uint16_t *order = (uint16_t *)&select->nodes[n];
	*select = (struct select){ .task = task, .cases = cases, .n = n, .order = order };
	unsigned channels = likely(n <= CASES_FEW) ? order_few(cases, n, order) : order_many(select);
	bool wide = false;
	select->channels = channels;
	for (unsigned i = 0; i < channels; i++) {
		const struct sley_case *c = &cases[order[i]];
		struct node *node = &select->nodes[i];
		node->apart.owner = task;
		node->chan = c->chan;
		node->item = (uint32_t)c->chan->item;
		node->sends = c->op == SLEY_SEND;
		wide |= !item_in_word(node->item);
	}
	select->wide = wide;
	return select;
}

static void record_free(struct select *select)
{
	block_free(select, record_size(select->n));
}

NOINLINE static void free_blocks(struct select *select)
{
	for (unsigned i = 0; i < select->channels; i++) {
		if (!item_in_word(select->nodes[i].item))
			block_free(select->nodes[i].apart.wait.block, select->nodes[i].item);
	}
}

/* Allocates the blocks for items that do not fit a word. Returns false if there is no memory. */
NOINLINE static bool allocate_blocks(struct select *select)
{
	bool all = true;
	for (unsigned i = 0; i < select->channels; i++) {
		struct node *node = &select->nodes[i];
		if (item_in_word(node->item))
			continue;
		node->apart.wait.block = all ? block_alloc(node->item) : NULL;
		all = node->apart.wait.block != NULL;
	}
	return all;
}

static void *held(struct node *node)
{
	return item_in_word(node->item) ? &node->apart.wait.word : node->apart.wait.block;
}

static inline bool can(const struct sley_case *c)
{
	return c->op == SLEY_SEND ? chan_can_send(c->chan) : chan_can_recv(c->chan);
}

/* ---- locking: each channel once, also if it is in several cases ---- */

/* Locks all channels. Returns whether one of the cases may be done. */
static bool lock_all(struct select *select)
{
	struct sley_chan *last = NULL;
	bool ready = false;
	for (struct node *node = select->nodes, *end = node + select->channels; node < end; node++) {
		struct sley_chan *chan = node->chan;
		if (likely(chan != last))
			lock_take(&chan->lock);
		last = chan;
		ready |= node->sends ? chan_can_send(chan) : chan_can_recv(chan);
	}
	return ready;
}

/* Unlocks the node's channel, unless it is that of the next node, too. */
static inline void unlock_last(const struct node *node, const struct node *end)
{
	if (node + 1 == end || likely(node[1].chan != node->chan))
		lock_drop(&node->chan->lock);
}

static void unlock_all(const struct select *select)
{
	for (const struct node *node = select->nodes, *end = node + select->channels; node < end; node++)
		unlock_last(node, end);
}

/* ---- operations that do not wait; with all locks held ---- */

static inline int do_case(const struct sley_case *c, uint64_t id, struct task **woken)
{
	return c->op == SLEY_SEND ? chan_send_now(c->chan, id, c->from, woken)
				  : chan_recv_now(c->chan, id, c->into, woken);
}

/* Chooses one of the cases that may be done, each equally likely. Returns null if there is none. */
static struct sley_case *choose(const struct select *select)
{
	struct sley_case *chosen = NULL;
	unsigned found = 0;
	for (unsigned i = 0; i < select->channels; i++) {
		struct sley_case *c = case_at(select, i);
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

static struct sley_waiters *node_waiters(const struct node *node)
{
	return node->sends ? &node->chan->senders : &node->chan->receivers;
}

/* All locks are held, and dropped. */
static void link_all(struct select *select)
{
	uint64_t id = select->task->id;
	for (struct node *node = select->nodes, *end = node + select->channels; node < end; node++) {
		if (node->sends)
			item_copy(node->item, held(node), case_at(select, (unsigned)(node - select->nodes))->from);
		wait_link_apart(node_waiters(node), &node->apart);
		chan_note(node->chan, id, node->sends);
		unlock_last(node, end);
		RACE_POINT(select_goes_on_linking);
	}
}

/* Unlinks all nodes but that one. Afterwards these channels may be freed, too. */
static void unlink_others(struct select *select, const struct node *won)
{
	for (struct node *node = select->nodes, *end = node + select->channels; node < end; node++) {
		if (node == won)
			continue;
		RACE_POINT(select_is_to_unlink);
		lock_take(&node->chan->lock);
		if (likely(wait_is_linked(&node->apart.wait)))
			wait_unlink(node_waiters(node), &node->apart.wait);
		else
			node->chan->inside--; /* it was popped in vain */
		lock_drop(&node->chan->lock);
	}
}

/* The node that was popped for the winning claim; null: a deadline or a canceller won. */
static struct node *find_winner(const struct select *select, enum claim who)
{
	return who == CLAIM_EVENT || who == CLAIM_CLOSED ? select->task->wait.block : NULL;
}

static ALWAYS_INLINE enum claim wait_linked(struct select *select, sley_time deadline, const void *pc)
{
	struct task *task = select->task;
	if (likely(!(task->flags & TASK_THREAD)) && likely(wait_is_plain(task, deadline))) {
		wait_begin_plain(task, SLEY_WAIT_SELECT, 0, pc);
		link_all(select);
		return wait_park_plain(task);
	}
	wait_begin(task, SLEY_WAIT_SELECT, 0, pc);
	link_all(select);
	return wait_park(task, deadline);
}

/* Parks until one case is done. All locks are held, and dropped. Returns the index of the case, or the error. */
NOINLINE static int wait_for_one(struct select *select, sley_time deadline, const void *pc)
{
	enum claim who = wait_linked(select, deadline, pc);
	struct node *won = find_winner(select, who);
	unlink_others(select, won);
	if (!won)
		return wait_error(who);
	struct sley_case *c = case_at(select, (unsigned)(won - select->nodes));
	if (c->op == SLEY_RECV && who == CLAIM_EVENT)
		item_copy(won->item, c->into, held(won));
	c->error = wait_error(who);
	return (int)(c - select->cases);
}

/* ---- the calls ---- */

#define OTHER_KIND 1

NOINLINE static void search_cases(const struct sley_case *cases, int n)
{
	for (int i = 0; i < n; i++) {
		if (cases[i].op == SLEY_SEND)
			chan_search(cases[i].chan, cases[i].from, "sley_select");
	}
}

/*
 * Checks the cases, and glances at them: *ready has a bit for each that seems to be ready. Returns 0, an error, or
 * OTHER_KIND: not all are channels.
 */
static ALWAYS_INLINE int check_cases(const struct sley_case *cases, int n, uint64_t *ready)
{
	uint64_t bit = 1, bits = 0;
	if (unlikely(n < 0 || n > CASES_MAX || (n > 0 && !cases)))
		return -EINVAL;
	for (int i = 0; i < n; i++, bit <<= 1) {
		const struct sley_case *c = &cases[i];
		struct sley_chan *chan = c->chan;
		if (unlikely(c->op != SLEY_SEND && c->op != SLEY_RECV))
			return OTHER_KIND;
		if (unlikely(stack_is_copying(chan)))
			return check_shared(chan, "sley_select", "channel");
		if (unlikely(!chan))
			continue;
		if (unlikely(!c->from) && chan->item > 0) /* the union makes this check `into` as well */
			return -EFAULT;
		if (c->op == SLEY_SEND ? chan_can_send(chan) : chan_can_recv(chan))
			bits |= bit;
	}
	if (unlikely(stack_strict))
		search_cases(cases, n);
	*ready = likely(n <= GLANCED) ? bits : 0;
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

/*
 * Tries one of the cases that seem to be ready. Returns its index, or -EAGAIN. `worker`: the one whose task calls; null: of any
 * caller.
 */
static ALWAYS_INLINE int do_at_once(struct worker *worker, struct sley_case *cases, uint64_t ready)
{
	if (!ready)
		return -EAGAIN;
	struct task *woken = NULL;
	unsigned i = choose_bit(ready);
	struct sley_case *c = &cases[i];
	lock_take(&c->chan->lock);
	int error = do_case(c, worker ? worker->task->id : 0, &woken);
	lock_drop(&c->chan->lock);
	if (error == -EAGAIN)
		return error;
	c->error = error;
	if (woken && worker)
		task_hand_over(worker, woken);
	else if (woken)
		task_ready(woken);
	return (int)i;
}

/* Does one of the cases that may be ready. All locks are held, and dropped, unless the result is -EAGAIN. */
NOINLINE static int do_one_locked(const struct select *select)
{
	struct task *woken = NULL;
	struct sley_case *c = do_one(select, &woken);
	if (!c)
		return -EAGAIN;
	unlock_all(select);
	if (woken)
		task_ready(woken);
	return (int)(c - select->cases);
}

/* `wait`: park if no case can be done at once; else return -EAGAIN. */
static int select_run(struct task *task, struct sley_case *cases, int n, bool wait, sley_time deadline, const void *pc)
{
	int result = -EAGAIN;
	struct select *select = record_new(task, cases, (unsigned)n);
	if (!select)
		return -ENOMEM;
	if (unlikely(select->wide) && wait && !allocate_blocks(select)) {
		result = -ENOMEM;
		goto out;
	}
	if (lock_all(select))
		result = do_one_locked(select);
	if (result == -EAGAIN && wait)
		result = wait_for_one(select, deadline, pc);
	else if (result == -EAGAIN)
		unlock_all(select);
out:
	if (unlikely(select->wide) && wait)
		free_blocks(select);
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
	uint64_t ready = 0;
	int result = check_cases(cases, n, &ready);
	if (unlikely(result == OTHER_KIND))
		return select_any(cases, n, false, deadline, __builtin_return_address(0));
	if (unlikely(result))
		return result;
	if (unlikely(!worker || !worker->task || worker->budget == 0))
		return park_call(select_waiting, cases, n, deadline, __builtin_return_address(0));
	worker->budget--;
	result = do_at_once(worker, cases, ready);
	if (likely(result >= 0))
		return result;
	return select_waiting(worker->task, cases, n, deadline, __builtin_return_address(0));
}

int sley_try_select(struct sley_case *cases, int n)
{
	uint64_t ready = 0;
	int result = check_cases(cases, n, &ready);
	if (unlikely(result == OTHER_KIND))
		return select_any_try(cases, n, false);
	if (result || (result = thread_visit()) != 0)
		return result;
	result = do_at_once(NULL, cases, ready);
	if (result < 0)
		result = select_run(NULL, cases, n, false, 0, NULL);
	thread_depart();
	return result;
}
