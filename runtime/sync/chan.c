/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "sync/chan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "run/park.h"
#include "run/queue.h"
#include "run/report.h"
#include "run/thread.h"

#define ITEM_MAX ((size_t)64 << 10)

/* ---- operations that do not wait, of the task of that id, or of a thread: 0; with the lock held ---- */

static ALWAYS_INLINE void ring_push(struct sley_chan *chan, size_t size, const void *item)
{
	item_copy(size, chan->ring + chan->tail * size, item);
	chan->tail = chan->tail + 1 == chan->capacity ? 0 : chan->tail + 1;
	store(&chan->count, chan->count + 1, relaxed);
}

static ALWAYS_INLINE void ring_pop(struct sley_chan *chan, size_t size, void *item)
{
	item_copy(size, item, chan->ring + chan->head * size);
	chan->head = chan->head + 1 == chan->capacity ? 0 : chan->head + 1;
	store(&chan->count, chan->count - 1, relaxed);
}

/* Inline, as most lists are empty: this is seen without a call. */
static ALWAYS_INLINE struct wait *pop(struct sley_chan *chan, struct sley_waiters *waiters, enum claim who)
{
	struct wait *wait;
	while ((wait = waiters->head) && unlikely(!wait_pop_first(waiters, who)))
		chan->inside++; /* its task comes */
	return wait;
}

/* `size`: of an item. */
static ALWAYS_INLINE int send_locked(struct sley_chan *chan, size_t size, uint64_t id, const void *item,
				     struct task **woken)
{
	struct wait *receiver;
	if (unlikely(chan->closed))
		return -EPIPE;
	if ((receiver = pop(chan, &chan->receivers, CLAIM_EVENT))) {
		item_copy(size, item_in_word(size) ? &receiver->word : receiver->block, item);
		chan_note(chan, id, true);
		*woken = wait_owner(receiver);
		return 0;
	}
	if (chan->count == chan->capacity)
		return -EAGAIN;
	ring_push(chan, size, item);
	return 0;
}

static ALWAYS_INLINE int recv_locked(struct sley_chan *chan, size_t size, uint64_t id, void *item, struct task **woken)
{
	struct wait *sender;
	if (chan->count > 0) {
		ring_pop(chan, size, item);
		if ((sender = pop(chan, &chan->senders, CLAIM_EVENT)))
			ring_push(chan, size, item_in_word(size) ? &sender->word : sender->block);
	} else if ((sender = pop(chan, &chan->senders, CLAIM_EVENT))) {
		item_copy(size, item, item_in_word(size) ? &sender->word : sender->block);
	} else {
		return chan->closed ? -EPIPE : -EAGAIN;
	}
	if (sender) {
		chan_note(chan, id, false);
		*woken = wait_owner(sender);
	}
	return 0;
}

int chan_send_now(struct sley_chan *chan, uint64_t id, const void *item, struct task **woken)
{
	*woken = NULL;
	return send_locked(chan, chan->item, id, item, woken);
}

int chan_recv_now(struct sley_chan *chan, uint64_t id, void *item, struct task **woken)
{
	*woken = NULL;
	return recv_locked(chan, chan->item, id, item, woken);
}

/* ---- making, freeing, closing ---- */

int sley_chan_new(struct sley_chan **result, size_t item, size_t capacity)
{
	size_t size;
	if (!result || item > ITEM_MAX)
		return -EINVAL;
	if (__builtin_mul_overflow(item, capacity, &size) ||
	    __builtin_add_overflow(size, sizeof(struct sley_chan), &size))
		return -EOVERFLOW;
	struct sley_chan *chan = calloc(1, size);
	if (!chan)
		return -ENOMEM;
	chan->item = item;
	chan->capacity = capacity;
	*result = chan;
	return 0;
}

int chan_free(struct sley_chan *chan)
{
	/*
	 * Outside of a run no task waits, and the lock is not taken: in a forked child it may be held for ever. Waits
	 * that are still linked were abandoned with their run.
	 */
	if (thread_visit() == 0) {
		lock_take(&chan->lock);
		bool busy = chan->inside > 0 || chan->senders.head || chan->receivers.head;
		lock_drop(&chan->lock);
		thread_depart();
		if (busy)
			return -EBUSY;
	}
	free(chan);
	return 0;
}

int sley_chan_free(struct sley_chan *chan)
{
	int error = chan ? check_shared(chan, "sley_chan_free", "channel") : 0;
	if (!chan || error)
		return error;
	return load(&chan->users, relaxed) ? -EBUSY : chan_free(chan);
}

size_t sley_chan_length(struct sley_chan *chan)
{
	if (!chan || check_shared(chan, "sley_chan_length", "channel"))
		return 0;
	return load(&chan->count, relaxed);
}

size_t sley_chan_capacity(struct sley_chan *chan)
{
	if (!chan || check_shared(chan, "sley_chan_capacity", "channel"))
		return 0;
	return chan->capacity;
}

/* Ends all waits of the list, and adds their tasks to `woken`. With the lock held. */
static void pop_all(struct sley_chan *chan, struct sley_waiters *waiters, struct task_list *woken)
{
	struct wait *wait;
	while ((wait = pop(chan, waiters, CLAIM_CLOSED)))
		task_list_add(woken, wait_owner(wait));
}

static int close_now(struct sley_chan *chan)
{
	struct task_list woken = { 0 };
	int error = check_object(chan, "sley_chan_close", "channel");
	if (error)
		return error;
	lock_take(&chan->lock);
	if (chan->closed) {
		lock_drop(&chan->lock);
		return -EPIPE;
	}
	store(&chan->closed, 1, relaxed);
	pop_all(chan, &chan->senders, &woken);
	pop_all(chan, &chan->receivers, &woken);
	lock_drop(&chan->lock);
	task_ready_list(&woken);
	return 0;
}

int sley_chan_close(struct sley_chan *chan)
{
	int error = thread_visit();
	if (error)
		return error;
	error = close_now(chan);
	thread_depart();
	return error;
}

/* ---- sending and receiving ---- */

static int wait_for_nothing(struct task *task, enum sley_wait_kind kind, sley_time deadline, const void *pc)
{
	wait_begin(task, kind, 0, pc);
	return wait_error(wait_park(task, deadline));
}

/* The wait was ended by `who`, not by an event. If by the close, the channel may have been freed. */
NOINLINE static int give_up(struct task *task, struct sley_chan *chan, bool sending, enum claim who)
{
	if (who != CLAIM_CLOSED) {
		lock_take(&chan->lock);
		if (wait_is_linked(&task->wait))
			wait_unlink(sending ? &chan->senders : &chan->receivers, &task->wait);
		else
			chan->inside--; /* it was popped in vain */
		lock_drop(&chan->lock);
	}
	return wait_error(who);
}

/*
 * Parks the task until the operation is done by another task. The lock is held, and dropped. `block` holds the item if
 * the item does not fit a word. The frames from here to the caller are live bytes of every task that waits on a
 * channel, so they are kept small.
 */
static int wait_in(struct task *task, struct sley_chan *chan, void *item, sley_time deadline, bool sending, void *block,
		   const void *pc)
{
	struct sley_waiters *waiters = sending ? &chan->senders : &chan->receivers;
	size_t size = chan->item;
	wait_begin(task, sending ? SLEY_WAIT_SEND : SLEY_WAIT_RECV, (uint64_t)(uintptr_t)chan, pc);
	task->wait.block = block;
	if (sending)
		chan_copy(chan, chan_held(chan, &task->wait), item);
	wait_link(waiters, &task->wait);
	chan_note(chan, task->id, sending);
	lock_drop(&chan->lock);
	enum claim who = wait_park(task, deadline);
	int error = who == CLAIM_EVENT ? 0 : give_up(task, chan, sending, who);
	/* the channel may have been freed */
	if (error == 0 && !sending)
		item_copy(size, item, item_in_word(size) ? &task->wait.word : task->wait.block);
	if (!item_in_word(size))
		block_free(task->wait.block, size);
	return error;
}

/* Tries the operation without waiting, for the task of that id; 0: for a thread. On -EAGAIN the lock is still held. */
static int attempt(struct sley_chan *chan, uint64_t id, void *item, bool sending)
{
	struct task *woken = NULL;
	lock_take(&chan->lock);
	int error = sending ? send_locked(chan, chan->item, id, item, &woken)
			    : recv_locked(chan, chan->item, id, item, &woken);
	if (error == -EAGAIN)
		return error;
	lock_drop(&chan->lock);
	if (woken)
		task_ready(woken);
	return error;
}

/*
 * Continues an operation that has to wait. The lock is held, and dropped. A large item needs a block during the wait.
 * The block is allocated without the lock, so the operation is tried again afterwards.
 */
NOINLINE static int transfer_slowly(struct task *task, struct sley_chan *chan, void *item, sley_time deadline,
				    bool sending, const void *pc)
{
	void *block = NULL;
	if (!chan_in_word(chan)) {
		lock_drop(&chan->lock);
		block = block_alloc(chan->item);
		if (!block)
			return -ENOMEM;
		int error = attempt(chan, task->id, item, sending);
		if (error != -EAGAIN) {
			block_free(block, chan->item);
			return error;
		}
	}
	return wait_in(task, chan, item, deadline, sending, block, pc);
}

static int chan_transfer(struct task *task, struct sley_chan *chan, void *item, sley_time deadline, bool sending,
			 const void *pc)
{
	if (unlikely(!chan))
		return wait_for_nothing(task, sending ? SLEY_WAIT_SEND : SLEY_WAIT_RECV, deadline, pc);
	int error = attempt(chan, task->id, item, sending);
	return error == -EAGAIN ? transfer_slowly(task, chan, item, deadline, sending, pc) : error;
}

static int send_of_thread(struct task *task, void *chan, int64_t item, sley_time deadline, const void *pc)
{
	return chan_transfer(task, chan, (void *)(intptr_t)item, deadline, true, pc);
}

static int recv_of_thread(struct task *task, void *chan, int64_t item, sley_time deadline, const void *pc)
{
	return chan_transfer(task, chan, (void *)(intptr_t)item, deadline, false, pc);
}

/*
 * Handles the rarer calls: of a thread, with a null channel or item, of a task whose budget is spent, with items of another
 * size than a word's, or when the lock is held.
 */
NOINLINE static int transfer_otherwise(struct sley_chan *chan, void *item, sley_time deadline, bool sending,
				       const void *pc)
{
	struct task *task = task_self();
	if (sending)
		chan_search(chan, item, "sley_chan_send");
	if (chan_lacks(chan, item))
		return -EFAULT;
	if (!task)
		return park_thread(sending ? send_of_thread : recv_of_thread, chan, (int64_t)(intptr_t)item, deadline);
	worker_spend(pc);
	return chan_transfer(task, chan, item, deadline, sending, pc);
}

static int chan_try(struct sley_chan *chan, void *item, bool sending, const char *call)
{
	int error = check_shared(chan, call, "channel");
	if (error)
		return error;
	if (!chan)
		return -EAGAIN;
	if (chan_lacks(chan, item))
		return -EFAULT;
	if (sending)
		chan_search(chan, item, call);
	error = attempt(chan, task_self() ? task_self()->id : 0, item, sending);
	if (error == -EAGAIN)
		lock_drop(&chan->lock);
	return error;
}

int sley_chan_try_send(struct sley_chan *chan, const void *item)
{
	int error = thread_visit();
	if (error)
		return error;
	error = chan_try(chan, (void *)(uintptr_t)item, true, "sley_chan_try_send");
	thread_depart();
	return error;
}

int sley_chan_try_recv(struct sley_chan *chan, void *item)
{
	int error = thread_visit();
	if (error)
		return error;
	error = chan_try(chan, item, false, "sley_chan_try_recv");
	thread_depart();
	return error;
}

/* ---- the usual calls: of a task, with items that fit a word ---- */

/*
 * What needs no other task calls nothing, so it saves no registers; the rest are tail calls. The functions that are called
 * so take over the lock.
 */

/* Whether the call is a usual one. Then it is charged to the budget, and the lock is held. */
static ALWAYS_INLINE bool begin_word(struct worker *worker, struct sley_chan *chan, const void *item)
{
	if (unlikely(!worker || !worker->task || !chan || !item || worker->budget == 0) ||
	    unlikely(chan->item - 1 >= sizeof(uint64_t)) || unlikely(!lock_take_at_once(&chan->lock)))
		return false;
	worker->budget--;
	return true;
}

/* Like wait_in(), which it is for the rarer waits. */
static ALWAYS_INLINE int wait_word(struct task *task, struct sley_chan *chan, void *item, sley_time deadline,
				   bool sending, const void *pc)
{
	if (!wait_is_plain(task, deadline) || unlikely(chan->item != sizeof(uint64_t)))
		return wait_in(task, chan, item, deadline, sending, NULL, pc);
	if (sending)
		memcpy(&task->wait.word, item, sizeof(uint64_t));
	wait_link_here(sending ? &chan->senders : &chan->receivers, &task->wait);
	wait_begin_plain(task, sending ? SLEY_WAIT_SEND : SLEY_WAIT_RECV, (uint64_t)(uintptr_t)chan, pc);
	chan_note(chan, task->id, sending);
	lock_drop(&chan->lock);
	enum claim who = wait_park_plain(task);
	if (unlikely(who != CLAIM_EVENT))
		return give_up(task, chan, sending, who);
	if (!sending) /* the channel may have been freed */
		memcpy(item, &task->wait.word, sizeof(uint64_t));
	return 0;
}

NOINLINE static int send_word_waiting(struct task *task, struct sley_chan *chan, void *item, sley_time deadline,
				      const void *pc)
{
	return wait_word(task, chan, item, deadline, true, pc);
}

NOINLINE static int recv_word_waiting(struct task *task, struct sley_chan *chan, void *item, sley_time deadline,
				      const void *pc)
{
	return wait_word(task, chan, item, deadline, false, pc);
}

/* Receivers seemed to wait, but their waits were ended otherwise: none waits. */
NOINLINE static int send_word_after_all(struct task *task, struct sley_chan *chan, void *item, sley_time deadline,
					const void *pc)
{
	struct task *woken;
	int error = chan_send_now(chan, task->id, item, &woken);
	if (error == -EAGAIN)
		return send_word_waiting(task, chan, item, deadline, pc);
	lock_drop(&chan->lock);
	return error;
}

/* Receivers wait. So the channel is not closed. */
NOINLINE static int send_word_meeting(struct worker *worker, struct sley_chan *chan, void *item, sley_time deadline,
				      const void *pc)
{
	struct wait *receiver = pop(chan, &chan->receivers, CLAIM_EVENT);
	if (unlikely(!receiver))
		return send_word_after_all(worker->task, chan, item, deadline, pc);
	struct task *woken = wait_owner(receiver);
	word_copy(chan->item, (char *)&receiver->word, item);
	chan_note(chan, worker->task->id, true);
	lock_drop(&chan->lock);
	task_hand_over(worker, woken);
	return 0;
}

/* Senders wait, or the channel is closed and empty. */
NOINLINE static int recv_word_meeting(struct worker *worker, struct sley_chan *chan, void *item, sley_time deadline,
				      const void *pc)
{
	struct task *task = worker->task, *woken = NULL;
	int error = recv_locked(chan, chan->item, task->id, item, &woken);
	if (unlikely(error == -EAGAIN)) /* their waits were ended otherwise */
		return recv_word_waiting(task, chan, item, deadline, pc);
	lock_drop(&chan->lock);
	if (likely(woken != NULL))
		task_hand_over(worker, woken);
	return error;
}

/* The ring, with items of fewer bytes. The lock is held, and dropped. */
NOINLINE static int push_small(struct sley_chan *chan, const void *item)
{
	ring_push(chan, chan->item, item);
	lock_drop(&chan->lock);
	return 0;
}

NOINLINE static int pop_small(struct sley_chan *chan, void *item)
{
	ring_pop(chan, chan->item, item);
	lock_drop(&chan->lock);
	return 0;
}

int sley_chan_send(struct sley_chan *chan, const void *from, sley_time deadline)
{
	struct worker *worker = this_worker;
	void *item = (void *)(uintptr_t)from;
	if (unlikely(stack_is_copying(chan)))
		return check_shared(chan, "sley_chan_send", "channel");
	if (unlikely(stack_strict) || !begin_word(worker, chan, item))
		return transfer_otherwise(chan, item, deadline, true, __builtin_return_address(0));
	if (chan->receivers.head)
		return send_word_meeting(worker, chan, item, deadline, __builtin_return_address(0));
	if (unlikely(chan->closed)) {
		lock_drop(&chan->lock);
		return -EPIPE;
	}
	if (chan->count == chan->capacity)
		return send_word_waiting(worker->task, chan, item, deadline, __builtin_return_address(0));
	if (unlikely(chan->item != sizeof(uint64_t)))
		return push_small(chan, item);
	ring_push(chan, sizeof(uint64_t), item);
	lock_drop(&chan->lock);
	return 0;
}

int sley_chan_recv(struct sley_chan *chan, void *item, sley_time deadline)
{
	struct worker *worker = this_worker;
	if (unlikely(stack_is_copying(chan)))
		return check_shared(chan, "sley_chan_recv", "channel");
	if (!begin_word(worker, chan, item))
		return transfer_otherwise(chan, item, deadline, false, __builtin_return_address(0));
	if (chan->senders.head)
		return recv_word_meeting(worker, chan, item, deadline, __builtin_return_address(0));
	if (chan->count > 0) {
		if (unlikely(chan->item != sizeof(uint64_t)))
			return pop_small(chan, item);
		ring_pop(chan, sizeof(uint64_t), item);
		lock_drop(&chan->lock);
		return 0;
	}
	if (unlikely(chan->closed))
		return recv_word_meeting(worker, chan, item, deadline, __builtin_return_address(0));
	return recv_word_waiting(worker->task, chan, item, deadline, __builtin_return_address(0));
}

/* ---- several at once ---- */

#define MANY_AT_ONCE 64 /* items that are taken in one hold of the lock */

/* Takes up to n items that are there. Returns their number; -EAGAIN or -EPIPE: there is none. */
static ssize_t take_many(struct sley_chan *chan, uint64_t id, char *items, size_t n)
{
	size_t taken = 0;
	int error = 0;
	while (error == 0 && taken < n) {
		struct task_list woken = { 0 };
		size_t most = MIN(n, taken + MANY_AT_ONCE);
		lock_take(&chan->lock);
		while (taken < most) {
			struct task *sender = NULL;
			error = recv_locked(chan, chan->item, id, items + taken * chan->item, &sender);
			if (error)
				break;
			if (sender)
				task_list_add(&woken, sender);
			taken++;
		}
		lock_drop(&chan->lock);
		task_ready_list(&woken);
	}
	return taken > 0 ? (ssize_t)taken : error;
}

static ssize_t try_many(struct task *task, struct sley_chan *chan, void *items, size_t n)
{
	int error = thread_visit();
	if (error)
		return error;
	ssize_t taken = take_many(chan, task ? task->id : 0, items, n);
	thread_depart();
	return taken;
}

ssize_t sley_chan_recv_many(struct sley_chan *chan, void *items, size_t n, sley_time deadline)
{
	const void *pc = __builtin_return_address(0);
	struct task *task = task_self();
	int error = check_shared(chan, "sley_chan_recv_many", "channel");
	if (error)
		return error;
	if (n == 0)
		return 0;
	if (n > SSIZE_MAX)
		return -EINVAL;
	if (chan_lacks(chan, items))
		return -EFAULT;
	if (task)
		worker_spend(pc);
	ssize_t taken = chan ? try_many(task, chan, items, n) : -EAGAIN;
	if (taken != -EAGAIN)
		return taken;
	error = task ? chan_transfer(task, chan, items, deadline, false, pc)
		     : park_thread(recv_of_thread, chan, (int64_t)(intptr_t)items, deadline);
	if (error)
		return error;
	taken = n > 1 ? try_many(task, chan, (char *)items + chan->item, n - 1) : 0;
	return 1 + MAX(taken, 0);
}
