/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Futures: what the files share that complete them.
 *
 * A future is PENDING, then CLAIMED by the one who completes it, who writes the value and the error while nobody else
 * looks, then DONE, and constant. The claim is a compare-and-swap: of several that would complete a future (its task, a
 * resolver, a canceller, the futures that it was made from) one does, and the others learn that they were late. A value
 * may be large, so it is written without the lock. (A task writes its value before the claim: it is the only one that
 * could resolve the future. If it loses to a canceller nobody looks at the value.)
 *
 * Who waits is in two lists, which are taken under the lock when the future becomes DONE: tasks and threads, and links,
 * which are what is to be done then for other futures (derivation.c). Links are run without locks, by whoever completed
 * the future, from an explicit list of things to do: running one may complete another future, whose links are appended.
 * So a chain or a tree of futures of any depth needs no recursion, and no two future's locks are ever held together.
 *
 * References. Handles are what users and links have; producers are those who may complete it: a task, the holder of the
 * promise, a derivation. The future's memory goes with the last of both. A future that `stops` is cancelled when its
 * last handle is dropped while it is pending, as nothing but its value would come of it; or a race against a future
 * that lives on would stay linked there for ever.
 *
 * Futures are malloc'ed, as handles may be freed after the run; all else that is here is not needed then.
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
	struct lock lock; /* protects waiters, links and task */
	uint8_t state;    /* atomic: enum future_state */
	bool stops;       /* constant, see above */
	bool promised;    /* constant: the producers are promises, which outlive the run */
	uint64_t refs;    /* atomic: handles in the upper half, producers in the lower */
	int error;        /* the claimer's, then constant */
	unsigned run;     /* constant: the number of the run that it belongs to */
	int64_t which;    /* like error; see sley_future_which() */
	size_t size;      /* constant */
	struct sley_waiters waiters;
	LIST(struct link) links;
	struct sley_future *unwanted;  /* whose last handle that is: the next one of struct todo */
	sley_task task;                /* that is to complete it, 0: none */
	struct derivation *derivation; /* constant; good while PENDING, and for who claims it: see derivation.h */
	char value[] __attribute__((aligned(16)));
};

/* What is to be done without locks. On the stack of whoever does it, who does not wait before it is done. */
struct todo {
	LIST(struct link) links;      /* of futures that are complete: to be run */
	struct sley_future *unwanted; /* to be cancelled, then dropped: the handle is ours */
};

/* From a source to what is derived from it. Who owns it when: see derivation.h. */
struct link {
	struct list_link link;
	bool linked;                   /* protected by the source's lock */
	struct sley_future *source;    /* constant */
	struct derivation *derivation; /* constant */
};

/* What makes a future from others. */
struct derivation {
	size_t refs; /* atomic */
	/* The link's source is complete. It gives the link up (derivation_put()), at once or later. */
	void (*run)(struct link *link, struct todo *todo);
	/* Its future was claimed by a canceller, whose count this gives up. */
	void (*cancelled)(struct derivation *derivation, struct todo *todo);
	struct sley_future *future;
	struct link *links;
	size_t count; /* of links */
	size_t size;  /* of the block that all this is in */
};

/* A pending future with one handle and one producer. Null: *error is -ENOMEM or -EOVERFLOW. */
struct sley_future *future_new(size_t size, int *error);

/*
 * For a call from any thread: 0, and the run does not end before thread_depart(); -EINVAL: null, -EFAULT, or no run, or
 * another one than the future's (-ENOTCONN).
 */
int future_enter(const struct sley_future *future, const char *call);

static inline enum future_state future_state(const struct sley_future *future)
{
	return (enum future_state)load(&future->state, acquire); /* pairs with future_publish() */
}

/* True: the caller, and nobody else, is to write value and error and to publish them. */
static inline bool future_claim(struct sley_future *future)
{
	uint8_t pending = FUTURE_PENDING;
	return cas(&future->state, &pending, FUTURE_CLAIMED, acq_rel, relaxed);
}

/*
 * It is DONE: wakes who waits; its links are to do. By who claimed it, with a reference of his own: who sees it DONE may
 * drop all others at once.
 */
void future_publish(struct sley_future *future, int error, struct todo *todo);

/* Claims and publishes it, its value being written already: false: it was complete. */
bool future_end(struct sley_future *future, int error, struct todo *todo);

/* Rejects it with -ECANCELED, and stops what would have completed it: false: it was complete. */
bool future_cancel(struct sley_future *future, struct todo *todo);

/* One more handle, for a caller that is sure of one. */
static inline void future_hold(struct sley_future *future)
{
	fetch_add(&future->refs, FUTURE_HANDLE, relaxed); /* what we see of it, we saw before */
}

/* Drops a handle. */
void future_drop(struct sley_future *future, struct todo *todo);

/* Drops a reference without a thought. */
void future_release(struct sley_future *future, uint64_t what);

/* Does all there is to do. */
void todo_run(struct todo *todo);

/* sley_async() for a future that may stop. */
int future_async(struct sley_site *site, struct sley_future **future, int (*fn)(void *, void *), const void *arg,
		 size_t n, size_t size, bool stops);

/* What a function returns is 0 or an error. */
static inline int future_result(int error)
{
	return error > 0 ? -EINVAL : error;
}

#endif
