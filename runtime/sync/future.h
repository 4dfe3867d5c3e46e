/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Futures: declarations shared by the files that complete them.
 *
 * A future is PENDING first. It is CLAIMED by the thread that completes it, which writes value and error while no other
 * thread reads them. Then it is DONE and constant. If several threads try to complete a future (its task, a resolver, a
 * canceller, the futures that it was made from), one claims it, under the lock, and the others learn that they were late. A
 * value may be large, so it is written without the lock. (A task writes its value before the claim, as no other thread
 * could resolve the future: so it becomes DONE in one step. If a canceller is first, the value is not read.)
 *
 * Waiters are in two lists, both taken under the lock when the future becomes DONE: tasks and threads; and links, the
 * work to be done then for other futures (derivation.c). The thread that completed the future runs the links, without
 * locks, from an explicit list: a link may complete another future, whose links are appended to the list. So a chain or
 * tree of futures of any depth needs no recursion, and no thread ever holds the locks of two futures.
 *
 * References. Users and links have handles. Producers may complete the future: a task, the holder of the promise, a
 * derivation. The last of both kinds frees the future. If a future `stops`, it is cancelled when its last handle is
 * dropped while it is pending, for two reasons: its value would be its only effect; and a race against a long-lived
 * future would stay linked to it for ever.
 *
 * Futures come from malloc() (base/heap.h), as handles may be freed after the run. The other structures here are not needed
 * then, except the job of a task, which is in the future's block: one allocation for both.
 */
#ifndef SYNC_FUTURE_H
#define SYNC_FUTURE_H

#include <errno.h>

#include "base/list.h"
#include "run/thread.h"
#include "run/worker.h"

enum future_state { FUTURE_PENDING, FUTURE_CLAIMED, FUTURE_DONE };

#define FUTURE_HANDLE   ((uint64_t)1 << 32)
#define FUTURE_PRODUCER ((uint64_t)1)

struct sley_future {
	struct object_lock lock; /* protects waiters, links, task and changes of state */
	uint8_t state;           /* atomic: enum future_state */
	bool small;              /* constant: its block has HEAP_BLOCK bytes */
	bool stops;              /* constant, see above */
	bool promised;           /* constant: the producers are promises, which outlive the run */
	uint64_t refs;           /* atomic: handles in the upper half, producers in the lower half */
	int error;               /* written by the claimer, then constant */
	unsigned run;            /* constant: number of its run */
	int64_t which;           /* as error; see sley_future_which() */
	size_t size;             /* constant */
	struct sley_waiters waiters;
	LIST(struct link) links;
	struct sley_future *unwanted;  /* next in struct todo, if this is the last handle */
	sley_task task;                /* the task that will complete it, 0: none */
	struct derivation *derivation; /* constant; valid while PENDING, and for the claimer: see derivation.h */
	char value[] __attribute__((aligned(16)));
};

/* Work to be done without locks. On the stack of a thread that does the work before it waits. */
struct todo {
	LIST(struct link) links;      /* links of complete futures, to be run */
	struct sley_future *unwanted; /* to be cancelled, then dropped: we own the handle */
};

/* The link from a source to a derived future. derivation.h describes its ownership. */
struct link {
	struct list_link link;
	bool linked;                   /* protected by the source's lock */
	struct sley_future *source;    /* constant */
	struct derivation *derivation; /* constant */
};

/* Makes a future from others. */
struct derivation {
	size_t refs; /* atomic */
	/* Called when the link's source is complete. Releases the link (derivation_put()), at once or later. */
	void (*run)(struct link *link, struct todo *todo);
	/* Called when a canceller has claimed the future. Releases the canceller's count. */
	void (*cancelled)(struct derivation *derivation, struct todo *todo);
	struct sley_future *future;
	struct link *links;
	size_t count; /* number of links */
	size_t size;  /* size of the whole block */
};

/*
 * Makes a pending future with one handle and one producer, and `more` bytes behind its value: future_more(). Returns null
 * and *error = -ENOMEM or -EOVERFLOW on failure.
 */
struct sley_future *future_new(size_t size, size_t more, int *error);

/* 16-byte aligned. */
static inline void *future_more(struct sley_future *future)
{
	return future->value + ROUND_UP(future->size, 16);
}

/*
 * Begins a call from any thread. Returns 0: the run does not end before thread_depart(); -EINVAL: null; -EFAULT;
 * -ENOTCONN: no run, or not the future's run.
 */
int future_enter(const struct sley_future *future, const char *call);

static inline enum future_state future_state(const struct sley_future *future)
{
	return (enum future_state)load(&future->state, acquire); /* pairs with future_publish() */
}

/* Returns true: only the caller may write value and error, and must publish them. */
bool future_claim(struct sley_future *future);

/*
 * Makes the future DONE, wakes its waiters, and appends its links to `todo`. Called by the claimer, which needs a
 * reference of its own: a thread that sees DONE may drop all others at once.
 */
void future_publish(struct sley_future *future, int error, struct todo *todo);

/*
 * Claims and publishes the future, whose value is written already. Returns false if it was complete. future_end_to() adds
 * those that waited to a list, for ready_woken().
 */
bool future_end(struct sley_future *future, int error, struct todo *todo);
bool future_end_to(struct sley_future *future, int error, struct todo *todo, struct task_list *woken);

/* Rejects the future with -ECANCELED, and stops its producers. Returns false if it was complete. */
bool future_cancel(struct sley_future *future, struct todo *todo);

/* Adds a handle, for a caller that has one or is sure of one. */
static inline void future_hold(struct sley_future *future)
{
	fetch_add(&future->refs, FUTURE_HANDLE, relaxed); /* relaxed: the caller already sees the future */
}

/* Drops a handle. */
void future_drop(struct sley_future *future, struct todo *todo);

/* Returns the error of a complete future, or 0 and its value in `result`, which may be null. */
int future_outcome(const struct sley_future *future, void *result);

/* Drops references without the check for `stops`. */
void future_release(struct sley_future *future, uint64_t what);

/* Does all work of the list. */
void todo_run(struct todo *todo);

/* sley_async(), for a future that may stop. */
int future_async(struct sley_site *site, struct sley_future **future, int (*fn)(void *, void *), const void *arg,
		 size_t n, size_t size, bool stops);

/* Maps the return value of a function to 0 or an error. */
static inline int future_result(int error)
{
	return error > 0 ? -EINVAL : error;
}

#endif
