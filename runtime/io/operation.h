/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The common part of all operations on descriptors: try, wait if necessary, try again.
 *
 * An owned descriptor is non-blocking. It is tried at once, unless the reactor knows that the result would be EAGAIN.
 * Of a foreign descriptor nothing is known, not even that it is the file that had this number a moment ago. So the
 * attempt itself must not block. If only a wait can ensure this, the attempt returns -EAGAIN as operation_unready()
 * asks.
 *
 * A call that finds its work ready succeeds, whatever its deadline, and also if the task was cancelled. So if the
 * deadline or the cancellation ends a wait before which the attempt was skipped, the attempt is made after all: the
 * event may have happened without being collected. For a foreign descriptor poll(2) is asked then.
 */
#ifndef IO_OPERATION_H
#define IO_OPERATION_H

#include "base/compiler.h"
#include "reactor/reactor.h"

struct operation {
	int fd;
	uint8_t direction; /* enum direction */
	uint8_t kind;      /* enum sley_wait_kind */
	bool ready;        /* a foreign descriptor was seen ready since the last attempt */
	bool no_socket;    /* a foreign descriptor returned ENOTSOCK */
	bool skipped;      /* the last attempt was skipped: it seemed hopeless, or could have blocked */
	bool at_once;      /* -EAGAIN is returned, not waited for; an attempt may set this */
	size_t n;          /* bytes requested: a smaller result has drained or filled a stream. 0: not known */
	sley_time deadline;
	const void *pc;
	struct hold hold;
};

/*
 * Makes one attempt. Returns the result of the call; -EAGAIN: it has to wait. `flags`: the reactor's; 0: a foreign
 * descriptor.
 */
typedef ssize_t attempt(struct operation *, unsigned flags);

/*
 * For an attempt that may block unless the descriptor was seen ready. Returns true: the attempt has to return -EAGAIN.
 */
static inline bool operation_unready(struct operation *op)
{
	op->skipped = !op->ready;
	op->ready = false;
	return op->skipped;
}

#define TRUSTED ((size_t)4096) /* limit in bytes below which a short read is trusted */

/*
 * Whether a read of up to `wanted` bytes has drained the descriptor: a short read of a stream has. But a read is also
 * short if it reached the end of the accessible memory of the buffer, and no event tells of the remaining bytes. So only
 * a short read of less than a page counts; after a longer read, one more call costs little.
 */
static inline bool operation_drained(unsigned flags, size_t wanted, ssize_t n)
{
	return flags & FD_STREAM && n >= 0 && (size_t)n < MIN(wanted, TRUSTED);
}

/*
 * Repeats attempts and waits until the result is not -EAGAIN. Returns that result, or the error of a wait. For a loop
 * of operations; the caller ends the loop with operation_end().
 */
ssize_t operation_try(struct operation *op, attempt *attempt);

/* Makes the last attempt, after a wait that ended with `error` and before which none was made. */
ssize_t operation_last(struct operation *op, attempt *attempt, ssize_t error);

/*
 * Releases the descriptor and charges the call to the task's budget. Sets errno to `saved`, its value before the first
 * attempt.
 */
void operation_end(struct operation *op, int saved);

/* Makes a whole call: checks that the caller is a task, then operation_try() and operation_end(). */
ssize_t operation_run(struct operation *op, attempt *attempt);

/* The largest transfer of one system call. */
#define TRANSFER_MAX ((size_t)0x7ffff000)

#endif
