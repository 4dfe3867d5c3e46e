/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Select over things of any kind, and in order: select_any.c. A kind is a table of operations (select_kinds.c). Lists of
 * channels alone, without an order, go the shorter way of select.c.
 */
#ifndef SYNC_SELECT_H
#define SYNC_SELECT_H

#include <poll.h>

#include "reactor/reactor.h"
#include "run/state.h"
#include "task/task.h"

#define CASES_MAX 65535

/* A case during the call. */
struct any_case {
	struct wait_apart node; /* in the list of the object, if the kind has one */
	struct hold seen;       /* of a descriptor: the life of it that the call waits for; never held */
	unsigned polled;        /* of a descriptor: its place in `polled` */
	bool linked;            /* unlink() is due */
	bool held;              /* leave() is due: the object is kept from being freed */
	bool ready;             /* at the last glance */
};

/* A call. Off the stack, but `cases`. */
struct any {
	struct task *task;       /* null: the call does not wait */
	struct sley_case *cases; /* the caller's: accessed only while the task runs */
	unsigned n;
	unsigned descriptors; /* cases with a descriptor */
	bool ordered;
	bool timed;            /* `until` is the time of a case */
	sley_time until;       /* the end of the present wait */
	struct pollfd *polled; /* behind the cases, a place for each with a descriptor */
	struct any_case at[];
};

/* Instead of the result of an operation, which is 0 or an error. */
#define NOT_DONE 1

/*
 * The operations on case i, which is not switched off. None of them waits.
 *   check   once, before all others: 0, or the error that the whole call returns. `call` is the public name. May be null
 *   glance  whether take() is worth it; true and false may both be wrong by the time that it is called
 *   take    the operation, if it can be done: its result, or NOT_DONE. A task that it woke goes to *woken, to be made ready
 *           without locks
 *   link    makes the wait that has begun end when take() is worth it. 0; or the wait must not go on, and nothing is
 *           linked: NOT_DONE: take() is worth it now; -ENOMEM: of the whole call; another error: the result of the case
 *   unlink  after a wait for which link() returned 0. The result, if the claim of the wait has done the operation (`who`);
 *           else NOT_DONE, and it will not be done. May be null
 *   leave   at the end of the call, if `held` is set. May be null
 */
struct select_kind {
	const char *object; /* for messages; null: a number, which cannot lie on a stack */
	int (*check)(const struct sley_case *c, const char *call);
	bool (*glance)(struct any *any, unsigned i);
	int (*take)(struct any *any, unsigned i, struct task **woken);
	int (*link)(struct any *any, unsigned i);
	int (*unlink)(struct any *any, unsigned i, enum claim who);
	void (*leave)(struct any *any, unsigned i);
};

#define SELECT_KINDS (SLEY_WRITABLE + 1)
extern const struct select_kind select_kinds[SELECT_KINDS]; /* by enum sley_op */

/* Asks for the state of all descriptors, before the glance. Returns 0 or a negative errno value. */
int select_poll(struct any *any);

/* The calls, with cases of any kind. `n` is at most CASES_MAX. */
int select_any(struct sley_case *cases, int n, bool ordered, sley_time deadline, const void *pc);
int select_any_try(struct sley_case *cases, int n, bool ordered);

#endif
