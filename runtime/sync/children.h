/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A scope and its children: the declarations shared by scope.c (the owner's calls), child.c (a child's life) and
 * supervise.c.
 *
 *    spawn                      a child's end                     cancel
 *    lock; cancelled? : count++ fn returns; a failure? cancel     lock; cancelled = true
 *    unlock; make the task      cleanups, stack left              64 children: from `running` to `told`, CANCEL
 *    lock; link; cancelled?     lock; unlink; count--; due?       unlock; make them ready; more? again
 *    tell it; unlock; start     unlock; wake the owner
 *
 * Invariants, with the lock free
 *   - The task of a linked child has not been freed, and its claim can be cancelled without the task's lock:
 *     child_ended() comes before the free of the task's entry, and needs the scope's lock.
 *   - count = linked children + children between the two halves of a spawn + callers that cancel the scope from
 *     outside. While it is not 0 the scope is not freed. So a counted caller, and a caller that has counted a child,
 *     may use it.
 *   - cancelled, and no spawn between its halves => `running` is empty, or a caller is moving its children to `told`.
 *
 * The drop of the lock is the last access of a child to the scope: if the count became 0, the scope may be freed then.
 *
 * `told` keeps the cost of a cancellation linear, however many callers cancel at the same time, and however many
 * children end or are spawned in between: each child is told once, and no caller has to find its place in a changing
 * list. Children are told 64 at a time, as all ends and spawns need the lock.
 *
 * The cancellation of a child does not look for the child's open scopes: the child passes it on itself when it waits
 * (sley/scope.h). Rejected: to descend from here. It would cancel children that a masked task needs for its clean-up,
 * walk a tree of a million tasks on one thread, and need references from tasks to scopes that may be closed in between.
 */
#ifndef SYNC_CHILDREN_H
#define SYNC_CHILDREN_H

#include "base/list.h"
#include "life/cleanup.h"
#include "run/worker.h"

/*
 * Largest block that is kept (see sley/scope.h): a larger one would come from malloc, and be lost with an abandoned
 * task.
 */
#define KEPT_MAX ((size_t)16 << 10)
_Static_assert(KEPT_MAX <= BLOCK_MAX, "blocks that are kept are none of malloc's");

/* All that a restart, or the return of a child's block, needs. Constant, except for the block of a copy_back. */
struct spec {
	struct sley_site *site;
	void *arg; /* our own block of n bytes; with n == SLEY_BY_POINTER the caller's pointer */
	size_t n;
	struct sley_task_options options;
	char name[17];
};

enum child_state {
	CHILD_NEW, /* not spawned yet */
	CHILD_RUNS,
	CHILD_ENDED,
	CHILD_FAILED,  /* has failed: to be restarted, with others as the scope's policy says */
	CHILD_STOPPED, /* cancelled by that policy, and has ended: to be restarted */
};

/* flags */
#define CHILD_KEPT   1u /* kept until the scope is closed */
#define CHILD_ALWAYS 2u
#define CHILD_BACK   4u /* its block is copied back */

struct sley_child {
	struct watch watch; /* of the end of its task */
	/* constant */
	int (*fn)(void *);
	struct sley_scope *scope;
	struct spec *spec; /* null unless CHILD_BACK, or the scope restarts */
	uint8_t flags;
	/* protected by the scope's lock */
	uint8_t state;         /* enum child_state */
	bool told;             /* it is in `told`, not in `running` */
	int result;            /* after its end */
	struct task *task;     /* while the child is linked */
	struct list_link link; /* in `running` or `told` */
	struct list_link kept; /* in `kept` */
};

struct sley_scope {
	struct object_lock lock;
	/* constant */
	unsigned restarts;
	uint8_t restart; /* enum sley_restart */
	bool keep_going;
	sley_time deadline, within;
	struct task *owner;
	/* owned by the owner */
	struct cleanup cleanup;
	int64_t *restarted; /* times of the last `restarts` restarts, a ring */
	unsigned restarted_next;
	/* protected by lock */
	bool cancelled;
	bool stopping;   /* the owner waits until `told` is empty, not for an end or a failure */
	int error;       /* result of the scope; 0: no failure */
	unsigned failed; /* children in state CHILD_FAILED */
	uint64_t count;
	LIST(struct sley_child) running, told;
	LIST(struct sley_child) kept; /* all children with CHILD_KEPT, in the order of their spawns */
	struct sley_waiters waiters;
};

/* Returns whether the owner has to act. With the lock held. */
bool children_due(const struct sley_scope *scope);

/*
 * If the owner has to act and waits, returns it: the caller makes it ready after unlocking. Else null. With the lock
 * held.
 */
struct task *children_wake(struct sley_scope *scope);

/* Waits until the owner has to act. Called by the owner. Returns 0 or the error of the wait. */
int children_await(struct sley_scope *scope, sley_time deadline, const void *pc);

/*
 * Sets the scope's result to `error` unless it has one, and cancels the children. Called by the owner, or a counted
 * caller.
 */
void children_fail(struct sley_scope *scope, int error);

/* Count the caller, or a new child, in and out. children_count() returns 0, or -ECANCELED if the scope is cancelled. */
int children_count(struct sley_scope *scope);
void children_discount(struct sley_scope *scope);

/* Moves a child from `running` to `told`. With the lock held. */
void children_move(struct sley_scope *scope, struct sley_child *child);

/* Moves a child to `told` and cancels it. If this ended its wait, adds its task to the list. With the lock held. */
void children_tell(struct sley_scope *scope, struct sley_child *child, struct task_list *list);

#endif
