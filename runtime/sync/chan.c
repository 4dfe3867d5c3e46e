/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Channels: a ring of items, a FIFO of senders and one of receivers, under one short lock.
 *
 * Invariants, with the lock free:
 *   - receivers wait => the ring is empty and no senders wait
 *   - senders wait   => the ring is full (or there is none) and no receivers wait
 *   - closed         => nobody waits
 *
 * An item whose sender or receiver is parked is held off the stack: in the wait node if it is a word, else in a block
 * that the waiting task allocated before it waited. It belongs to the object while the node is linked, to the claimant
 * from the claim to task_ready(), then to the task again. (Go's chan.go writes into the other's stack; ours may be
 * away.)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/fault.h"
#include "sched/worker.h"

#define ITEM_MAX ((size_t)64 << 10)

struct sley_chan {
	struct lock lock; /* protects the rest but for the constants */
	unsigned closed;
	size_t item, capacity; /* constant */
	size_t head, count;
	struct sley_waiters senders, receivers;
	char ring[];
};

/* ---- items ---- */

static bool in_word(const struct sley_chan *chan)
{
	return chan->item <= sizeof(uint64_t);
}

static void *held(const struct sley_chan *chan, struct task *task)
{
	return in_word(chan) ? &task->wait.word : task->wait.block;
}

static void copy(const struct sley_chan *chan, void *to, const void *from)
{
	if (chan->item > 0)
		memcpy(to, from, chan->item);
}

static void ring_push(struct sley_chan *chan, const void *item)
{
	size_t place = (chan->head + chan->count) % chan->capacity;
	copy(chan, chan->ring + place * chan->item, item);
	chan->count++;
}

static void ring_pop(struct sley_chan *chan, void *item)
{
	copy(chan, item, chan->ring + chan->head * chan->item);
	chan->head = (chan->head + 1) % chan->capacity;
	chan->count--;
}

/* ---- what can be done at once; with the lock held. *woken is to be made ready after unlocking ---- */

static int send_now(struct sley_chan *chan, const void *item, struct task **woken)
{
	*woken = NULL;
	if (chan->closed)
		return -EPIPE;
	if ((*woken = wait_pop(&chan->receivers, CLAIM_EVENT))) {
		copy(chan, held(chan, *woken), item);
		return 0;
	}
	if (chan->count == chan->capacity)
		return -EAGAIN;
	ring_push(chan, item);
	return 0;
}

static int recv_now(struct sley_chan *chan, void *item, struct task **woken)
{
	*woken = NULL;
	if (chan->count > 0) {
		ring_pop(chan, item);
		if ((*woken = wait_pop(&chan->senders, CLAIM_EVENT)))
			ring_push(chan, held(chan, *woken));
		return 0;
	}
	if ((*woken = wait_pop(&chan->senders, CLAIM_EVENT))) {
		copy(chan, item, held(chan, *woken));
		return 0;
	}
	return chan->closed ? -EPIPE : -EAGAIN;
}

/* ---- making and ending ---- */

int sley_chan_new(struct sley_chan **result, size_t item, size_t capacity)
{
	size_t size;
	if (item > ITEM_MAX)
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

int sley_chan_free(struct sley_chan *chan)
{
	if (!chan)
		return 0;
	int error = fault_check(chan, "sley_chan_free", "channel");
	if (error)
		return error;
	lock_take(&chan->lock);
	/* outside of a run nobody waits: what is linked then was abandoned with its run, and is not looked at */
	bool busy = scheduler_error() == 0 && (chan->senders.head || chan->receivers.head);
	lock_drop(&chan->lock);
	if (busy)
		return -EBUSY;
	free(chan);
	return 0;
}

int sley_chan_close(struct sley_chan *chan)
{
	struct task *task, *list = NULL;
	int error = scheduler_error();
	if (error || (error = fault_check(chan, "sley_chan_close", "channel")) != 0)
		return error;
	lock_take(&chan->lock);
	if (chan->closed) {
		lock_drop(&chan->lock);
		return -EPIPE;
	}
	chan->closed = 1;
	/* claimed tasks are nobody else's: their queue links are free */
	while ((task = wait_pop(&chan->senders, CLAIM_CLOSED)) || (task = wait_pop(&chan->receivers, CLAIM_CLOSED))) {
		task->tenant.next = tenant_of(list);
		list = task;
	}
	lock_drop(&chan->lock);
	while (list) {
		struct task *next = (struct task *)list->tenant.next;
		task_ready_last(list);
		list = next;
	}
	return 0;
}

/* ---- sending and receiving ---- */

static int wait_for_nothing(enum sley_wait_kind kind, sley_time deadline, const void *pc)
{
	struct task *task = task_self();
	wait_begin(task, kind, 0, pc);
	wait_park(task, deadline);
	return -ETIMEDOUT;
}

static void free_block(struct sley_chan *chan, void *block)
{
	image_free(&worker_self()->stack.images, block, chan->item);
}

/*
 * Parks the task with what it could not do at once; the lock is held, and dropped. `block` holds the item if it is no
 * word. The frames from here to the caller are live bytes of every task that waits on a channel: they are kept small.
 */
static int wait_in(struct sley_chan *chan, void *item, sley_time deadline, bool sending, void *block, const void *pc)
{
	struct task *task = task_self();
	struct sley_waiters *waiters = sending ? &chan->senders : &chan->receivers;
	wait_begin(task, sending ? SLEY_WAIT_SEND : SLEY_WAIT_RECV, (uint64_t)(uintptr_t)chan, pc);
	task->wait.block = block;
	if (sending)
		copy(chan, held(chan, task), item);
	wait_link(waiters, &task->wait);
	lock_drop(&chan->lock);
	enum claim who = wait_park(task, deadline);
	if (who == CLAIM_DEADLINE) {
		lock_take(&chan->lock);
		wait_unlink(waiters, &task->wait);
		lock_drop(&chan->lock);
	}
	if (who == CLAIM_EVENT && !sending)
		copy(chan, item, held(chan, task));
	if (!in_word(chan))
		free_block(chan, task->wait.block);
	return who == CLAIM_EVENT ? 0 : who == CLAIM_CLOSED ? -EPIPE : -ETIMEDOUT;
}

/* What can be done at once; with -EAGAIN the lock is still held. */
NOINLINE static int attempt_locked(struct sley_chan *chan, void *item, bool sending)
{
	struct task *woken;
	lock_take(&chan->lock);
	int error = sending ? send_now(chan, item, &woken) : recv_now(chan, item, &woken);
	if (error == -EAGAIN)
		return error;
	lock_drop(&chan->lock);
	if (woken)
		task_ready(woken);
	return error;
}

/*
 * A large item needs a block to wait in, which is allocated without the lock; then what could be done at once is tried
 * again.
 */
static int transfer(struct sley_chan *chan, void *item, sley_time deadline, bool sending, const void *pc)
{
	if (unlikely(!chan))
		return wait_for_nothing(sending ? SLEY_WAIT_SEND : SLEY_WAIT_RECV, deadline, pc);
	int error = attempt_locked(chan, item, sending);
	if (error != -EAGAIN) {
		worker_spend(pc);
		return error;
	}
	void *block = NULL;
	if (!in_word(chan)) {
		lock_drop(&chan->lock);
		block = image_alloc(&worker_self()->stack.images, chan->item);
		if (!block)
			return -ENOMEM;
		error = attempt_locked(chan, item, sending);
		if (error != -EAGAIN) {
			free_block(chan, block);
			return error;
		}
	}
	return wait_in(chan, item, deadline, sending, block, pc);
}

static int try_now(struct sley_chan *chan, void *item, bool sending, const char *call)
{
	int error = scheduler_error();
	if (error || (error = fault_check(chan, call, "channel")) != 0)
		return error;
	if (!chan)
		return -EAGAIN;
	error = attempt_locked(chan, item, sending);
	if (error == -EAGAIN)
		lock_drop(&chan->lock);
	return error;
}

int sley_chan_try_send(struct sley_chan *chan, const void *item)
{
	return try_now(chan, (void *)(uintptr_t)item, true, "sley_chan_try_send");
}

int sley_chan_try_recv(struct sley_chan *chan, void *item)
{
	return try_now(chan, item, false, "sley_chan_try_recv");
}

static int check_waiting(struct sley_chan *chan, const char *call)
{
	return task_self() ? fault_check(chan, call, "channel") : outside_error();
}

int sley_chan_send(struct sley_chan *chan, const void *item, sley_time deadline)
{
	int error = check_waiting(chan, "sley_chan_send");
	if (error)
		return error;
	return transfer(chan, (void *)(uintptr_t)item, deadline, true, __builtin_return_address(0));
}

int sley_chan_recv(struct sley_chan *chan, void *item, sley_time deadline)
{
	int error = check_waiting(chan, "sley_chan_recv");
	if (error)
		return error;
	return transfer(chan, item, deadline, false, __builtin_return_address(0));
}
