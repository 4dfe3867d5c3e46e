/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Moving bytes between descriptors inside the kernel.
 *
 * Both calls block if the descriptor itself is blocking. Owned descriptors are non-blocking. A foreign descriptor is
 * checked. If it may block, the task waits for it before each attempt, and the attempt moves at most PIPE_BUF bytes, as
 * all writes to such descriptors (io.c).
 *
 * splice() returns EAGAIN without saying for which side. So both marks are cleared before the attempt, as before any
 * attempt. After EAGAIN poll(2) tells: if a side is ready, its mark is set again; the task waits for the other side.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/raised.h"
#include "io/operation.h"
#include "io/system.h"
#include "reactor/entry.h"
#include "run/worker.h"

/* Returns whether a foreign descriptor may block a call, or a negative errno value. */
static int may_block(int fd)
{
	struct stat status;
	int mode = fcntl(fd, F_GETFL);
	if (mode < 0 || fstat(fd, &status) != 0)
		return -errno;
	return !(mode & O_NONBLOCK) && !S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode);
}

/* ---- sendfile ---- */

struct sendfile {
	struct operation op; /* of the target */
	int in;
	off_t *offset;
	size_t n;
	bool blocking; /* the target may block */
};

static ssize_t sendfile_now(struct operation *op, unsigned flags)
{
	struct sendfile *s = CONTAINER_OF(op, struct sendfile, op);
	(void)flags;
	if (s->blocking && operation_unready(op))
		return -EAGAIN;
	struct raised guard;
	raised_begin(&guard);
	return raised_end(&guard,
			  negative_errno(sendfile(op->fd, s->in, s->offset, s->blocking ? MIN(s->n, PIPE_BUF) : s->n)));
}

static ssize_t run_sendfile(struct sendfile *s)
{
	if (!task_self())
		return outside_error();
	if (s->n > SSIZE_MAX)
		return -EINVAL;
	if (s->n == 0)
		return 0;
	int saved = errno;
	int blocking = reactor_flags(s->op.fd) & FD_OWNED ? 0 : may_block(s->op.fd);
	s->blocking = blocking > 0;
	ssize_t n = blocking < 0 ? blocking : operation_try(&s->op, sendfile_now);
	if (n == -ENOTSUP && s->blocking) { /* epoll does not accept it, so it does not block (/dev/null) */
		s->blocking = false;
		n = operation_try(&s->op, sendfile_now);
	}
	operation_end(&s->op, saved);
	return n;
}

ssize_t sley_sendfile(int out, int in, off_t *offset, size_t n, sley_time deadline)
{
	return run_sendfile(&(struct sendfile){
		.op = { .fd = out,
			.direction = WRITING,
			.kind = SLEY_WAIT_WRITE,
			.deadline = deadline,
			.pc = __builtin_return_address(0) },
		.in = in,
		.offset = offset,
		.n = n,
	});
}

/* ---- splice ---- */

struct side {
	int fd;
	bool blocking; /* a foreign descriptor that may block */
	bool ready;    /* seen ready since the last attempt */
	struct hold hold;
	loff_t *offset;
};

struct splice {
	struct side side[2]; /* by direction: the source at READING, the target at WRITING */
	size_t n;
	unsigned flags;
	sley_time deadline;
	const void *pc;
};

static bool side_worth_trying(struct splice *s, int d)
{
	struct side *side = &s->side[d];
	struct entry *entry = entry_find(side->fd);
	return side->blocking ? side->ready : entry_begin_try(entry, entry_flags(entry), d);
}

/* Gets the readiness of both sides from poll(2), by direction. */
static void sides_look(const struct splice *s, bool ready[2])
{
	struct pollfd p[2] = { { .fd = s->side[READING].fd, .events = POLLIN },
			       { .fd = s->side[WRITING].fd, .events = POLLOUT } };
	poll(p, 2, 0);
	for (int d = READING; d <= WRITING; d++)
		ready[d] = p[d].revents;
}

static int side_wait(struct splice *s, int d)
{
	struct side *side = &s->side[d], *other = &s->side[!d];
	reactor_let_go(other->fd, &other->hold);
	int error = reactor_wait(side->fd, (enum direction)d, d == READING ? SLEY_WAIT_READ : SLEY_WAIT_WRITE,
				 s->deadline, s->pc, &side->hold);
	if (error == -ENOTSUP) { /* then it does not block */
		side->blocking = false;
		error = 0;
	}
	side->ready = error == 0;
	if (side->ready && side->blocking) {
		/* The event may belong to an earlier wait, and a vain attempt would block the thread. */
		bool ready[2];
		sides_look(s, ready);
		side->ready = ready[d];
	}
	return error == 0 && other->hold.waited ? reactor_hold_again(other->fd, &other->hold) : error;
}

/* Waits until an attempt is worth it on both sides. Returns 0 or the error of a wait. */
static int sides_wait(struct splice *s)
{
	int error = 0;
	for (int d = READING; d <= WRITING; d++) {
		while (error == 0 && !side_worth_trying(s, d))
			error = side_wait(s, d);
	}
	return error;
}

static ssize_t splice_now(struct splice *s)
{
	struct side *in = &s->side[READING], *out = &s->side[WRITING];
	size_t n = in->blocking || out->blocking ? MIN(s->n, PIPE_BUF) : s->n;
	ssize_t moved;
	struct raised guard;
	in->ready = out->ready = false;
	do {
		raised_begin(&guard);
		moved = raised_end(&guard, negative_errno(splice(in->fd, in->offset, out->fd, out->offset, n,
								 s->flags | SPLICE_F_NONBLOCK)));
	} while (moved == -EINTR);
	return moved;
}

/* Called after EAGAIN: waits for the side that was not ready. */
static int blamed_wait(struct splice *s)
{
	bool ready[2];
	sides_look(s, ready);
	for (int d = READING; d <= WRITING; d++) {
		if (ready[d])
			reactor_maybe_more(s->side[d].fd, (enum direction)d);
	}
	for (int d = READING; d <= WRITING; d++) {
		if (!ready[d])
			return side_wait(s, d);
	}
	/* both sides are ready, so no event will come */
	sley_time soon = sley_in(SLEY_MS(1));
	int error = sley_sleep(MIN(soon, s->deadline));
	return error == 0 && soon > s->deadline ? -ETIMEDOUT : error;
}

/* Returns whether an attempt has to be made after a wait that ended with `error`, as none was made before the wait. */
static bool last_attempt(struct splice *s, int error)
{
	bool ready[2];
	if (error != -ETIMEDOUT && error != -ECANCELED)
		return false;
	sides_look(s, ready);
	for (int d = READING; d <= WRITING; d++) {
		struct side *side = &s->side[d];
		if (!ready[d] || (side->hold.waited && reactor_hold_again(side->fd, &side->hold) != 0))
			return false;
	}
	return true;
}

/* Makes one attempt, without a wait. */
static ssize_t splice_at_once(struct splice *s)
{
	bool ready[2];
	sides_look(s, ready);
	return ready[READING] && ready[WRITING] ? splice_now(s) : -EAGAIN;
}

static ssize_t splice_sides(struct splice *s)
{
	if (s->flags & SPLICE_F_NONBLOCK)
		return splice_at_once(s);
	for (;;) {
		int error = sides_wait(s);
		if (error && !last_attempt(s, error))
			return error;
		ssize_t n = splice_now(s);
		if (n != -EAGAIN)
			return n;
		if (error == 0)
			error = blamed_wait(s);
		if (error)
			return error;
	}
}

/* Finds out whether a foreign side may block. A pipe does not: SPLICE_F_NONBLOCK of the call covers it. */
static int side_init(struct side *side)
{
	if (reactor_flags(side->fd) & FD_OWNED)
		return 0;
	int blocking = may_block(side->fd);
	side->blocking = blocking > 0 && fcntl(side->fd, F_GETPIPE_SZ) < 0;
	return MIN(blocking, 0);
}

static ssize_t run_splice(struct splice *s)
{
	if (!task_self())
		return outside_error();
	if (s->n > SSIZE_MAX)
		return -EINVAL;
	if (s->n == 0)
		return 0;
	int saved = errno;
	ssize_t n = side_init(&s->side[READING]);
	if (n == 0)
		n = side_init(&s->side[WRITING]);
	if (n == 0)
		n = splice_sides(s);
	for (int d = READING; d <= WRITING; d++) {
		reactor_maybe_more(s->side[d].fd, (enum direction)d); /* the state of the descriptor is unknown now */
		reactor_let_go(s->side[d].fd, &s->side[d].hold);
	}
	worker_spend(s->pc);
	*sley_errno_location() = saved;
	return n;
}

ssize_t sley_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t n, unsigned flags, sley_time deadline)
{
	return run_splice(&(struct splice){
		.side = { { .fd = in, .offset = in_offset }, { .fd = out, .offset = out_offset } },
		.n = n,
		.flags = flags,
		.deadline = deadline,
		.pc = __builtin_return_address(0),
	});
}
