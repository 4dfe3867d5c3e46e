/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What all operations on descriptors have in common: try, wait if it has to, try again.
 *
 * An owned descriptor is non-blocking: it is tried at once, unless the reactor knows that it would say EAGAIN. Of a
 * foreign one nothing is known, not even that it is the file that had this number a moment ago: the attempt itself
 * must take care that it does not block, and if only waiting can tell, answers as operation_unready() does.
 *
 * A call that finds its work ready succeeds whatever its deadline, and although the task was cancelled. So where a
 * wait ends by one of these and the attempt before it was skipped, it is made after all: the event may be there, and
 * not collected yet. Of a foreign descriptor poll(2) tells then.
 */
#ifndef IO_OPERATION_H
#define IO_OPERATION_H

#include "reactor/reactor.h"

struct operation {
	int fd;
	uint8_t direction; /* enum direction */
	uint8_t kind;      /* enum sley_wait_kind */
	bool ready;        /* a foreign descriptor was seen ready since the last attempt */
	bool no_socket;    /* a foreign descriptor answered ENOTSOCK */
	bool skipped;      /* the last attempt was not made, as it seemed hopeless or could have blocked */
	bool at_once;      /* -EAGAIN is an answer, and not waited for; an attempt may find that it is so */
	size_t n;          /* bytes asked for: fewer have drained or filled a stream. 0: the answer does not tell */
	sley_time deadline;
	const void *pc;
	struct hold hold;
};

/*
 * One attempt: what the call answers; -EAGAIN: it has to wait. `flags` are the reactor's: 0 for a foreign descriptor.
 */
typedef ssize_t attempt(struct operation *, unsigned flags);

/* For an attempt that may block unless the descriptor was seen ready: true, and it is to answer -EAGAIN; or false. */
static inline bool operation_unready(struct operation *op)
{
	op->skipped = !op->ready;
	op->ready = false;
	return op->skipped;
}

/*
 * Attempts until the answer is not -EAGAIN: that, or the error of a wait. For a loop of operations; the caller ends it
 * with operation_end().
 */
ssize_t operation_try(struct operation *op, attempt *attempt);

/*
 * Lets go of the descriptor and charges the call to the task's budget; errno becomes `saved`, its value before the
 * first attempt.
 */
void operation_end(struct operation *op, int saved);

/* A whole call: both, after the check that it is made by a task. */
ssize_t operation_run(struct operation *op, attempt *attempt);

/* The most that one system call transfers. */
#define TRANSFER_MAX ((size_t)0x7ffff000)

#endif
