/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/operation.h"

#include <errno.h>
#include <poll.h>

#include "base/compiler.h"
#include "reactor/entry.h"
#include "run/worker.h"

/*
 * Whether the descriptor may be ready for more after an attempt. A short write means that it is full, which is rare, so it
 * counts as ready.
 */
static bool leaves_rest(const struct operation *op, unsigned flags, ssize_t n)
{
	return n != -EAGAIN && !(op->direction == READING && operation_drained(flags, op->n, n));
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

ssize_t operation_last(struct operation *op, attempt *attempt, ssize_t error)
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

/* Makes one attempt. -EAGAIN: the task has to wait. `woken`: an event has ended its wait. */
static inline ssize_t try_once(struct operation *op, attempt *attempt, bool woken)
{
	struct entry *entry = entry_find(op->fd);
	unsigned flags = entry_flags(entry);
	op->skipped = !entry_begin_try(entry, flags, op->direction) && !op->at_once && !woken;
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
	for (bool woken = false;; woken = true) {
		ssize_t n = try_once(op, attempt, woken);
		if (n != -EAGAIN || op->at_once)
			return n;
		int error = reactor_wait_to_try(op->fd, (enum direction)op->direction, (enum sley_wait_kind)op->kind,
						op->deadline, op->pc, &op->hold);
		if (error)
			return op->skipped ? operation_last(op, attempt, error) : error;
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
