/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/operation.h"

#include <errno.h>
#include <poll.h>

#include "base/compiler.h"
#include "sched/worker.h"

/* One that was asked for less than there is, or failed for another reason than that there is nothing, leaves a rest. */
static bool leaves_rest(const struct operation *op, unsigned flags, ssize_t n)
{
	return n != -EAGAIN && !(n >= 0 && (size_t)n < op->n && flags & FD_STREAM);
}

static ssize_t try_now(struct operation *op, unsigned flags, attempt *attempt)
{
	ssize_t n;
	do
		n = attempt(op, flags);
	while (n == -EINTR);
	if (flags & FD_OWNED && leaves_rest(op, flags, n))
		reactor_maybe_more(op->fd, (enum direction)op->direction);
	return n;
}

/* What poll(2) says of a direction. */
static bool is_ready(int fd, enum direction direction)
{
	struct pollfd p = { .fd = fd, .events = direction == READING ? POLLIN : POLLOUT };
	return poll(&p, 1, 0) > 0 && !(p.revents & POLLNVAL);
}

/* After a wait that ended with `error`. */
static ssize_t last_try(struct operation *op, attempt *attempt, ssize_t error)
{
	unsigned flags = reactor_flags(op->fd);
	if ((error != -ETIMEDOUT && error != -ECANCELED) || reactor_hold_again(op->fd, &op->hold) != 0)
		return error;
	if (!(flags & FD_OWNED))
		op->ready = is_ready(op->fd, (enum direction)op->direction);
	ssize_t n = try_now(op, flags, attempt);
	return n == -EAGAIN ? error : n;
}

ssize_t operation_try(struct operation *op, attempt *attempt)
{
	for (;;) {
		unsigned flags = reactor_flags(op->fd);
		op->skipped = !reactor_begin_try(op->fd, (enum direction)op->direction) && !op->at_once;
		ssize_t n = op->skipped ? -EAGAIN : try_now(op, flags, attempt);
		if (unlikely(n == -ENOTSOCK) && (flags & (FD_OWNED | FD_FILE)) == FD_OWNED) {
			reactor_disown(op->fd);
			continue;
		}
		if (n != -EAGAIN || op->at_once)
			return n;
		int error = reactor_wait(op->fd, (enum direction)op->direction, (enum sley_wait_kind)op->kind,
					 op->deadline, op->pc, &op->hold);
		if (error)
			return op->skipped ? last_try(op, attempt, error) : error;
		op->ready = true;
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
