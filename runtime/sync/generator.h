/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Generators: a task, the body, runs while its consumer waits, and waits while its consumer runs.
 *
 * While both have stacks without other tenants, and nothing can end the consumer's wait but the body, the consumer calls
 * the body, as in run/coroutine.h: call(). A step is two switches and two atomic operations then. The claim of the body's
 * wait is one of them. It sets CLAIM_CALLED, which stays until the call is over, and so keeps other consumers out:
 *
 *      a consumer that calls                       one that does not, or the call of sley_gen_free()
 *      busy? the other way                         busy = true, unless it is: -EBUSY
 *      claim the body, with CLAIM_CALLED           CLAIM_CALLED? busy = false, -EBUSY
 *      busy? make the body ready, -EBUSY
 *
 * All are sequentially consistent, so one of the two sees the other. When the body waits for something else, the call
 * becomes a wait: `split` takes the place of CLAIM_CALLED, under the lock, as the body may end before that wait.
 *
 * The other way:
 *
 *      next                                          yield
 *      an item there? take it                        an item there? wait until another is wanted
 *      begin to wait                                 copy the item; there = 1; claim the consumer
 *      claim the body, unless it runs already        begin to wait
 *      switch to it                                  switch to the consumer
 *
 * A claim names a wait by its number, so it fails if that wait was ended meanwhile. Whoever has claimed a wait has what
 * belongs to that task alone until the task runs again. So while the two alternate, no lock is taken: the consumer claims
 * the wait of the body (`waiting`), and leaves its own as that of the partner (`call`); the body claims that, and leaves its
 * own as `waiting`. The other one has nothing else to do then, so the worker switches to it directly: wait_park_to().
 *
 * All else is done under the lock: the first call, an item that is there already, a consumer whose wait was ended by its
 * deadline or a cancellation, a plain thread. Then `consumer` names the waiter. It is set and cleared under the lock, like
 * a linked node. At most one of `consumer` and `call` names a wait that can be claimed.
 *
 * `there` keeps an item from being lost or overwritten. Only the body sets it. The consumer clears it after it has copied
 * the item, without the lock. While it is set the body stores no other item. The body may run without a request, if it is
 * cancelled. And a consumer whose wait was ended by its deadline leaves the body running; its item waits for the next call
 * then. `waiting` is stored after `there` (release), and read before it (acquire): a consumer that sees that the body
 * waits sees its item.
 *
 * Rejected: a stack that the consumer's task switches to itself. It would save the scheduler's part of a step. But the
 * generator could not wait then, as its frames are not among those that are saved for the consumer.
 */
#ifndef SYNC_GENERATOR_H
#define SYNC_GENERATOR_H

#include <errno.h>
#include <stdlib.h>

#include "run/coroutine.h"
#include "run/report.h"

struct sley_gen {
	/* owned by the consumer's call: see generator_enter() */
	bool busy;         /* atomic: a call of the consumer is under way */
	bool there;        /* atomic, see above */
	uint64_t waiting;  /* atomic: number of the body's wait in yield; 0: it does not wait there */
	struct task *body; /* the body's task; null: not started */
	uint64_t id;       /* of the body's task, 0: not started; atomic */
	bool callable;     /* atomic: coroutine_may_be_called(), when the body yielded last */
	/* owned by the body, and by the consumer after it has claimed the body's wait */
	struct coroutine call;   /* call.caller: the partner, a consumer in wait call.number; null: it is not known */
	void *to;                /* place of the item that the caller wants; may be null */
	struct object_lock lock; /* protects the fields below */
	bool split;              /* atomic: the call under way has become a wait */
	bool ended;              /* atomic */
	bool dropped;            /* being freed */
	int outcome;             /* when ended: SLEY_END or an error */
	struct task *consumer;   /* while it waits in next, or in free, unless it is the partner */
	unsigned refs;           /* atomic: held by the owner, and by the body once it is started */
	unsigned run;            /* constant: number of its run */
	/* constant */
	struct sley_site *site;
	int (*fn)(void *);
	void *arg;
	size_t item;
	char *place; /* place of the item, behind the argument */
	char block[] __attribute__((aligned(16)));
};

/* Returns the size of the items. */
size_t generator_item(const struct sley_gen *gen);

/* Drops a reference. */
static inline void generator_put(struct sley_gen *gen)
{
	if (fetch_sub(&gen->refs, 1, acq_rel) == 1)
		free(gen);
}

/* 0, or the error of a call that was given this generator. */
static inline int generator_check(const struct sley_gen *gen, const char *call)
{
	return gen ? check_shared(gen, call, "generator") : -EINVAL;
}

/* ---- a call of the consumer that does not call the body ---- */

/* Begins it: it has exclusive use until generator_leave(). Returns 0 or an error. */
int generator_enter(struct task *task, struct sley_gen *gen);

static inline void generator_leave(struct sley_gen *gen)
{
	store(&gen->busy, false, release); /* pairs with generator_enter(): our use of the generator is over */
}

/*
 * Waits under the lock, which is held and dropped, until the body has yielded or ended; first ends its wait with
 * `claiming`. Returns 0 or the error of the wait.
 */
int generator_wait(struct task *task, struct sley_gen *gen, enum claim claiming, sley_time deadline, const void *pc);

#endif
