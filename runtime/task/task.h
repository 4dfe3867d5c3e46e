/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The task table. Entries are type-stable: they are never unmapped during a run, so a stale pointer finds a task entry,
 * and a claim on an old wait fails by its number. An entry that was free for long may be zero, because its page was
 * given back. Its id matches no known id then, and its lock is free. Tools see the task's public record in the region.
 *
 * States (enum sley_task_state): the place of the task, and the way out of the state.
 *   FREE     In the free list of the table or of a worker. task_alloc() takes it.
 *   READY    In one run queue (run-next, deque, inbox, global), or just taken from one. The worker that dequeues it
 *            runs it. A task that is still leaving its worker may be READY already: its slot stays held until it has
 *            left.
 *   RUNNING  On a worker, which holds its slot. The task itself begins a wait, yields or ends.
 *   WAITING  In the lists of the objects on which it waits, and in the timers. The winner of the claim (task/wait.h)
 *            makes it READY.
 *   SLOT     In the waiters of its slot, until the slot is granted to it; or in the starved list, until a retry.
 *   ENDED    In no list, kept until it is joined. The joiner frees it.
 */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include "base/check.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/slab.h"
#include "base/wheel.h"
#include "context/fiber.h"
#include "region/region.h"
#include "stack/slot.h"
#include "task/wait.h"

_Static_assert(SLEY_REGION_WORKERS <= 65536 && SLEY_REGION_SITES <= 65536 && SLEY_TASK_INDEX_BITS <= 24,
	       "struct task keeps them in so many bits");

/* flags */
#define TASK_PINNED  1u
#define TASK_GRANTED 2u /* it is in a run queue and holds its slot */
#define TASK_STARTED 4u
#define TASK_THREAD  8u   /* a plain thread that waits, see run/thread.h; constant */
#define TASK_KEPT    16u  /* pinned by sley_pin(); TASK_PINNED is set, too */
#define TASK_NESTED  128u /* a thread of a pool waits for its end, see io/jobs.h; constant */
/* fate */
#define TASK_DETACHED 1u /* it will never be joined, or has been */
#define TASK_ENDED    2u /* its function has returned and it has left its stack */
#define TASK_UNUSED   4u /* the entry is free: its id is the one that its next task will have */

/* The function of a task that has not run yet. */
struct start {
	void (*fn)(void *);
	void *arg;
	size_t n; /* SLEY_BY_POINTER, or the size of the block `arg`, which is passed by value */
};

/* A callback for the end of a task: see task_watch(). */
struct watch {
	/* protected by the task's lock; while the watch is in no list, link.prev points to the link itself */
	struct list_link link;
	/*
	 * Called on a worker's own stack (or any thread), without locks, after the task has left its stack. The watch
	 * belongs to the callback.
	 */
	void (*ended)(struct watch *watch, struct task *task);
};

struct cleanup;
struct local;
struct sley_child;

/* Fields that few tasks need. Allocated at the first use, kept until the entry is freed. */
struct task_extra {
	/* owned by the task, or by its spawner before it is ready */
	sley_time deadline;         /* applies to every wait */
	struct cleanup *cleanups;   /* see life/cleanup.h */
	struct local *locals;       /* see life/local.c */
	struct sley_child *child;   /* its child record in its scope, see sync/children.h; null: none */
	struct sley_gen *generator; /* the generator whose body it runs, see sync/generator.h; null: none */
	int result;                 /* of a scope's child: the return value of its function */
	bool destroying;            /* a destructor of its locals is running */
	/* protected by the task's lock */
	bool cancelled; /* it was cancelled before it ended; valid from its end on */
	LIST(struct watch) watches;
};

#if !defined(SLEY_TSAN) && !defined(SLEY_ASAN)
#define TASK_ALIGNED CACHE_ALIGNED
#else
#define TASK_ALIGNED __attribute__((aligned(256)))
#endif

/* Two cache lines. A switch touches only the first one, unless the task waits. */
struct task {
	struct tenant tenant; /* first: queues link tenants */
	uint64_t id;          /* constant while the task lives; kept while the entry is free, for the next generation */
	uint64_t claim;       /* atomic, see task/wait.h */
	struct task_lock lock; /* protects changes of id, fate, joiner and watches */
	uint32_t joiner : 24;  /* protected by lock: index + 1 of the joining task; 0: none */
	uint32_t fate : 8;     /* protected by lock: TASK_DETACHED, TASK_ENDED, TASK_UNUSED */
	uint16_t site;         /* constant */
	/* the worker that ran it last, or to which it is pinned; owned by the worker that runs it */
	uint16_t worker;
	uint16_t taken; /* the queue out of which another worker took it, see run/taken.h; owned like the READY task */
	uint8_t state;  /* enum sley_task_state, see above; a core without shared memory has this one alone */
	uint8_t flags;  /* owned by whom the state says */
	union {
		struct start start; /* until the first run */
		struct wait wait;   /* afterwards */
	};
	struct wheel_node timer;  /* see timer.h */
	struct task_extra *extra; /* atomic; set once, and freed, under lock: see task_extra_get() */
	struct fiber fiber;       /* kept while the entry is free, unless its page is given back */
} TASK_ALIGNED;

_Static_assert(SLAB % sizeof(struct task) == 0, "entries are an array across slabs");

#if !defined(SLEY_TSAN) && !defined(SLEY_ASAN)
_Static_assert(sizeof(struct task) == 2 * CACHE_LINE && offsetof(struct task, wait) == CACHE_LINE, "see above");
#endif

/* Free entries of a worker. Owned by it. */
struct task_cache {
	struct slab_block *head;
	unsigned count;
};

/*
 * Opens the table for up to `max` tasks. `reserve` makes room in the queues for so many tasks; 0 or -ENOMEM. It is
 * called with the table's growth lock held, before more entries than ever are used. tasks_open() returns 0 or -ENOMEM.
 */
int tasks_open(uint32_t max, int (*reserve)(uint32_t tasks));
void tasks_close(void);

/*
 * Allocates an entry with a new id. It is in no queue, and its record is not published yet. Null: *error is -EAGAIN if
 * `max` tasks are alive, else -ENOMEM.
 */
struct task *task_alloc(struct task_cache *cache, int *error);
void task_free(struct task_cache *cache, struct task *task);

/* The same with the task's lock held, which it drops. */
void task_free_locked(struct task_cache *cache, struct task *task);

/* Returns the free entries of the cache. Called by its owner. */
void task_cache_empty(struct task_cache *cache);

/* The table's memory: see base/slab.h. */
extern struct slabs task_slabs;

/* Fills in the public record. `parent` may be null. */
void task_publish(struct task *task, struct task *parent, const char *name);

/* The task's extra fields; null: it has none. */
static inline struct task_extra *task_extra(struct task *task)
{
	return load(&task->extra, acquire); /* pairs with task_extra_get() */
}

/*
 * The task's extra fields, allocated if needed. Null: no memory. Called with the task's lock held, or before it is
 * ready.
 */
struct task_extra *task_extra_get(struct task *task);

/* The extra fields of the calling task, allocated if needed, without its lock held. */
struct task_extra *task_extra_own(struct task *task);

/*
 * task_watch() makes watch->ended be called once when the task ends. Called with the task's lock held and its id
 * checked. The task has extra fields and has not ended. task_unwatch(), under the same lock, takes the watch out and
 * returns true; false: `ended` has been called, or is about to be.
 */
void task_watch(struct task *task, struct watch *watch);
bool task_unwatch(struct task *task, struct watch *watch);

/* How the task ended. Called by a watch, or with the task's lock held and TASK_ENDED set. */
void task_outcome(struct task *task, struct sley_end *end);

/* The entry of an id, or null if no entry can have it. The caller checks the entry's id under its lock. */
struct task *task_find(int64_t id);

/* The entry number `index`, which must have been used. */
struct task *task_at(uint32_t index);

/* Calls fn for every entry that was ever used. The reads are racy unless all workers have stopped. */
void tasks_each(void (*fn)(struct task *, void *), void *arg);

static inline struct task *task_of(struct tenant *tenant)
{
	return CONTAINER_OF(tenant, struct task, tenant);
}

/*
 * A list of tasks that belong to the list's owner alone: their waits were claimed, or they were taken from a queue. In
 * order, linked by their queue links, which are single: so not a LIST (base/list.h). Zero bytes are an empty list.
 */
struct task_list {
	struct task *first, *last; /* `last` is valid unless the list is empty */
};

static inline void task_list_add(struct task_list *list, struct task *task)
{
	task->tenant.next = NULL;
	if (list->first)
		list->last->tenant.next = &task->tenant;
	else
		list->first = task;
	list->last = task;
}

/* The task behind `task`, or null. */
static inline struct task *task_list_next(const struct task *task)
{
	return (struct task *)(void *)task->tenant.next;
}

/* Takes the first task out of the list and returns it, or null. */
static inline struct task *task_list_take(struct task_list *list)
{
	struct task *task = list->first;
	if (task)
		list->first = task_list_next(task);
	return task;
}

/* The number of the entry, and of its public record. */
static inline uint32_t task_index(const struct task *task)
{
	return (uint32_t)(task->id & SLEY_TASK_INDEX_MASK) - 1;
}

static inline struct sley_region_task *task_record(const struct task *task)
{
	/* not by task_index(): the wrap of its type would keep the compiler from folding the 1 into the address */
	return &region.tasks[(size_t)(task->id & SLEY_TASK_INDEX_MASK) - 1];
}

void task_set_name(struct task *task, const char *name);

/* wait_claim() for claimants that may know only an older wait: does nothing and returns false if that one is over. */
static inline bool wait_claim_number(struct task *task, uint64_t number, enum claim who)
{
	uint64_t word = load(&task->claim, relaxed);
	do {
		if (unlikely(word >> CLAIM_BITS != number) || unlikely(word & CLAIM_WHO))
			return false;
	} while (!cas_weak(&task->claim, &word, word | who, acq_rel, relaxed)); /* acquire: pairs with wait_begin() */
	return true;
}

/* The task of a node that is linked, or was popped. */
static inline struct task *wait_owner(const struct wait *wait)
{
	return unlikely(wait_is_apart(wait)) ? CONTAINER_OF(wait, struct wait_apart, wait)->owner
					     : CONTAINER_OF(wait, struct task, wait);
}

/* wait_claim() by the node, which was linked until now: so its wait is the current one, and goes on until the lock is free. */
static ALWAYS_INLINE bool wait_claim_linked(struct task *task, enum claim who)
{
	uint64_t word = load(&task->claim, relaxed);
	do {
		if (unlikely(word & CLAIM_WHO))
			return false;
	} while (unlikely(!cas_weak(&task->claim, &word, word | who, acq_rel, relaxed))); /* acquire: as above */
	return true;
}

/* The same by a node of a wait_apart, in which it notes whether it has won. */
static inline bool wait_claim_apart(struct wait *wait, enum claim who)
{
	struct task *task = wait_owner(wait);
	bool won = wait_claim_linked(task, who);
	wait->prev = (struct wait *)((won ? (uintptr_t)wait : 0) | 1);
	if (won)
		task->wait.block = wait;
	return won;
}

/* Pops the first node, which there is. Returns it if its wait could be claimed with `who`, else null. */
static ALWAYS_INLINE struct wait *wait_pop_first(struct sley_waiters *waiters, enum claim who)
{
	struct wait *wait = waiters->head, *next = wait->next;
	store(&waiters->head, next, relaxed);
	if (unlikely(next != NULL))
		next->prev = (struct wait *)(uintptr_t)wait_is_apart(next);
	wait->next = wait;
	if (unlikely(wait_is_apart(wait)))
		return wait_claim_apart(wait, who) ? wait : NULL;
	return likely(wait_claim_linked(CONTAINER_OF(wait, struct task, wait), who)) ? wait : NULL;
}

#endif
