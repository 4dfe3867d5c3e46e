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
 * from the claim to task_ready(), then to the task again. (Go's chan.go writes into the other's stack; ours may be away.)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/fault.h"
#include "sched/worker.h"

#define ITEM_MAX ((size_t)64 << 10)

struct sley_chan {
	struct lock lock;              /* protects the rest but for the constants */
	unsigned closed;
	size_t item, capacity;         /* constant */
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
	if (__builtin_mul_overflow(item, capacity, &size) || __builtin_add_overflow(size, sizeof(struct sley_chan), &size))
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
	bool busy = chan->senders.head || chan->receivers.head;
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
		task->tenant.next = &list->tenant;
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

typedef int (*attempt)(struct sley_chan *, void *item, struct task **woken);

static int attempt_send(struct sley_chan *chan, void *item, struct task **woken)
{
	return send_now(chan, item, woken);
}

static int try_now(struct sley_chan *chan, void *item, attempt attempt, const char *call)
{
	struct task *woken;
	int error = scheduler_error();
	if (error || (error = fault_check(chan, call, "channel")) != 0)
		return error;
	if (!chan)
		return -EAGAIN;
	lock_take(&chan->lock);
	error = attempt(chan, item, &woken);
	lock_drop(&chan->lock);
	if (woken)
		task_ready(woken);
	return error;
}

int sley_chan_try_send(struct sley_chan *chan, const void *item)
{
	return try_now(chan, (void *)(uintptr_t)item, attempt_send, "sley_chan_try_send");
}

int sley_chan_try_recv(struct sley_chan *chan, void *item)
{
	return try_now(chan, item, recv_now, "sley_chan_try_recv");
}

static int wait_for_nothing(struct task *task, enum sley_wait_kind kind, sley_time deadline, const void *pc)
{
	wait_begin(task, kind, 0, pc);
	wait_park(task, deadline);
	return -ETIMEDOUT;
}

static void free_block(struct sley_chan *chan, void *block)
{
	image_free(&worker_self()->stack.images, block, chan->item);
}

/* Parks in `waiters`; the wait was begun; the lock is held, and dropped. */
static enum claim park(struct sley_chan *chan, struct sley_waiters *waiters, struct task *task, sley_time deadline)
{
	wait_link(waiters, &task->wait);
	lock_drop(&chan->lock);
	enum claim who = wait_park(task, deadline);
	if (who == CLAIM_DEADLINE) {
		lock_take(&chan->lock);
		wait_unlink(waiters, &task->wait);
		lock_drop(&chan->lock);
	}
	return who;
}

/*
 * Tries, and parks if nothing could be done. A large item needs a block, which is allocated without the lock; then what
 * could be done at once is tried again.
 */
static int transfer(struct sley_chan *chan, void *item, sley_time deadline, attempt attempt, enum sley_wait_kind kind,
		    const void *pc)
{
	struct task *task = task_self(), *woken;
	void *block = NULL;
	lock_take(&chan->lock);
	int error = attempt(chan, item, &woken);
	if (error == -EAGAIN && !in_word(chan)) {
		lock_drop(&chan->lock);
		block = image_alloc(&worker_self()->stack.images, chan->item);
		if (!block)
			return -ENOMEM;
		lock_take(&chan->lock);
		error = attempt(chan, item, &woken);
	}
	if (error != -EAGAIN) {
		lock_drop(&chan->lock);
		if (woken)
			task_ready(woken);
		free_block(chan, block);
		return error;
	}
	bool sending = kind == SLEY_WAIT_SEND;
	wait_begin(task, kind, (uint64_t)(uintptr_t)chan, pc);
	task->wait.block = block;
	if (sending)
		copy(chan, held(chan, task), item);
	enum claim who = park(chan, sending ? &chan->senders : &chan->receivers, task, deadline);
	if (who == CLAIM_EVENT && !sending)
		copy(chan, item, held(chan, task));
	free_block(chan, block);
	return who == CLAIM_EVENT ? 0 : who == CLAIM_CLOSED ? -EPIPE : -ETIMEDOUT;
}

static int waiting_call(struct sley_chan *chan, void *item, sley_time deadline, attempt attempt, enum sley_wait_kind kind,
			const char *call, const void *pc)
{
	struct task *task = task_self();
	if (!task)
		return outside_error();
	int error = fault_check(chan, call, "channel");
	if (error)
		return error;
	return chan ? transfer(chan, item, deadline, attempt, kind, pc) : wait_for_nothing(task, kind, deadline, pc);
}

int sley_chan_send(struct sley_chan *chan, const void *item, sley_time deadline)
{
	return waiting_call(chan, (void *)(uintptr_t)item, deadline, attempt_send, SLEY_WAIT_SEND, "sley_chan_send",
			    __builtin_return_address(0));
}

int sley_chan_recv(struct sley_chan *chan, void *item, sley_time deadline)
{
	return waiting_call(chan, item, deadline, recv_now, SLEY_WAIT_RECV, "sley_chan_recv",
			    __builtin_return_address(0));
}
