/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/operation.h"

#include <errno.h>
#include <poll.h>

#include "base/compiler.h"
#include "reactor/entry.h"
#include "run/worker.h"

#define TRUSTED ((size_t)4096) /* bytes of a short read */

/*
 * One that was asked for less than there is, or failed for another reason than that there is nothing, leaves a rest.
 * So may a short one that came to the end of the memory that the buffer lies in, and no event tells of that rest: so
 * only a short read of less than a page is trusted. After much one call more weighs little. A write is short when the
 * descriptor is full, which is rare.
 */
static bool leaves_rest(const struct operation *op, unsigned flags, ssize_t n)
{
	bool drained = flags & FD_STREAM && op->direction == READING && n >= 0 && (size_t)n < MIN(op->n, TRUSTED);
	return n != -EAGAIN && !drained;
}

/* `entry` is null for a number that was never seen. */
static inline ssize_t operation_attempt(struct operation *op, struct entry *entry, unsigned flags, attempt *attempt)
{
	ssize_t n;
	do
		n = attempt(op, flags);
	while (n == -EINTR);
	if (flags & FD_OWNED && leaves_rest(op, flags, n))
		entry_maybe_more(entry, op->direction);
	return n;
}

/* What poll(2) says of a direction. */
static bool is_ready(int fd, enum direction direction)
{
	struct pollfd p = { .fd = fd, .events = direction == READING ? POLLIN : POLLOUT };
	return poll(&p, 1, 0) > 0 && !(p.revents & POLLNVAL);
}

/* After an event, which may be that of an earlier wait: where an attempt in vain would block the thread, it is asked. */
static bool is_seen_ready(const struct operation *op)
{
	return !op->skipped || reactor_flags(op->fd) & FD_OWNED || is_ready(op->fd, (enum direction)op->direction);
}

/* After a wait that ended with `error`. */
static ssize_t last_try(struct operation *op, attempt *attempt, ssize_t error)
{
	if ((error != -ETIMEDOUT && error != -ECANCELED) || reactor_hold_again(op->fd, &op->hold) != 0)
		return error;
	struct entry *entry = entry_find(op->fd);
	unsigned flags = load(&entry->flags, relaxed);
	if (!(flags & FD_OWNED))
		op->ready = is_ready(op->fd, (enum direction)op->direction);
	ssize_t n = operation_attempt(op, entry, flags, attempt);
	return n == -EAGAIN ? error : n;
}

/* One round of trying: -EAGAIN: a wait is due. */
static inline ssize_t try_once(struct operation *op, attempt *attempt)
{
	struct entry *entry = entry_find(op->fd);
	unsigned flags = entry ? load(&entry->flags, relaxed) : 0; /* the caller owns it: they do not change */
	op->skipped = flags & FD_OWNED && !entry_begin_try(entry, flags, op->direction) && !op->at_once;
	if (op->skipped)
		return -EAGAIN;
	ssize_t n = operation_attempt(op, entry, flags, attempt);
	if (unlikely(n == -ENOTSOCK) && (flags & (FD_OWNED | FD_FILE)) == FD_OWNED) {
		reactor_disown(op->fd);
		return operation_attempt(op, entry, 0, attempt);
	}
	return n;
}

ssize_t operation_try(struct operation *op, attempt *attempt)
{
	for (;;) {
		ssize_t n = try_once(op, attempt);
		if (n != -EAGAIN || op->at_once)
			return n;
		int error = reactor_wait(op->fd, (enum direction)op->direction, (enum sley_wait_kind)op->kind,
					 op->deadline, op->pc, &op->hold);
		if (error)
			return op->skipped ? last_try(op, attempt, error) : error;
		op->ready = is_seen_ready(op);
	}
}

void operation_end(struct operation *op, int saved)
{
	reactor_let_go(op->fd, &op->hold);
	worker_spend(op->pc);
	*sley_errno_location() = saved;
}

ssize_t operation_run(struct operation *op, attempt *attempt)
{
	if (!task_self())
		return outside_error();
	int saved = errno;
	ssize_t n = operation_try(op, attempt);
	operation_end(op, saved);
	return n;
}
