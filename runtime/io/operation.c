/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/operation.h"

#include <errno.h>
#include <poll.h>

#include "base/compiler.h"
#include "reactor/entry.h"
#include "run/worker.h"

#define TRUSTED ((size_t)4096) /* limit in bytes below which a short read is trusted */

/*
 * Returns whether the descriptor may be ready for more after an attempt. It is not after EAGAIN, and after a short read
 * of a stream, which has drained it. But a read is also short if it reached the end of the accessible memory of the
 * buffer, and no event tells of the remaining bytes. So only a short read of less than a page counts as drained; after
 * a longer read, one more call costs little. A short write means that the descriptor is full, which is rare, so it
 * always counts as ready.
 */
static bool leaves_rest(const struct operation *op, unsigned flags, ssize_t n)
{
	bool drained = flags & FD_STREAM && op->direction == READING && n >= 0 && (size_t)n < MIN(op->n, TRUSTED);
	return n != -EAGAIN && !drained;
}

/* `entry` is null for a number that was never used. */
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

/* Returns the state of a direction, by poll(2). */
static bool is_ready(int fd, enum direction direction)
{
	struct pollfd p = { .fd = fd, .events = direction == READING ? POLLIN : POLLOUT };
	return poll(&p, 1, 0) > 0 && !(p.revents & POLLNVAL);
}

/*
 * Called after an event, which may belong to an earlier wait. If a vain attempt would block the thread, asks poll(2).
 */
static bool is_seen_ready(const struct operation *op)
{
	return !op->skipped || reactor_flags(op->fd) & FD_OWNED || is_ready(op->fd, (enum direction)op->direction);
}

/* Makes the last attempt, after a wait that ended with `error`. */
static ssize_t last_try(struct operation *op, attempt *attempt, ssize_t error)
{
	if ((error != -ETIMEDOUT && error != -ECANCELED) || reactor_hold_again(op->fd, &op->hold) != 0)
		return error;
	struct entry *entry = entry_find(op->fd);
	unsigned flags = entry_flags(entry);
	if (!(flags & FD_OWNED))
		op->ready = is_ready(op->fd, (enum direction)op->direction);
	ssize_t n = operation_attempt(op, entry, flags, attempt);
	return n == -EAGAIN ? error : n;
}

/* Makes one attempt. -EAGAIN: the task has to wait. */
static inline ssize_t try_once(struct operation *op, attempt *attempt)
{
	struct entry *entry = entry_find(op->fd);
	unsigned flags = entry_flags(entry);
	op->skipped = !entry_begin_try(entry, flags, op->direction) && !op->at_once;
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
