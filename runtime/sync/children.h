/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A scope and its children: what scope.c (the owner's calls), child.c (a child's life) and supervise.c share.
 *
 *   spawn                      a child's end                     cancel
 *   lock; cancelled? : count++ fn returns; a failure? cancel     lock; cancelled = true
 *   unlock; make the task      cleanups, stack left              64 children: from `running` to `told`, CANCEL
 *   lock; link; cancelled?     lock; unlink; count--; due?       unlock; make them ready; more? again
 *   tell it; unlock; start     unlock; wake the owner
 *
 * Invariants, with the lock free
 *   - A child that is linked has a task that has not been freed, and its claim can be cancelled without the task's lock:
 *     child_ended() comes before the entry is freed, and needs the scope's lock.
 *   - count = the children that are linked, those between the two halves of a spawn, and who is cancelling it from
 *     outside. While it is not 0 the scope is not freed, so whoever is counted, or has counted one, may use it.
 *   - cancelled, and no spawn in its middle: => `running` is empty, or somebody is moving it to `told`.
 *
 * A child that ends after the count became 0 has nothing of the scope in its hands: the lock's drop is its last access.
 *
 * Moving a child to `told` is what keeps a cancellation linear however many cancel at once, end or are spawned
 * meanwhile: each is told once, and nobody has to find his place in a list that changes. 64 at a time, as all ends and
 * spawns need the lock.
 *
 * Cancelling a child does not look for the scopes that it has open: it passes the cancellation on itself when it waits
 * (sley/scope.h). Rejected: descending from here. It would cancel what a masked task needs for its cleanup, run through
 * a tree of a million tasks on one thread, and need references from tasks to scopes that may be closed meanwhile.
 */
#ifndef SYNC_CHILDREN_H
#define SYNC_CHILDREN_H

#include "base/list.h"
#include "life/cleanup.h"
#include "run/worker.h"

/* Up to this size a block is kept, as sley/scope.h says: those of malloc would be lost with an abandoned task. */
#define KEPT_MAX ((size_t)16 << 10)
_Static_assert(KEPT_MAX <= BLOCK_MAX, "blocks that are kept are none of malloc's");

/* What it takes to start a child again, or to give its block back. Constant, but for the block of a copy_back. */
struct spec {
	struct sley_site *site;
	void *arg; /* a block of n bytes of our own, or SLEY_BY_POINTER */
	size_t n;
	struct sley_task_options options;
	char name[17];
};

enum child_state {
	CHILD_NEW, /* not spawned yet */
	CHILD_RUNS,
	CHILD_ENDED,
	CHILD_FAILED,  /* to be started again, and the others by the scope's policy */
	CHILD_STOPPED, /* cancelled by that policy, has ended: to be started again */
};

/* flags */
#define CHILD_KEPT   1u /* until the scope is closed */
#define CHILD_ALWAYS 2u
#define CHILD_BACK   4u /* its block is copied back */

struct sley_child {
	struct watch watch; /* of its task's end */
	/* constant */
	int (*fn)(void *);
	struct sley_scope *scope;
	struct spec *spec; /* null unless CHILD_BACK, or the scope restarts */
	uint8_t flags;
	/* protected by the scope's lock */
	uint8_t state;         /* enum child_state */
	bool told;             /* it is in `told`, not in `running` */
	int result;            /* when it has ended */
	struct task *task;     /* while it is linked */
	struct list_link link; /* of `running` or `told` */
	struct list_link kept; /* of `kept` */
};

struct sley_scope {
	struct lock lock;
	/* constant */
	unsigned restarts;
	uint8_t restart; /* enum sley_restart */
	bool keep_going;
	sley_time deadline, within;
	struct task *owner;
	/* owned by the owner */
	struct cleanup cleanup;
	int64_t *restarted; /* when: the last `restarts` of them, a ring */
	unsigned restarted_next;
	/* protected by lock */
	bool cancelled;
	bool stopping;   /* the owner waits for `told` to be empty, not for an end or a failure */
	int error;       /* what it answers; 0: nothing has gone wrong */
	unsigned failed; /* children that are CHILD_FAILED */
	uint64_t count;
	LIST(struct sley_child) running, told;
	LIST(struct sley_child) kept; /* all that are CHILD_KEPT, in the order of their spawns */
	struct sley_waiters waiters;
};

/* Whether there is something for the owner to do. With the lock held. */
bool children_due(const struct sley_scope *scope);

/* If it is due: the owner, which the caller makes ready after unlocking; else null. With the lock held. */
struct task *children_wake(struct sley_scope *scope);

/* Waits until it is due. By the owner. 0, or what ended the wait. */
int children_await(struct sley_scope *scope, sley_time deadline, const void *pc);

/* It answers `error` unless it has one, and its children are cancelled. By the owner, or who is counted. */
void children_fail(struct sley_scope *scope, int error);

/* Counts the caller, or the child that is to come, in: 0, or -ECANCELED if it is cancelled; and out. */
int children_count(struct sley_scope *scope);
void children_discount(struct sley_scope *scope);

/* From `running` to `told`. With the lock held. */
void children_move(struct sley_scope *scope, struct sley_child *child);

/* The same, and cancels it; if that ended its wait, its task is added to the list. With the lock held. */
void children_tell(struct sley_scope *scope, struct sley_child *child, struct task_list *list);

#endif
