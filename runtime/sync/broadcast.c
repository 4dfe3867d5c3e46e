/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A broadcast: a ring of the last items, which have numbers. Item n lies in place n % capacity. A subscriber knows the
 * number of its next item, so it is no matter to the others how far it is behind.
 *
 *      ... | 7 | 8 | 9 | 10 |            capacity 4, sent = 11
 *                ^       ^
 *                slow    fast            a subscriber whose next item is 5 has lost 5 and 6
 *
 * With SLEY_BROADCAST_WAIT each place has the number of subscribers that have yet to read its item; a sender waits while
 * that of the next place is not 0. Rejected: to look for the slowest subscriber at each send.
 *
 * Waiting senders are in a FIFO. Who frees the next place wakes the first of them, which keeps its turn until it has sent:
 * `turn`. A sender that comes meanwhile lines up. Then it wakes the next one, if there is room.
 *
 * The memory is counted: a reference for all senders together, one for each subscriber.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "run/park.h"
#include "run/report.h"

#define ITEM_MOST ((size_t)64 << 10)

struct sley_broadcast {
	struct object_lock lock; /* protects the fields below that are neither atomic nor constant */
	bool closed;
	bool turn;             /* a sender was woken, and has yet to send */
	bool waits;            /* constant */
	size_t item, capacity; /* constant */
	size_t senders;        /* atomic: handles */
	size_t refs;           /* atomic */
	size_t subscribers;
	uint64_t sent; /* number of the next item */
	struct sley_waiters receiving, sending;
	size_t *unread; /* constant: for each place, if senders wait; behind the ring */
	char ring[] __attribute__((aligned(16)));
};

struct sley_subscriber {
	struct sley_broadcast *broadcast; /* constant */
	uint64_t next;                    /* protected by the broadcast's lock */
};

/* ---- making and freeing ---- */

/* The ring's bytes, rounded up for the counters behind it. Returns false on an overflow. */
static bool ring_bytes(size_t item, size_t capacity, size_t *size)
{
	if (__builtin_mul_overflow(item, capacity, size) || __builtin_add_overflow(*size, sizeof(size_t) - 1, size))
		return false;
	*size &= ~(sizeof(size_t) - 1);
	return true;
}

int sley_broadcast_new(struct sley_broadcast **result, size_t item, size_t capacity, unsigned flags)
{
	size_t ring, counters = 0, size;
	if (!result || item > ITEM_MOST || capacity == 0 || flags & ~SLEY_BROADCAST_WAIT)
		return -EINVAL;
	if (!ring_bytes(item, capacity, &ring) ||
	    (flags && __builtin_mul_overflow(capacity, sizeof(size_t), &counters)) ||
	    __builtin_add_overflow(ring, counters, &size) ||
	    __builtin_add_overflow(size, sizeof(struct sley_broadcast), &size))
		return -EOVERFLOW;
	int saved = errno;
	struct sley_broadcast *broadcast = calloc(1, size);
	errno = saved;
	if (!broadcast)
		return -ENOMEM;
	broadcast->waits = flags & SLEY_BROADCAST_WAIT;
	broadcast->item = item;
	broadcast->capacity = capacity;
	broadcast->senders = broadcast->refs = 1;
	broadcast->unread = (size_t *)(void *)(broadcast->ring + ring);
	*result = broadcast;
	return 0;
}

static void broadcast_drop(struct sley_broadcast *broadcast)
{
	/* release: our use of it; acquire: the use by all others */
	if (fetch_sub(&broadcast->refs, 1, acq_rel) == 1)
		free(broadcast);
}

struct sley_broadcast *sley_broadcast_ref(struct sley_broadcast *broadcast)
{
	if (broadcast)
		fetch_add(&broadcast->senders, 1, relaxed); /* relaxed: the caller has a handle */
	return broadcast;
}

static void end_sending(struct sley_broadcast *broadcast)
{
	struct task_list woken = { 0 };
	lock_take(&broadcast->lock);
	broadcast->closed = true;
	wait_pop_all(&broadcast->receiving, CLAIM_EVENT, &woken);
	lock_drop(&broadcast->lock);
	ready_woken(&woken);
}

int sley_broadcast_free(struct sley_broadcast *broadcast)
{
	int error = broadcast ? check_shared(broadcast, "sley_broadcast_free", "broadcast") : 0;
	if (!broadcast || error || fetch_sub(&broadcast->senders, 1, acq_rel) > 1)
		return error;
	if (thread_visit() == 0) { /* outside of a run nobody waits: see sley_chan_free() */
		end_sending(broadcast);
		thread_depart();
	} else {
		broadcast->closed = true;
	}
	broadcast_drop(broadcast);
	return 0;
}

/* ---- sending; with the lock held ---- */

static bool has_room(const struct sley_broadcast *broadcast)
{
	return !broadcast->waits || broadcast->unread[broadcast->sent % broadcast->capacity] == 0;
}

/* Lets the first sender that waits go on, if there is room and no other has its turn. */
static void give_turn(struct sley_broadcast *broadcast, struct task_list *woken)
{
	struct task *task;
	if (broadcast->turn || !broadcast->sending.head || !has_room(broadcast) ||
	    !(task = wait_pop(&broadcast->sending, CLAIM_EVENT)))
		return;
	broadcast->turn = true;
	task_list_add(woken, task);
}

static void broadcast_put(struct sley_broadcast *broadcast, const void *item, struct task_list *woken)
{
	size_t place = broadcast->sent % broadcast->capacity;
	if (broadcast->item > 0)
		memcpy(broadcast->ring + place * broadcast->item, item, broadcast->item);
	if (broadcast->waits)
		broadcast->unread[place] = broadcast->subscribers;
	broadcast->sent++;
	wait_pop_all(&broadcast->receiving, CLAIM_EVENT, woken);
}

/* ---- sending ---- */

/* Waits for a turn. The lock is held, and held again. */
static int wait_for_turn(struct task *task, struct sley_broadcast *broadcast, sley_time deadline, const void *pc)
{
	wait_begin(task, SLEY_WAIT_EVENT, (uint64_t)(uintptr_t)broadcast, pc);
	enum claim who = park(task, &broadcast->lock, &broadcast->sending, deadline);
	if (who != CLAIM_EVENT)
		return wait_error(who);
	lock_take(&broadcast->lock);
	broadcast->turn = false; /* it is this task's, and it has the lock */
	return 0;
}

static int send_item(struct task *task, void *object, int64_t item, sley_time deadline, const void *pc)
{
	struct sley_broadcast *broadcast = object;
	struct task_list woken = { 0 };
	int error = 0;
	lock_take(&broadcast->lock);
	if (broadcast->turn || broadcast->sending.head || !has_room(broadcast))
		error = wait_for_turn(task, broadcast, deadline, pc);
	if (error == 0)
		broadcast_put(broadcast, (const void *)(intptr_t)item, &woken);
	give_turn(broadcast, &woken);
	lock_drop(&broadcast->lock);
	ready_woken(&woken);
	return error;
}

int sley_broadcast_send(struct sley_broadcast *broadcast, const void *item, sley_time deadline)
{
	int error = check_object(broadcast, "sley_broadcast_send", "broadcast");
	if (error)
		return error;
	if (!item && broadcast->item > 0)
		return -EFAULT;
	check_block(item, broadcast->item, "sley_broadcast_send", "item");
	return park_call(send_item, broadcast, (int64_t)(intptr_t)item, deadline, __builtin_return_address(0));
}

/* ---- subscribers ---- */

int sley_subscribe(struct sley_subscriber **result, struct sley_broadcast *broadcast)
{
	int error = result ? check_object(broadcast, "sley_subscribe", "broadcast") : -EINVAL;
	if (error || (error = thread_visit()) != 0)
		return error;
	int saved = errno;
	struct sley_subscriber *subscriber = malloc(sizeof(*subscriber));
	errno = saved;
	if (subscriber) {
		fetch_add(&broadcast->refs, 1, relaxed); /* relaxed: the caller has a handle */
		lock_take(&broadcast->lock);
		*subscriber = (struct sley_subscriber){ broadcast, broadcast->sent };
		broadcast->subscribers++;
		lock_drop(&broadcast->lock);
		*result = subscriber;
	}
	thread_depart();
	return subscriber ? 0 : -ENOMEM;
}

/* With the lock held. The subscriber has read the item `number`, or never will. Returns whether nobody else wants it. */
static bool leave_item(struct sley_broadcast *broadcast, uint64_t number)
{
	return broadcast->waits && --broadcast->unread[number % broadcast->capacity] == 0;
}

static void unsubscribe(struct sley_broadcast *broadcast, struct sley_subscriber *subscriber, bool running)
{
	struct task_list woken = { 0 };
	lock_take(&broadcast->lock);
	broadcast->subscribers--;
	for (; broadcast->waits && subscriber->next < broadcast->sent; subscriber->next++)
		leave_item(broadcast, subscriber->next);
	if (running) /* else the list has waits that were abandoned with their run */
		give_turn(broadcast, &woken);
	lock_drop(&broadcast->lock);
	ready_woken(&woken);
}

int sley_subscriber_free(struct sley_subscriber *subscriber)
{
	int error = subscriber ? check_shared(subscriber, "sley_subscriber_free", "subscriber") : 0;
	if (!subscriber || error)
		return error;
	struct sley_broadcast *broadcast = subscriber->broadcast;
	error = thread_visit();
	if (error != -ECHILD) /* in a forked child the lock may be held for ever */
		unsubscribe(broadcast, subscriber, error == 0);
	if (error == 0)
		thread_depart();
	free(subscriber);
	broadcast_drop(broadcast);
	return 0;
}

/* With the lock held. Returns the number of lost items; -EAGAIN: there is no item; -EPIPE. */
static int next_item(struct sley_subscriber *subscriber, void *item, struct task_list *woken)
{
	struct sley_broadcast *broadcast = subscriber->broadcast;
	uint64_t lost = 0;
	if (subscriber->next == broadcast->sent)
		return broadcast->closed ? -EPIPE : -EAGAIN;
	if (broadcast->sent - subscriber->next > broadcast->capacity)
		lost = broadcast->sent - subscriber->next - broadcast->capacity;
	subscriber->next += lost;
	if (broadcast->item > 0)
		memcpy(item, broadcast->ring + subscriber->next % broadcast->capacity * broadcast->item,
		       broadcast->item);
	if (leave_item(broadcast, subscriber->next++))
		give_turn(broadcast, woken);
	return (int)MIN(lost, (uint64_t)INT_MAX);
}

static int recv_item(struct task *task, void *object, int64_t item, sley_time deadline, const void *pc)
{
	struct sley_subscriber *subscriber = object;
	struct sley_broadcast *broadcast = subscriber->broadcast;
	struct task_list woken = { 0 };
	int result;
	lock_take(&broadcast->lock);
	while ((result = next_item(subscriber, (void *)(intptr_t)item, &woken)) == -EAGAIN) {
		wait_begin(task, SLEY_WAIT_EVENT, (uint64_t)(uintptr_t)broadcast, pc);
		enum claim who = park(task, &broadcast->lock, &broadcast->receiving, deadline);
		if (who == CLAIM_EVENT) {
			lock_take(&broadcast->lock);
			continue;
		}
		result = wait_error(who);
		break;
	}
	lock_drop(&broadcast->lock);
	ready_woken(&woken);
	return result;
}

int sley_subscriber_recv(struct sley_subscriber *subscriber, void *item, sley_time deadline)
{
	int error = check_object(subscriber, "sley_subscriber_recv", "subscriber");
	if (error)
		return error;
	if (!item && subscriber->broadcast->item > 0)
		return -EFAULT;
	return park_call(recv_item, subscriber, (int64_t)(intptr_t)item, deadline, __builtin_return_address(0));
}
